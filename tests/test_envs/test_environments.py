"""Environments keep gymnax's contract and their own; wrapper and registry."""

import pathlib
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

from adqn_jax import envs
from adqn_jax.envs.heavenhell import EAST, NORTH, SOUTH, WEST

NAMES = (
    "carflag",
    "heavenhell-1",
    "heavenhell-3",
    "cleaner",
    "cleaner:5x7",
    "memory-four-rooms-5x5:red,blue",
    "foraging",
    "foraging:6x5:3:2:sight=1:levels",
    "frozenlake",
    "tigerdoor",
    "tigerdoor-2",
    "pedestrian",
    "frozenlake:image",
    "gymnax:CartPole-v1:0,2",
)


@pytest.mark.parametrize("name", NAMES)
def test_gymnax_contract(name: str) -> None:
    """`step` returns six values of stable types, in the spaces declared, and resets by itself."""
    env, params = envs.make(name)

    @jax.jit
    def run(key: jax.Array) -> Any:
        key_reset, key_steps = jax.random.split(key)
        observation, state = env.reset(key_reset, params)

        def body(carry: Any, key: jax.Array) -> Any:
            _, state = carry
            action = env.action_space(params).sample(key)
            observation, state, reward, terminated, truncated, info = env.step(
                key, state, action, params
            )
            out = (observation, env.privileged_state(state, params), terminated, truncated)
            return (observation, state), (*out, reward, info["final_observation"], state.time)

        return jax.lax.scan(body, (observation, state), jax.random.split(key_steps, 400))[1]

    observation, privileged, terminated, truncated, reward, final, time = run(jax.random.key(0))
    over = terminated | truncated
    assert over.sum() >= 2
    np.testing.assert_array_equal(time == 0, over)
    assert np.isfinite(reward).all()
    assert_contained(env.observation_space(params), observation)
    assert_contained(env.observation_space(params), final)
    assert_contained(env.privileged_state_space(params), privileged)


def assert_contained(space: spaces.Space, batch: Any) -> None:
    """Check a batch of elements; gymnax's own check of a Dict takes no dicts."""
    if isinstance(space, spaces.Dict):
        assert set(space.spaces) == set(batch)
        for name, entry in space.spaces.items():
            assert_contained(entry, batch[name])
    else:
        assert batch.shape[1:] == space.shape
        assert jax.vmap(space.contains)(batch).all()


@pytest.mark.parametrize("name", NAMES[:-2])
def test_observing_again_gives_the_same(name: str) -> None:
    """What a replay buffer derives from a state is what the agent saw."""
    env, params = envs.make(name)
    assert env.observes_deterministically

    @jax.jit
    def run(key: jax.Array) -> Any:
        observation, state = env.reset_env(key, params)
        first = (observation, env.observe(key, state, None, params))

        def body(state: Any, key: jax.Array) -> Any:
            action = env.action_space(params).sample(key)
            observation, state, *_ = env.step_env(key, state, action, params)
            return state, (observation, env.observe(key, state, None, params))

        return first, jax.lax.scan(body, state, jax.random.split(key, 100))[1]

    for seen, derived in run(jax.random.key(0)):
        np.testing.assert_array_equal(seen, derived)


@pytest.mark.parametrize(("n", "steps"), [(1, 7), (3, 15), (4, 19)])
@pytest.mark.parametrize("obeys", [True, False])
def test_heavenhell_optimum(n: int, steps: int, obeys: bool) -> None:
    """Asking the priest and walking where he says takes the known steps and pays 1; else -1."""
    env, params = envs.make(f"heavenhell-{n}")
    sides = set()
    for seed in range(6):
        key = jax.random.key(seed)
        observation, state = env.reset_env(key, params)
        assert observation == 4 * n + 3
        for action in [SOUTH] + [EAST] * n:
            observation, state, reward, terminated, _ = env.step_env(key, state, action, params)
            assert not terminated
        assert observation in (4 * n + 1, 4 * n + 2)
        sides.add(int(observation))
        go = WEST if (observation == 4 * n + 1) == obeys else EAST
        for action in [WEST] * n + [NORTH] * (n + 1) + [go] * (n + 1):
            assert not terminated
            assert reward == 0
            observation, state, reward, terminated, info = env.step_env(key, state, action, params)
        assert terminated
        assert float(reward) == (1.0 if obeys else -1.0)
        assert bool(info["success"]) == obeys
        assert int(state.time) == steps
    assert len(sides) == 2


