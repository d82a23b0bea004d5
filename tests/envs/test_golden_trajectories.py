"""The environments repeat recordings of the original simulators."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs.carflag import CarFlagState
from envs.heavenhell import HeavenHellState


def carflag_state(state: np.ndarray, env: Any) -> CarFlagState:
    """Set position, velocity and side from recorded states [E, 3]."""
    return CarFlagState(
        position=jnp.asarray(state[:, 0], jnp.float32),
        velocity=jnp.asarray(state[:, 1], jnp.float32),
        heaven=jnp.asarray(state[:, 2], jnp.int8),
        time=jnp.zeros(len(state), jnp.int32),
    )


def heavenhell_state(state: np.ndarray, env: Any) -> HeavenHellState:
    """Set cell and side from recorded state indices [E]."""
    side, cell = np.divmod(state, 4 * env.n + 2)
    return HeavenHellState(
        cell=jnp.asarray(cell, jnp.int16),
        side=jnp.asarray(side, jnp.int8),
        time=jnp.zeros(len(state), jnp.int32),
    )


class Case(NamedTuple):
    """How to replay a recording."""

    first_state: Callable[[np.ndarray, Any], Any]
    tolerance: float
    last_recorded: bool  # whether the observation and state after the last step are its own


CASES = {
    "carflag": Case(carflag_state, 1e-5, last_recorded=True),
    "heavenhell-3": Case(heavenhell_state, 0, last_recorded=False),
    "heavenhell-4": Case(heavenhell_state, 0, last_recorded=False),
}


@pytest.mark.parametrize("name", CASES)
def test_golden_trajectory(name: str, golden_dir: pathlib.Path) -> None:
    """Observations, states, rewards and ends are those recorded, under jit and vmap."""
    case = CASES[name]
    recording = np.load(golden_dir / f"trajectories_{name}.npz")
    env, params = envs.make(name)
    state = case.first_state(recording["states"][:, 0], env)
    key = jax.random.key(0)

    def look(state: Any) -> tuple[Any, Any]:
        return env.observe(key, state, None, params), env.privileged_state(state, params)

    def step(state: Any, action: Any) -> tuple[Any, Any]:
        observation, state, reward, terminated, _ = env.step_env(key, state, action, params)
        # The original simulators do not tell a time limit from an end of their own.
        end = terminated | env.is_truncated(state, params)
        return state, (observation, env.privileged_state(state, params), reward, end)

    @jax.jit
    @jax.vmap
    def replay(state: Any, actions: Any) -> Any:
        return look(state), jax.lax.scan(step, state, actions)[1]

    (observation, privileged), (observations, states, rewards, ends) = replay(
        state, jnp.asarray(recording["actions"])
    )
    lengths = recording["lengths"]
    time = np.arange(rewards.shape[1])
    before_end = time < lengths[:, None]
    followed = before_end if case.last_recorded else time < lengths[:, None] - 1
    assert before_end.sum() > 1000

    def same(ours: Any, recorded: np.ndarray, where: np.ndarray) -> None:
        np.testing.assert_allclose(
            np.asarray(ours)[where], recorded[where], rtol=0, atol=case.tolerance
        )

    everywhere = np.ones(len(lengths), bool)
    same(observation, recording["observations"][:, 0], everywhere)
    same(privileged, recording["states"][:, 0], everywhere)
    same(observations, recording["observations"][:, 1:], followed)
    same(states, recording["states"][:, 1:], followed)
    same(rewards, recording["rewards"], before_end)
    np.testing.assert_array_equal(np.asarray(ends)[before_end], recording["dones"][before_end])
