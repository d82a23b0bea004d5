"""Frozen Lake and the Tiger Doors: every transition against tables, and their exact values."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import envs
from adqn_jax.envs.hazards import HazardGrid, HazardState
from adqn_jax.envs.pomdp import hazard_grid
from adqn_jax.envs.tiles import AGENT, GOAL, HAZARD, TILE, HazardImages
from adqn_jax.tabular import belief_graph, bellman_q, optimal_values

LAKE = ("#######", "#.....#", "#.***.#", "#S***G#", "#.***.#", "#.....#", "#######")
DOORS = ("#######", "#S#####", "#.#..A#", "#...###", "#B#..C#", "#######", "#######")
CORRIDORS = {
    1: ("ABC", "ASC"),
    2: ("A.B.C", "A.S.C"),
    3: ("A..B..C", "A..S..C"),
}  # door 1 is A, on the left, door 0 is C
NAMES = ("frozenlake", "tigerdoor", "tigerdoor-1", "tigerdoor-2", "tigerdoor-3")
#: Exact returns: with the state, without; the same with discount 0.995.
VALUES = {
    "frozenlake": (10.6667, 4.0, 10.3922, 3.5876),
    "tigerdoor": (6.0, 2.0, 5.6157, 1.5697),
    "tigerdoor-1": (18.0, 16.0, 18.0, 15.91),
    "tigerdoor-2": (16.0, 14.0, 15.91, 13.8305),
    "tigerdoor-3": (14.0, 12.0, 13.8305, 11.7613),
}


def rows_of(name: str) -> tuple[str, ...]:
    """Draw an environment's map, as the paper has it."""
    if name == "frozenlake":
        return LAKE
    if name == "tigerdoor":
        return DOORS
    inner = CORRIDORS[int(name[-1])]
    wall = "#" * 9
    return (wall,) * 3 + tuple(row.center(9, "#") for row in inner) + (wall,) * 4


