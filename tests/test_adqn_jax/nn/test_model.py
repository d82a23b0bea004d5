"""Models: one slot after another as whole rows, what each of them sees, and its memory."""

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments.spaces import Box, Discrete

from adqn_jax import NetworkConfig
from adqn_jax.nn import initial
from adqn_jax.nn import model as models
from adqn_jax.nn.heads import Head
from adqn_jax.nn.history import HISTORIES, make_history
from adqn_jax.nn.model import Model, make_model
from adqn_jax.spaces import Spaces
from adqn_jax.types import Inputs

TIME, ROWS, OUTPUTS = 7, 3, 2
SPACES = Spaces(Discrete(5), Box(-1.0, 1.0, (2,)), Discrete(4))
SEES: tuple[models.Sees, ...] = ("history", "history-state", "state")
CONFIG = NetworkConfig(embedding_size=3, history_size=4, head_sizes=(5,))


def drawn_inputs() -> Inputs:
    """Draw rows; every row begins with an episode, and further ones begin within rows."""
    keys = jax.random.split(jax.random.key(0), 4)
    return Inputs(
        observation=jax.random.randint(keys[0], (TIME, ROWS), 0, 5),
        state=jax.random.normal(keys[1], (TIME, ROWS, 2)),
        action_tm1=jax.random.randint(keys[2], (TIME, ROWS), 0, 4),
        start=jax.random.bernoulli(keys[3], 0.3, (TIME, ROWS)).at[0].set(True),
    )


INPUTS = drawn_inputs()


@functools.cache
def drawn(sees: models.Sees, history: Any = "gru", bits: bool = False) -> tuple[Model, Any]:
    """Make a model and its parameters."""
    config = dataclasses.replace(CONFIG, history=history, memory_bits=bits)
    model = make_model(sees, Head(config.head_sizes, OUTPUTS, 1.0), SPACES, config)
    return model, jax.jit(lambda key: models.init({"m": model}, key, INPUTS))(jax.random.key(1))


@functools.cache
def unroll(sees: models.Sees, history: Any = "gru", bits: bool = False) -> Any:
    """Compile a model's evaluation of whole rows."""
    model, params = drawn(sees, history, bits)

    def values(inputs: Inputs) -> jax.Array:
        encoded = models.encode({"m": model}, params, inputs)
        return models.evaluate({"m": model}, params, inputs, encoded)["m"]

    return jax.jit(values)


@pytest.mark.parametrize(
    ("sees", "history", "bits"),
    [(*of, False) for of in itertools.product(SEES, HISTORIES)]
    + [("history", history, True) for history in HISTORIES],
)
def test_step_by_step_as_unrolled(sees: models.Sees, history: str, bits: bool) -> None:
    """Outputs of each slot are the same, whatever the model sees."""
    model, params = drawn(sees, history, bits)

    def step(memory: Any, slot: Inputs) -> Any:
        values, memory = model.step(params["m"], memory, slot)
        return memory, values

    stepped = jax.lax.scan(step, model.memory(ROWS), INPUTS)[1]
    whole = unroll(sees, history, bits)(INPUTS)
    assert whole.shape == (TIME, ROWS, OUTPUTS)
    assert np.ptp(whole, axis=0).min() > 1e-3, "slots must differ"
    np.testing.assert_allclose(stepped, whole, atol=1e-6)


@pytest.mark.parametrize("sees", SEES)
def test_what_is_seen_matters(sees: models.Sees) -> None:
    """The state where it is seen, the observation before where there is a history; no other."""
    of = unroll(sees)
    before = of(INPUTS)
    other_state = INPUTS.replace(state=INPUTS.state.at[2].add(1.0))
    other_past = INPUTS.replace(
        observation=INPUTS.observation.at[0].set((INPUTS.observation[0] + 1) % 5),
        start=INPUTS.start.at[1:].set(False),
    )
    calm = INPUTS.replace(start=other_past.start)

    changed = np.abs(of(other_state) - before).max((1, 2)) > 1e-4
    np.testing.assert_array_equal(changed, (np.arange(TIME) == 2) & ("state" in sees))
    recalled = np.abs(of(other_past) - of(calm)).max((1, 2)) > 1e-6
    np.testing.assert_array_equal(recalled, np.full(TIME, "history" in sees))
    assert drawn(sees)[0].arguments == {"history": "h", "history-state": "h,s", "state": "s"}[sees]


@pytest.mark.parametrize("sees", SEES)
def test_asked_without_a_state(sees: models.Sees) -> None:
    """A model that sees it refuses; once deployed the others do without."""
    model, params = drawn(sees)
    deployed = INPUTS.replace(state=None)
    encoded = models.encode({"m": model}, params, deployed)
    if sees == "history":
        whole = models.evaluate({"m": model}, params, deployed, encoded)["m"]
        np.testing.assert_allclose(whole, unroll(sees)(INPUTS), atol=1e-6)
        return
    with pytest.raises(ValueError, match="that sees the privileged state was asked without one"):
        models.evaluate({"m": model}, params, deployed, encoded)
    slot = jax.tree.map(lambda x: x[0], deployed)
    with pytest.raises(ValueError, match="was asked without one"):
        model.step(params["m"], model.memory(ROWS), slot)


@pytest.mark.parametrize(("kind", "bits"), [("gru", False), ("lstm", False), ("gru", True)])
@pytest.mark.parametrize("cut", [1, 4, TIME - 1])
def test_memory_is_carried_over(cut: int, kind: Any, bits: bool) -> None:
    """Two parts with the memory between are the whole; an empty memory is none."""
    config = dataclasses.replace(CONFIG, history=kind, memory_bits=bits)
    history = make_history(SPACES.action, SPACES.observation, config)
    params = initial.init(history, jax.random.key(2), INPUTS)
    apply = jax.jit(history.apply)
    whole, last = apply(params, INPUTS)
    first, second = (
        jax.tree.map(lambda x, part=part: x[part], INPUTS)
        for part in (slice(cut), slice(cut, None))
    )
    begun, between = apply(params, first)
    gone_on, after = apply(params, second, between)
    np.testing.assert_allclose(history.features(after), history.features(last), atol=1e-6)
    np.testing.assert_allclose(jnp.concatenate([begun, gone_on]), whole, atol=1e-6)
    again, _ = apply(params, first, jax.tree.map(jnp.ones_like, between))
    np.testing.assert_array_equal(again, begun, "rows that start with an episode forget")
    assert np.abs(apply(params, second)[0] - gone_on).max() > 1e-3, "memory must matter"


def test_models_share_a_scan_and_no_parameters() -> None:
    """Several histories encoded at once are each one's own."""
    both = {sees: drawn(sees)[0] for sees in SEES}
    params = jax.jit(lambda key: models.init(both, key, INPUTS))(jax.random.key(3))
    encoded = models.encode(both, params, INPUTS)
    assert set(encoded) == {"history", "history-state"}
    for name, together in encoded.items():
        alone = models.encode({name: both[name]}, params, INPUTS)[name]
        np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.abs(encoded["history"] - encoded["history-state"]).max() > 1e-2
    assert set(params["state"]) == {"state", "head"}
    assert models.encode({"state": both["state"]}, params, INPUTS) == {}
