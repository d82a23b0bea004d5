"""Pedestrian: every transition against a replay in words, what is hidden, and the exact values."""

import csv
import functools
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqn_jax import envs
from adqn_jax.envs.pedestrian import PedestrianState
from runs import ROOT
from support import occlusion

#: How near a car must be, by kind; nobody is there of the first.
NEAR = (None, 4, 8, 12, 16)
PLACES = (2, 1, 0, -1, -2)

State = tuple[int, int, int, int]  # kind, lateral, position, speed


def replay(state: State, action: int) -> tuple[State, float, str]:
    """Return the state that follows, the reward, and how it ends, by the rules in words."""
    kind, lateral, position, speed = state
    faster = min(4, max(0, speed + action - 1))
    reached = min(32, position + faster)
    near = NEAR[kind]
    if near is not None and lateral > -2 and (lateral < 2 or 21 - position <= near):
        lateral -= 1
    reward = -2.0 - 2.0 * (action == 0)
    if near is not None and lateral in (-1, 0, 1) and 21 in range(position, reached + 1):
        return (kind, lateral, 21, faster), reward - 100.0, "collision"
    for waypoint in (4, 8, 12, 16, 20, 24, 28, 32):
        reward += 10.0 * (position < waypoint <= reached)
    return (kind, lateral, reached, faster), reward, "success" if reached == 32 else ""


@functools.cache
def sees(position: int, lateral: int) -> bool:
    """Whether no point of the line between car and pedestrian is in the truck, 14-20 x 1.5-3.5."""
    long, across = Fraction(21 - position), Fraction(lateral)
    first, last = Fraction(0), Fraction(1)  # what share of the line is in it
    for start, slope, low, high in (
        (Fraction(position), long, 14, 20),
        (Fraction(0), across, Fraction(3, 2), Fraction(7, 2)),
    ):
        if slope == 0:
            first = first if low <= start <= high else Fraction(2)
        else:
            ends = sorted(((low - start) / slope, (high - start) / slope))
            first, last = max(first, ends[0]), min(last, ends[1])
    return first > last


def told(state: State) -> tuple[list[float], list[float]]:
    """Return what the agent sees and the privileged state."""
    kind, lateral, position, speed = state
    car = [float(position == x) for x in range(33)] + [float(speed == v) for v in range(5)]
    place = [float(kind > 0 and lateral == y) for y in PLACES]
    seen = [p * sees(position, lateral) for p in place]
    return car + seen, car + place + [float(kind == k) for k in (1, 2, 3, 4)]


def arrays(states: list[State]) -> PedestrianState:
    """Return states as the environment holds them."""
    kind, lateral, position, speed = np.array(states).T
    return PedestrianState(
        position=jnp.array(position, jnp.uint8),
        speed=jnp.array(speed, jnp.uint8),
        kind=jnp.array(kind, jnp.uint8),
        lateral=jnp.array(lateral, jnp.int8),
        time=jnp.zeros(len(states), jnp.int32),
    )


def test_every_transition() -> None:
    """Reward, end, state and observation are those of the replay, from wherever a car may be."""
    env, params = envs.make("pedestrian")
    before = [
        (kind, lateral, position, speed)
        for kind in range(5)
        for lateral in (PLACES if kind else PLACES[:1])
        for position in range(32)
        for speed in range(5)
    ]
    step = jax.jit(jax.vmap(env.step_env, (None, 0, None, None)))
    look = jax.jit(jax.vmap(env.privileged_state, (0, None)))
    for action in range(3):
        observation, state, reward, terminated, info = step(
            jax.random.key(0), arrays(before), jnp.int32(action), params
        )
        after, rewards, ends = zip(*(replay(s, action) for s in before), strict=True)
        seen, known = zip(*map(told, after), strict=True)
        np.testing.assert_array_equal(reward, rewards)
        np.testing.assert_array_equal(terminated, [end != "" for end in ends])
        for how in ("success", "collision"):
            np.testing.assert_array_equal(info[how], [end == how for end in ends])
        np.testing.assert_array_equal(look(state, params), known)
        np.testing.assert_array_equal(observation, seen)
        assert (state.time == 1).all()


def test_episodes_begin_alike() -> None:
    """At rest, somebody in half of them, each distance as often; nothing of it is seen."""
    env, params = envs.make("pedestrian")
    keys = jax.random.split(jax.random.key(0), 2_000)
    first, state = jax.jit(jax.vmap(lambda key: env.reset_env(key, params)))(keys)
    np.testing.assert_array_equal(first, np.tile(told((1, 2, 0, 0))[0], (2_000, 1)))
    assert not first[:, -5:].any()
    share = np.bincount(state.kind) / 2_000
    np.testing.assert_allclose(share, [0.5, 0.125, 0.125, 0.125, 0.125], atol=0.03)