def tables(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """List every state before an action, and what each action does, by the rules in words."""
    rows = rows_of(name)
    n = len(rows) - 2
    at: dict[str, list[tuple[int, int]]] = {}
    for y, row in enumerate(rows):
        for x, mark in enumerate(row):
            at.setdefault(mark, []).append((x, y))
    lake = name == "frozenlake"
    if lake:
        placed = [(at["G"], [cell]) for cell in at["*"]]
    else:
        placed = [(at["C"], at["A"]), (at["A"], at["C"])]
    before: dict[str, list[Any]] = {"cell": [], "placement": [], "lit": [], "action": []}
    after: dict[str, list[Any]] = {
        k: [] for k in ("reward", "terminated", "success", "state", "observation")
    }
    for number, (goals, hazards) in enumerate(placed):
        for mark, cells in at.items():
            for x, y in () if mark == "#" else cells:
                for lit in (False,) if lake else (False, True):
                    for action, (dx, dy) in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
                        to = (x + dx, y + dy)
                        to = (x, y) if rows[to[1]][to[0]] == "#" else to
                        lights = lit or to in at.get("B", [])
                        agent = np.zeros((n, n))
                        agent[to[0] - 1, to[1] - 1] = 1.0
                        if lake:
                            told = np.zeros((3, 3))
                            told[hazards[0][1] - 2, hazards[0][0] - 2] = 1.0
                            state = [*agent.ravel(), *told.ravel()]
                            seen = state[:25]
                        else:
                            door = [float(goals == at["C"]), float(goals == at["A"])]
                            told = [*door, *door[::-1]]
                            state = [*agent.ravel(), *told, float(lights)]
                            seen = [*agent.ravel(), *(told if lights else [0.0] * 4), float(lights)]
                        for key, value in zip(
                            before, ((x - 1) * n + y - 1, number, lit, action), strict=True
                        ):
                            before[key].append(value)
                        reward = -2.0 + 20.0 * (to in goals) - 100.0 * (to in hazards)
                        ends = to in goals or to in hazards
                        for key, value in zip(
                            after, (reward, ends, to in goals, state, seen), strict=True
                        ):
                            after[key].append(value)
    return before, after


@pytest.mark.parametrize("name", NAMES)
def test_every_transition(name: str) -> None:
    """Reward, end, state and observation are those of the tables; so is every beginning."""
    env, params = envs.make(name)
    before, expected = tables(name)
    states = HazardState(
        cell=jnp.array(before["cell"], jnp.uint8),
        placement=jnp.array(before["placement"], jnp.uint8),
        lit=jnp.array(before["lit"]),
        time=jnp.zeros(len(before["cell"]), jnp.int32),
    )
    key = jax.random.key(0)
    step = jax.jit(jax.vmap(lambda s, a: env.step_env(key, s, a, params)))
    observation, state, reward, terminated, info = step(states, jnp.array(before["action"]))
    privileged = jax.vmap(env.privileged_state, (0, None))(state, params)
    np.testing.assert_array_equal(reward, expected["reward"])
    np.testing.assert_array_equal(terminated, expected["terminated"])
    np.testing.assert_array_equal(info["success"], expected["success"])
    np.testing.assert_array_equal(privileged, expected["state"])
    np.testing.assert_array_equal(observation, expected["observation"])

    keys = jax.random.split(key, 900)
    first, begun = jax.jit(jax.vmap(lambda k: env.reset_env(k, params)))(keys)
    start = rows_of(name)
    (x, y) = next((row.index("S"), y) for y, row in enumerate(start) if "S" in row)
    assert (begun.cell == (x - 1) * (len(start) - 2) + y - 1).all()
    assert not begun.lit.any()
    assert not np.ptp(first, axis=0).any()  # nothing tells the placement
    counts = np.bincount(begun.placement)
    assert len(counts) == (9 if name == "frozenlake" else 2)
    assert (np.abs(counts / 900 - 1 / len(counts)) < 0.05).all()


@functools.cache
def with_state(name: str, discount: float) -> float:
    """Return what can be had when the state is seen, by value iteration."""
    model = hazard_grid(grid(name), discount)
    visible = dataclasses.replace(
        model, observation=np.repeat(np.eye(model.num_states)[None], model.num_actions, axis=0)
    )
    onwards = visible.transition * ~visible.terminal[..., None]
    value = np.zeros(model.num_states)
    for _ in range(40):
        value = (model.reward + discount * onwards @ value).max(-1)
    return float(model.start @ value)


def grid(name: str) -> HazardGrid:
    """Make an environment that is a grid."""
    env, _ = envs.make(name)
    assert isinstance(env, HazardGrid)
    return env


@pytest.mark.parametrize("name", NAMES)
def test_exact_values(name: str) -> None:
    """Dynamic programming finds the known optima; Frozen Lake's beliefs are left to theory.py."""
    for discount, told, untold in (
        (1.0, *VALUES[name][:2]),
        (0.995, *VALUES[name][2:]),
    ):
        assert with_state(name, discount) == pytest.approx(told, abs=1e-4)
        if name != "frozenlake":
            model = hazard_grid(grid(name), discount)
            graph = belief_graph(model)
            best = optimal_values(model, graph).q[0].max()
            assert best == pytest.approx(untold, abs=1e-4)


def test_model_is_the_environment() -> None:
    """A random walk of the environment earns what the arrays say of it."""
    model = hazard_grid(grid("tigerdoor-2"), 1.0)
    env, params = envs.make("tigerdoor-2", params={"max_steps_in_episode": 4})

    def walk(key: jax.Array) -> jax.Array:
        key_reset, key_steps = jax.random.split(key)
        _, state = env.reset_env(key_reset, params)

        def step(carry: Any, key: jax.Array) -> Any:
            state, alive = carry
            action = jax.random.randint(key, (), 0, 4)
            _, state, reward, over, _ = env.step_env(key, state, action, params)
            return (state, alive & ~over), reward * alive

        return jax.lax.scan(step, (state, True), jax.random.split(key_steps, 4))[1].sum()

    played = jax.jit(jax.vmap(walk))(jax.random.split(jax.random.key(0), 20_000))
    graph = belief_graph(model)
    q = np.zeros((graph.count, 4))
    for _ in range(4):  # of the uniform policy: the mean of the deterministic ones
        q = np.mean(
            [bellman_q(model, graph, q, np.full(graph.count, action)) for action in range(4)], 0
        )
    error = float(played.std()) / len(played) ** 0.5
    assert abs(float(played.mean()) - q[0].mean()) < 4 * error


@pytest.mark.parametrize(
    ("name", "pixels"), [("frozenlake", 42), ("tigerdoor", 42), ("tigerdoor-3", 54)]
)
def test_pictures_hide_the_hazard(name: str, pixels: int) -> None:
    """Its colour is in the state's picture always, and in what is seen only once it is lit."""
    env, params = envs.make(f"{name}:image")
    assert isinstance(env, HazardImages)
    assert env.observation_space(params).shape == (pixels, pixels, 3)
    plain = grid(name)
    before, _ = tables(name)

    @jax.jit
    @jax.vmap
    def drawn(cell: jax.Array, placement: jax.Array, lit: jax.Array) -> Any:
        state = HazardState(cell=cell, placement=placement, lit=lit, time=jnp.int32(0))
        seen = [env.picture(state, everything=everything) for everything in (False, True)]
        noisy = [env.observe(jax.random.key(n), state, None, params) for n in range(2)]
        return (
            seen,
            noisy,
            plain.privileged_state(state, params),
            env.privileged_state(state, params),
        )

    _, state = env.reset_env(jax.random.key(3), params)
    for key, like in ((None, env.picture(state, everything=False)), (jax.random.key(0), None)):
        looked = env.get_obs(state, params, key)  # gymnax's own name for it
        assert env.observation_space(params).contains(looked)
        expected = env.observe(key, state, None, params) if like is None else like
        np.testing.assert_array_equal(looked, expected)
    cells = (jnp.array(before[k]) for k in ("cell", "placement", "lit"))
    (seen, full), noisy, *states = drawn(*cells)
    np.testing.assert_array_equal(*states)
    for colour, hides in ((HAZARD, True), (GOAL, name != "frozenlake")):
        is_shown, is_there = (
            (np.abs(x - np.array(colour)).max(-1) < 1e-6).any((1, 2)) for x in (seen, full)
        )
        on_it = ~is_there  # the agent stands there and hides it
        assert on_it.mean() < 0.2
        expected = np.array(before["lit"]) if hides else np.ones(len(on_it), bool)
        np.testing.assert_array_equal(is_shown, expected & ~on_it)
    agent = np.abs(full - np.array(AGENT)).max(-1) < 1e-6
    y, x = agent[0].any(1).argmax() // TILE, agent[0].any(0).argmax() // TILE
    assert (x - 1) * env.n + y - 1 == before["cell"][0]
    assert 0.04 < float((noisy[0] - seen)[(seen > 0.3) & (seen < 0.7)].std()) < 0.06
    assert (noisy[0] != noisy[1]).any()
    assert not env.observes_deterministically
