"""Level-based foraging repeats recordings of the original, and its rules one by one."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import envs
from adqn_jax.envs.foraging import EAST, LOAD, NONE, NORTH, SOUTH, WEST, Foraging, ForagingState

CONFIGURATIONS = (
    "8x8-1p-1f",
    "8x8-1p-1f-level1",
    "8x8-2p-2f-coop",
    "10x10-3p-3f",
    "2s-8x8-2p-2f",
    "5x5-4p-2f",
    "2s-8x8-2p-2f-pen",
)


def recorded_env(config: dict[str, Any]) -> tuple[Foraging, Any]:
    """Make the environment whose arguments the original's were."""
    env = Foraging(
        *config["field_size"],
        config["players"],
        config["max_num_food"],
        sight=config["sight"],
        levels=config["max_player_level"] > 1,
        coop=config["force_coop"],
    )
    return env, dataclasses.replace(env.default_params, penalty=config["penalty"])


def state_of(agents: Any, agent_levels: Any, items: Any, item_levels: Any) -> ForagingState:
    """Set a state at time 0; leading axes are those of a batch."""
    int8 = lambda x: jnp.asarray(np.asarray(x), jnp.int8)  # noqa: E731
    return ForagingState(
        agents=int8(agents),
        agent_levels=int8(agent_levels),
        items=int8(items),
        item_levels=int8(item_levels),
        time=jnp.zeros(np.shape(agents)[:-2], jnp.int32),
    )


def joint(actions: Any, agents: int) -> Any:
    """Number joint actions, [..., N] -> [...]."""
    return np.ravel_multi_index(tuple(np.moveaxis(np.asarray(actions), -1, 0)), (6,) * agents)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_golden_foraging(name: str, golden_dir: pathlib.Path) -> None:
    """Places, what is present, observations, rewards and ends are those recorded."""
    with np.load(golden_dir / "foraging.npz") as arrays:
        env, params = recorded_env(json.loads(str(arrays["configs"]))[name])
        recorded = {
            key.removeprefix(f"{name}/"): arrays[key]
            for key in arrays.files
            if key.startswith(f"{name}/")
        }
    state = state_of(
        recorded["agent_positions"][:, 0],
        recorded["agent_levels"],
        recorded["item_positions"],
        recorded["item_levels"],
    )

    def look(state: Any) -> Any:
        observation = env.observe(jax.random.key(0), state, None, params)
        return observation, env.privileged_state(state, params)

    def step(state: Any, action: Any) -> Any:
        observation, state, reward, terminated, info = env.step_env(
            jax.random.key(1), state, action, params
        )
        seen, privileged = look(state)
        return state, {
            "reward": reward,
            "rewards": info["agent_rewards"],
            "dones": terminated | env.is_truncated(state, params),
            "terminated": terminated,
            "observation": observation,
            "observed again": seen,
            "privileged": privileged,
            "agents": state.agents,
            "items": state.items,
        }

    @jax.jit
    @jax.vmap
    def replay(state: Any, actions: Any) -> Any:
        return look(state), jax.lax.scan(step, state, actions)[1]

    first, later = replay(state, joint(recorded["actions"], env.agents))
    later = jax.tree.map(np.asarray, later)
    made = np.arange(later["reward"].shape[1]) < recorded["lengths"][:, None]  # [E, T]
    assert made.sum() > 90
    present = recorded["item_present"]
    seen = recorded["observations"].reshape(*made.shape[:1], made.shape[1] + 1, -1)
    expected = {
        "dones": recorded["dones"],
        "terminated": ~present[:, 1:].any(-1),
        "observation": seen[:, 1:],
        "observed again": seen[:, 1:],
        "agents": recorded["agent_positions"][:, 1:],
        "items": np.where(present[..., None], recorded["item_positions"][:, None], -1)[:, 1:],
    }
    for what, values in expected.items():
        np.testing.assert_array_equal(later[what][made], values[made], err_msg=what)
    for what, values in (("rewards", recorded["rewards"]), ("reward", recorded["rewards"].sum(-1))):
        np.testing.assert_allclose(later[what][made], values[made], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(first[0], seen[:, 0])

    where = np.concatenate([expected["items"], expected["agents"]], 2)
    levels = np.concatenate([recorded["item_levels"], recorded["agent_levels"]], 1)
    levels = np.broadcast_to(levels[:, None, :, None], (*where.shape[:3], 1))
    privileged = np.concatenate([where, levels], -1).reshape(*made.shape, -1)
    np.testing.assert_array_equal(later["privileged"][made], privileged[made])


def test_the_recordings_are_all_replayed(golden_dir: pathlib.Path) -> None:
    """No configuration is left out."""
    with np.load(golden_dir / "foraging.npz") as arrays:
        assert set(json.loads(str(arrays["configs"]))) == set(CONFIGURATIONS)


# One row of a grid with 3 rows: agents at these columns, what they do, where they are then.
MOVES = {
    "swap": ([1, 2], [EAST, WEST], [2, 1]),
    "both want one cell": ([1, 3], [EAST, WEST], [1, 3]),
    "follow": ([1, 2], [EAST, EAST], [2, 3]),
    "behind one that stays": ([1, 2], [EAST, NONE], [1, 2]),
    "behind one that cannot go": ([4, 5], [EAST, EAST], [4, 5]),
    "behind one that fails": ([1, 2, 4], [EAST, EAST, WEST], [2, 2, 4]),
    "apart again": ([2, 2, 4], [WEST, NONE, NONE], [1, 2, 4]),
    "together in vain": ([2, 2], [EAST, EAST], [2, 2]),
    "off the grid": ([0, 5], [WEST, EAST], [0, 5]),
}


@functools.cache
def in_a_row(agents: int) -> tuple[Foraging, Any]:
    """Make the environment of `MOVES` and its compiled step."""
    env = Foraging(3, 9, agents, 1)
    return env, jax.jit(env.step_env)


@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str) -> None:
    """Whoever alone names a cell gets it; nothing is tried again."""
    before, actions, after = MOVES[name]
    env, step = in_a_row(len(before))
    agents = [(1, column) for column in before]
    state = state_of(agents, [1] * len(before), [(1, 6)], [1])  # no move leads onto the item
    action = joint(actions, len(before))
    _, state, reward, *_ = step(jax.random.key(0), state, action, env.default_params)
    assert np.asarray(state.agents).tolist() == [[1, column] for column in after]
    assert reward == 0


