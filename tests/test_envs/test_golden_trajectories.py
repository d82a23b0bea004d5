"""The environments repeat recordings of the original simulators."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import envs
from adqn_jax.envs.carflag import CarFlagState
from adqn_jax.envs.cleaner import CleanerState
from adqn_jax.envs.four_rooms import FourRoomsState
from adqn_jax.envs.heavenhell import HeavenHellState


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


def cleaner_state(state: np.ndarray, env: Any) -> CleanerState:
    """Set tiles and agents from recorded states [E, 845]."""
    channels = state.reshape(-1, 13, 13, 5)
    agents = [np.argwhere(channels[..., a])[:, 1:] for a in (3, 4)]
    return CleanerState(
        dirty=jnp.packbits(jnp.asarray(channels[..., 2].reshape(len(state), -1)), axis=1),
        free=None,
        agents=jnp.asarray(np.stack(agents, 1), jnp.int8),
        time=jnp.zeros(len(state), jnp.int32),
    )


def four_rooms_state(state: dict[str, np.ndarray], env: Any) -> FourRoomsState:
    """Set everything from recorded grids, agents and headings."""
    kind, colour = (state["grid"][..., c].reshape(-1, env.size**2) for c in (0, 2))
    beacon = (kind == 4).argmax(1)
    beacon_colour = np.take_along_axis(colour, beacon[:, None], 1)[:, 0] - 10
    exits = [np.flatnonzero(cells == 3) for cells in kind]
    rows = zip(exits, colour - 10, beacon_colour, strict=True)
    good_first = [sorted(cells, key=lambda c, r=r, b=b: r[c] != b) for cells, r, b in rows]
    doors = (kind[:, env._door_cells] != 2).argmax(-1)
    uint8 = lambda x: jnp.asarray(np.asarray(x), jnp.uint8)  # noqa: E731
    bad_colour = np.take_along_axis(colour, np.asarray(good_first)[:, 1:], 1)[:, 0] - 10
    return FourRoomsState(
        doors=uint8(doors),
        beacon=uint8(beacon),
        exits=uint8(good_first),
        colours=uint8(np.stack([beacon_colour, bad_colour], 1)),
        agent=uint8(state["agent_grid"].reshape(len(kind), -1).argmax(1)),
        heading=uint8(state["agent"][:, 2:].argmax(1)),
        time=jnp.zeros(len(kind), jnp.int32),
    )


class Case(NamedTuple):
    """How to replay a recording."""

    first_state: Callable[[Any, Any], Any]
    tolerance: float
    last_recorded: bool  # whether the observation and state after the last step are its own


CASES = {
    "carflag": Case(carflag_state, 1e-5, last_recorded=True),
    "heavenhell-3": Case(heavenhell_state, 0, last_recorded=False),
    "heavenhell-4": Case(heavenhell_state, 0, last_recorded=False),
    "cleaner": Case(cleaner_state, 0, last_recorded=True),
    "memory-four-rooms-7x7": Case(four_rooms_state, 1e-6, last_recorded=True),
}


def read(path: pathlib.Path) -> dict[str, Any]:
    """Read a recording; Memory-Four-Rooms' entries are gathered as the environment has them."""
    with np.load(path) as arrays:
        recording: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    if "states.grid" in recording:
        recording["observations"] = recording["observations.grid"]
        recording["states"] = {
            "grid": recording["states.grid"],
            "agent_grid": recording["states.agent_id_grid"],
            "agent": recording["states.agent"],
        }
    return recording


@pytest.mark.parametrize("name", CASES)
def test_golden_trajectory(name: str, golden_dir: pathlib.Path) -> None:
    """Observations, states, rewards and ends are those recorded, under jit and vmap."""
    case = CASES[name]
    recording = read(golden_dir / f"trajectories_{name}.npz")
    env, params = envs.make(name)
    state = case.first_state(jax.tree.map(lambda x: x[:, 0], recording["states"]), env)
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

    def same(ours: Any, recorded: Any, where: np.ndarray) -> None:
        def compare(a: Any, b: np.ndarray) -> None:
            exact = 0 if np.issubdtype(a.dtype, np.integer) else case.tolerance
            a, b = np.asarray(a)[where], b[where]
            np.testing.assert_allclose(a, b, rtol=0, atol=exact)

        jax.tree.map(compare, ours, recorded)

    everywhere = np.ones(len(lengths), bool)
    first, later = (
        jax.tree.map(
            lambda x, part=part: x[:, part], (recording["observations"], recording["states"])
        )
        for part in (0, slice(1, None))
    )
    same((observation, privileged), first, everywhere)
    same((observations, states), later, followed)
    same(rewards, recording["rewards"], before_end)
    np.testing.assert_array_equal(np.asarray(ends)[before_end], recording["dones"][before_end])
