"""What a history tells of the state: its formula, and Bayes' rule as what is learnt."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax import envs, make_train, make_trainer
from adqn_jax.actor_critic.segment import make_segment
from adqn_jax.nn.belief import Belief
from adqn_jax.types import Inputs, Rows
from settings import collect, drawn_rows, on_policy, small

LEAD = (2, 3)
BITS = spaces.Box(0, 1, (4,), jnp.uint8)
GRID = spaces.Box(0, 4, (2, 2, 3), jnp.uint8)
BOUNDED = spaces.Box(np.array([-2.0, 0.0, 3.0]), np.array([2.0, 10.0, 3.0]), (3,), jnp.float32)
ENDLESS = spaces.Box(-np.inf, np.inf, (3,), jnp.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    """Turn log odds into probabilities along the last axis."""
    raised = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def untold_value(told: np.ndarray, state: np.ndarray) -> np.ndarray:
    """One of several values."""
    return -np.log(np.take_along_axis(softmax(told), state[..., None], -1)[..., 0])


def untold_bits(told: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Each 0 or 1."""
    one = 1.0 / (1.0 + np.exp(-told))
    return -np.log(np.where(state, one, 1.0 - one)).sum(-1)


def untold_cells(told: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Each of five values."""
    return untold_value(told.reshape(*LEAD, 12, 5), state.reshape(*LEAD, 12)).sum(-1)


def untold_bounded(told: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Half a square, in units of the bounds: -2 and 2, 0 and 10; the last one is always 3."""
    return 0.5 * np.square(told - (state - [0.0, 5.0, 3.0]) / [2.0, 5.0, 1.0]).sum(-1)


def untold_endless(told: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Half a square, as it is."""
    return 0.5 * np.square(told - state).sum(-1)


CASES: list[tuple[Any, int, Any, Any]] = [
    (spaces.Discrete(7), 7, lambda rng: rng.integers(0, 7, LEAD), untold_value),
    (BITS, 4, lambda rng: rng.integers(0, 2, (*LEAD, 4)), untold_bits),
    (GRID, 60, lambda rng: rng.integers(0, 5, (*LEAD, 2, 2, 3)), untold_cells),
    (BOUNDED, 3, lambda rng: rng.uniform([-2, 0, 3], [2, 10, 3], (*LEAD, 3)), untold_bounded),
    (spaces.Box(0, 1, (0,), jnp.uint8), 0, lambda rng: np.zeros((*LEAD, 0), int), untold_bits),
    (ENDLESS, 3, lambda rng: rng.normal(size=(*LEAD, 3)), untold_endless),
]


def ask(space: Any, told: np.ndarray, state: Any) -> jax.Array:
    """Return what numbers do not tell of states."""
    nothing = jnp.zeros(LEAD)
    inputs = Inputs(nothing, jax.tree.map(jnp.asarray, state), nothing, nothing)
    return Belief(space).loss(jnp.asarray(told), inputs)


@pytest.mark.parametrize(("space", "numbers", "draw", "untold"), CASES)
def test_each_kind_of_entry(space: Any, numbers: int, draw: Any, untold: Any) -> None:
    """As many numbers as it takes; their loss is the negative logarithm of the state's odds."""
    asked = Belief(space)
    params = asked.init(jax.random.key(0), jnp.zeros((1, 8)))
    assert asked.apply(params, jnp.zeros((*LEAD, 8))).shape == (*LEAD, numbers)
    rng = np.random.default_rng(0)
    told, state = rng.normal(size=(*LEAD, numbers)), draw(rng)
    np.testing.assert_allclose(ask(space, told, state), untold(told, state), rtol=2e-5)


@given(st.integers(0, 2**32 - 1))
def test_entries_add_up(seed: int) -> None:
    """Of a Dict each entry has its own numbers, in the order of their names, whatever they are."""
    rng = np.random.default_rng(seed)
    names = [f"{name}" for name in rng.permutation(len(CASES))]
    of = dict(zip(names, CASES, strict=True))
    state = {name: draw(rng) for name, (_, _, draw, _) in of.items()}
    told = {name: rng.normal(size=(*LEAD, numbers)) for name, (_, numbers, _, _) in of.items()}
    space = spaces.Dict({name: entry for name, (entry, _, _, _) in of.items()})
    joined = np.concatenate([told[name] for name in sorted(names)], axis=-1)
    expected = sum(untold(told[name], state[name]) for name, (_, _, _, untold) in of.items())
    np.testing.assert_allclose(ask(space, joined, state), expected, rtol=2e-5)


def told_by_values(trainer: Any, state: Any) -> tuple[Rows, jax.Array]:
    """Draw rows, and return what Q's history tells along them."""
    rows = drawn_rows(trainer, state, jax.random.key(1))
    outputs = trainer.agent.networks.outputs(state.agent.params, rows.inputs, jax.random.key(2))
    return rows, outputs.asked["belief"]


def told_by_actors(trainer: Any, state: Any) -> tuple[Rows, jax.Array]:
    """Let somebody act at random, and return what the actor's history tells along the way."""
    who = trainer.agent.novice(state.agent)
    _, rollout = collect(trainer, state, who, jax.random.key(1), 40)
    segment = make_segment(trainer.agent.codec, rollout, whole=False)
    params = {name: state.agent.params[name] for name in ("actor", "belief")}
    networks, before = trainer.agent.networks, {"actor": segment.memory}
    return segment.rows, networks.unroll(params, segment.rows.inputs, before)[0]["belief"]


AT_RANDOM = {"entropy_start": 10.0, "entropy_end": 10.0}
FAMILIES = {
    "values": (small("dqn", belief_weight=1.0, buffer_timesteps=8_000), told_by_values),
    "ppo": (on_policy("ppo-asym", belief_weight=1.0, **AT_RANDOM), told_by_actors),
    "shared": (
        on_policy("ppo", belief_weight=1.0, history_encoders="shared", **AT_RANDOM),
        told_by_actors,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_learnt_is_the_belief(family: str) -> None:
    """In Heaven-Hell the cell is known, and the side from the priest's word on: nothing, or log 2.

    The loss of the exact belief, Pr(s|h), is the least there is. Actions are random.
    """
    env, env_params = envs.make("heavenhell-1")
    config, told_by = FAMILIES[family]
    config = config.replace(total_timesteps=8_000)
    state, _ = jax.jit(make_train(config, env, env_params))(jax.random.key(0))
    trainer = make_trainer(config, env, env_params)
    rows, told = told_by(trainer, state)
    untold = np.asarray(trainer.agent.networks.asks["belief"].loss(told, rows.inputs))

    word, start = np.asarray(rows.inputs.observation), np.asarray(rows.inputs.start)
    knows = np.zeros(word.shape, bool)
    for t in range(len(word)):
        before = knows[t - 1] & ~start[t] if t else False
        knows[t] = before | (word[t] == env.num_cells - 1) | (word[t] == env.num_cells)
    valid = np.asarray(rows.valid)
    if not start[0].all():  # what was before these rows may have shown the priest: it is not said
        valid = valid & (np.cumsum(start, axis=0) > 0)
    assert 0.2 < knows[valid].mean() < 0.9
    np.testing.assert_allclose(untold[valid & knows].mean(), 0.0, atol=0.1)
    np.testing.assert_allclose(untold[valid & ~knows].mean(), math.log(2.0), atol=0.1)