@pytest.mark.parametrize(
    ("actions", "taken", "rewards"),
    [
        ((LOAD, LOAD, LOAD), True, (0.4 * 1 / 4, 0.4 * 2 / 4, 0.4 * 1 / 4)),  # 4 exceeds 2
        ((LOAD, NONE, LOAD), True, (0.4 / 2, 0, 0.4 / 2)),  # just enough
        ((NONE, LOAD, NONE), True, (0, 0.4, 0)),
        ((LOAD, NONE, NONE), False, (-0.5, 0, 0)),  # who is beside it and does not load is no help
        ((LOAD, SOUTH, NORTH), False, (-0.5, 0, 0)),
        ((NONE, WEST, NONE), False, (0, 0, 0)),
    ],
)
def test_loading(actions: tuple[int, ...], taken: bool, rewards: tuple[float, ...]) -> None:
    """Levels must reach the item's; the taken item's share goes by level; the weak pay."""
    env = Foraging(7, 7, 3, 2, levels=True)
    params = dataclasses.replace(env.default_params, penalty=0.5)
    state = state_of([(1, 2), (2, 1), (3, 2)], [1, 2, 1], [(2, 2), (5, 5)], [2, 3])
    _, state, reward, terminated, info = env.step_env(
        jax.random.key(0), state, joint(actions, 3), params
    )
    assert bool(state.items[0, 0] < 0) == taken
    np.testing.assert_allclose(info["agent_rewards"], rewards, rtol=1e-6)
    np.testing.assert_allclose(reward, sum(rewards), rtol=1e-6)
    assert not terminated


def test_time_runs_out() -> None:
    """The limit truncates; the last item taken in the last step terminates."""
    env, params = envs.make("foraging")
    state = dataclasses.replace(state_of([(3, 3)], [1], [(3, 4)], [1]), time=jnp.int32(49))
    for action, terminates in ((NONE, False), (LOAD, True)):
        *_, reward, terminated, truncated, info = env.step(jax.random.key(0), state, action, params)
        assert bool(terminated) == bool(info["success"]) == terminates
        assert truncated
        assert float(reward) == terminates
    early = dataclasses.replace(state, time=jnp.int32(48))
    *_, terminated, truncated, _ = env.step(jax.random.key(0), early, NONE, params)
    assert not terminated
    assert not truncated


@pytest.mark.parametrize("name", ["foraging:6x9:3:4:sight=1:levels", "foraging:5x5:2:2:coop"])
def test_the_privileged_state_decides(name: str) -> None:
    """Beside the time, it says all that the future depends on: a state made of it goes on alike."""
    env, params = envs.make(name)
    assert isinstance(env, Foraging)

    def again(privileged: jax.Array) -> ForagingState:
        where, levels = jnp.split(privileged.reshape(-1, 3).astype(jnp.int8), [2], axis=1)
        items, agents = slice(env.items), slice(env.items, None)
        return ForagingState(
            agents=where[agents],
            agent_levels=levels[agents, 0],
            items=where[items],
            item_levels=levels[items, 0],
            time=jnp.int32(0),
        )

    @jax.jit
    @jax.vmap
    def run(key: jax.Array) -> Any:
        def body(state: Any, key: jax.Array) -> Any:
            action = env.action_space(params).sample(key)
            twin = again(env.privileged_state(state, params))
            both = [env.step_env(key, s, action, params) for s in (state, twin)]
            told = [(x[0], env.privileged_state(x[1], params), *x[2:]) for x in both]
            return both[0][1], told

        return jax.lax.scan(body, env.reset_env(key, params)[1], jax.random.split(key, 300))[1]

    one, other = run(jax.random.split(jax.random.key(5), 16))
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert one[2].any(), "something was taken"