def test_carflag_reads_the_side_in_the_zone_only() -> None:
    """The flag's side is seen from 0.3 to 0.7, and driving there pays."""
    env, params = envs.make("carflag")
    for seed in range(4):
        key = jax.random.key(seed)
        observation, state = env.reset_env(key, params)
        assert observation[2] == 0
        terminated = False
        while not terminated:
            observation, state, reward, terminated, _ = env.step_env(key, state, 6, params)
            in_zone = 0.3 <= float(state.position) <= 0.7
            assert float(observation[2]) == (float(state.heaven) if in_zone else 0.0)
        assert float(reward) == float(state.heaven)


def test_wrapper_hides_and_names() -> None:
    """The agent sees the entries asked for; the trainer all, or what it was given."""
    inner, params = gymnax.make("CartPole-v1")
    env = envs.Privileged(inner, observed=(0, 2))
    observation, state = env.reset_env(jax.random.key(0), params)
    full = inner.get_obs(state)
    np.testing.assert_array_equal(observation, full[jnp.array([0, 2])])
    np.testing.assert_array_equal(env.privileged_state(state, params), full)
    assert env.observation_space(params).shape == (2,)
    assert env.privileged_state_space(params).shape == (4,)

    named = envs.Privileged(
        inner, privileged=lambda s, _: jnp.sign(s.x)[None], space=spaces.Box(-1, 1, (1,))
    )
    np.testing.assert_array_equal(named.privileged_state(state, params), jnp.sign(full[:1]))
    assert named.reset_env(jax.random.key(0), params)[0].shape == (4,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: envs.make("carflags"), "known are carflag, heavenhell-N"),
        (lambda: envs.make("cleaner:5x"), "cannot read a maze from '5x'"),
        (lambda: envs.make("heavenhell-0"), "heavenhell-0: corridors have 1 to 8000 cells"),
        (lambda: envs.make("tigerdoor-4"), "tigerdoor-4: there are tigerdoor and tigerdoor-1"),
        (lambda: envs.make("gymnax:Nothing"), "gymnax has no environment 'Nothing'; it has Cart"),
        (lambda: envs.make("gymnax:CartPole-v1:4"), "entries 0..3 of CartPole-v1"),
        (lambda: envs.Privileged(gymnax.make("Catch-bsuite")[0], observed=(0,)), "needs a flat"),
        (
            lambda: envs.Privileged(gymnax.make("CartPole-v1")[0], privileged=lambda s, p: s.x),
            "give both or neither",
        ),
    ],
)
def test_bad_input(make: Any, message: str) -> None:
    """What is wrong is said in one sentence."""
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(".", r"\.")):
        make()


def test_mazes_and_colours_by_name(tmp_path: pathlib.Path) -> None:
    """A maze from a file, drawn once, and drawn anew; colours by name; equal names, equal envs."""
    file = tmp_path / "maze.txt"
    file.write_text("#####\n#...#\n#####\n")
    assert envs.make(f"cleaner:{file}")[0] == envs.Cleaner(("#####", "#...#", "#####"))
    assert envs.make("cleaner:7x9:5")[0] == envs.Cleaner(envs.random_maze(7, 9, 5))
    assert envs.make("cleaner:7x9:5")[0] != envs.make("cleaner:7x9:6")[0]
    redrawn = envs.make("cleaner:7x9")[0].settings
    assert (redrawn["redraw"], len(redrawn["maze"]), len(redrawn["maze"][0])) == (True, 7, 9)
    assert envs.make("memory-four-rooms-7x7:yellow,red")[0] == envs.MemoryFourRooms(7, (4, 1))
    file.write_text("####\n#..#\n####\n")
    with pytest.raises(
        ValueError, match=r"maze.txt: a maze has odd sizes of up to 127, this one is 3 x 4"
    ):
        envs.make(f"cleaner:{file}")