@functools.cache
def drive() -> Any:
    """Compile episodes of 40 steps by given actions; they do not stop where they end."""
    env, params = envs.make("pedestrian")

    def run(kind: jax.Array, actions: jax.Array) -> Any:
        def step(state: PedestrianState, action: jax.Array) -> Any:
            observation, state, *_ = env.step_env(jax.random.key(0), state, action, params)
            return state, (observation, env.privileged_state(state, params))

        start = jax.tree.map(lambda x: x[0], arrays([(0, 2, 0, 0)]))
        return jax.lax.scan(step, start.replace(kind=kind.astype(jnp.uint8)), actions)[1]

    return jax.jit(jax.vmap(run, (0, None)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 2]), min_size=40, max_size=40))
def test_what_is_hidden(actions: list[int]) -> None:
    """Until he is seen all episodes look alike; past the corner he is; the state always shows him.

    He is seen wherever he is in the lane, as the truck is not.
    """
    seen, known = map(np.asarray, drive()(jnp.arange(5), jnp.array(actions)))
    shown = seen[:, :, -5:].any(-1)  # [kinds, steps]
    assert not shown[0].any()
    for kind in range(1, 5):
        first = shown[kind].argmax() if shown[kind].any() else len(actions)
        np.testing.assert_array_equal(seen[kind, :first], seen[0, :first])
    position = seen[0, :, :33].argmax(-1)
    assert (shown[1:, position >= 18]).all()
    assert (known[1:, :, 38:43].sum(-1) == 1).all()
    assert not known[0, :, 38:].any()
    in_lane = known[:, :, 39:42].any(-1)
    assert shown[in_lane].all()


@functools.cache
def can_stop(state: State) -> bool:
    """Whether some actions lead past the crossing without a collision."""
    if state[2] > 21:
        return True
    if state[3] == 0 and state[1] == -2:
        return True
    tried = (replay(state, action) for action in range(3))
    return any(
        end == "success" or (end == "" and (after != state and can_stop(after)))
        for after, _, end in tried
    )


@pytest.mark.parametrize(("speed", "safe"), [(1, True), (2, True), (4, False)])
@pytest.mark.parametrize("kind", [1, 2])
def test_who_drives_fast_cannot_stop(kind: int, speed: int, safe: bool) -> None:
    """Of who sets off late: at full speed it is too late once he is seen, at 2 it is not.

    That is so from wherever the car comes.
    """
    for start in range(2, 2 + speed):
        state = (kind, 2, start, speed)
        end = ""
        while not end and not sees(state[2], state[1]):
            state, _, end = replay(state, 1)
        assert (not end and can_stop(state)) == safe


def test_exact_values() -> None:
    """Dynamic programming by the replay, and by the arrays that are made from the environment."""

    @functools.cache
    def best(state: State, steps: int) -> float:
        if not steps:
            return -np.inf
        tried = [replay(state, action) for action in range(3)]
        return max(r + (0.0 if end else best(s, steps - 1)) for s, r, end in tried)

    by_kind = [best((kind, 2, 0, 0), 20) for kind in range(5)]
    assert by_kind == [60.0, 48.0, 54.0, 60.0, 60.0]
    found = occlusion.exact()
    assert found.with_state == pytest.approx(by_kind[0] / 2 + sum(by_kind[1:]) / 8)
    assert (found.with_state, found.without) == pytest.approx((57.75, 54.0))
    assert (found.sampled, found.greedy) == pytest.approx((30.763, 28.5), abs=1e-3)
    assert found.sampled_collisions == pytest.approx(0.416, abs=1e-3)
    assert found.greedy_collisions == pytest.approx(0.5)


def test_ordering_of_the_results() -> None:
    """As docs/teachers.md says: expert above A2D above the clone, which collides."""
    last: dict[str, list[dict[str, str]]] = {}
    for algo in ("expert", "a2d", "ail"):
        with (ROOT / f"docs/results/imitation/pedestrian-{algo}/metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        last[algo] = [row for row in rows if row["timesteps"] == rows[-1]["timesteps"]]
    for column in ("sampled_return", "greedy_return"):
        expert, a2d, ail = (
            [float(row[column]) for row in last[algo]] for algo in ("expert", "a2d", "ail")
        )
        assert min(expert) > max(a2d)
        assert np.median(a2d) > 52
        assert min(a2d) > max(ail)
    assert max(float(row["eval_success"]) for row in last["ail"]) < 0.8
