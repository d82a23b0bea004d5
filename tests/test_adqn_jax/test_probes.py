"""Each probe trains to values known exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probes
from adqn_jax import make_trainer
from adqn_jax.types import Rows
from adqn_jax.value.networks import Values
from settings import drawn_rows, small

TOLERANCE = 0.06


def learned(env: Any, algorithm: str = "adqn-vr", **changes: Any) -> tuple[Rows, Values]:
    """Train on a probe; return rows from its buffer and the values in their slots."""
    trainer = make_trainer(small(algorithm, **changes), env, env.default_params)

    @jax.jit
    def run(key: jax.Array) -> tuple[Rows, Values]:
        key_train, key_rows = jax.random.split(key)
        state = trainer.init(key_train)
        state = trainer.iterate(state, trainer.config.hyper, 500)
        rows = drawn_rows(trainer, state, key_rows)
        return rows, trainer.agent.networks.unroll(state.agent.params, rows.inputs)

    return run(jax.random.key(0))


def close(values: Any, exact: Any) -> None:
    """Compare learned values with exact ones."""
    assert np.size(values) > 0
    np.testing.assert_allclose(values, np.broadcast_to(exact, np.shape(values)), atol=TOLERANCE)


@pytest.mark.parametrize("algorithm", ["dqn", "adqn-vr"])
def test_constant_reward(algorithm: str) -> None:
    """Values are the reward; in every slot, whatever state and history."""
    _, values = learned(probes.Constant(), algorithm)
    close(values.q, 1.0)
    if values.u is not None:
        close(values.u, 1.0)


@pytest.mark.parametrize("algorithm", ["dqn", "adqn"])
def test_two_steps(algorithm: str) -> None:
    """A reward one step ahead is discounted once, by bootstrapping."""
    rows, values = learned(probes.TwoSteps(), algorithm)
    first = np.asarray(rows.inputs.start)
    close(values.q[first], 0.5)
    close(values.q[~first], 1.0)


@pytest.mark.parametrize("algorithm", ["dqn", "adqn-state-vr"])
def test_action(algorithm: str) -> None:
    """Each action has the value of its own reward."""
    _, values = learned(probes.Choice(), algorithm)
    close(values.q, [-1.0, 1.0])


@pytest.mark.parametrize("algorithm", ["dqn", "adqn-vr"])
def test_memory(algorithm: str) -> None:
    """What was seen two steps ago decides the value of an action now."""
    rows, values = learned(probes.Memory(), algorithm)
    time = slot_times(rows)
    seen = rows.inputs.state[time == 2]
    sign = jnp.where(jnp.arange(2) == seen[:, None], 1.0, -1.0)
    close(values.q[time == 2], sign)
    close(values.q[time == 1], 0.5)
    close(values.q[time == 0], 0.25)


@pytest.mark.parametrize("algorithm", ["adqn", "adqn-state-vr"])
def test_state_only(algorithm: str) -> None:
    """U reads the hidden bit; Q, which cannot, is its mean: Q(h,a) = E[U(h,s,a) | h]."""
    rows, values = learned(probes.StateOnly(), algorithm, learning_rate=2e-3)
    assert values.u is not None
    close(values.u, 2.0 * rows.inputs.state[..., None] - 1.0)
    # Q follows a mean over random bits, with the noise of a constant step size.
    np.testing.assert_allclose(np.mean(values.q), 0.0, atol=0.2)
    assert np.abs(values.q).max() < 0.5


@pytest.mark.parametrize(
    ("time_limit", "exact"),
    # Rewards of 1 until the limit after 4 steps, discounted by one half; or for ever.
    [("terminates", [1.875, 1.75, 1.5, 1.0]), ("bootstraps", [2.0] * 4)],
)
def test_truncation(time_limit: str, exact: list[float]) -> None:
    """Past a time limit the value is 0 or bootstrapped, as configured."""
    rows, values = learned(probes.Limit(), "adqn", time_limit=time_limit)
    time = slot_times(rows)
    for step, value in enumerate(exact):
        close(values.q[(time == step) & np.asarray(rows.valid)], value)


def slot_times(rows: Rows) -> np.ndarray:
    """Return the time of each slot within its episode, int [T, B]."""
    start = np.asarray(rows.inputs.start)
    slots = np.arange(start.shape[0])[:, None]
    return slots - np.maximum.accumulate(np.where(start, slots, 0))
