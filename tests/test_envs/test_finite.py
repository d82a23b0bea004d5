"""Any finite POMDP as an environment: faithful to its arrays, found by its file's path."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import envs
from adqn_jax.envs.finite import FinitePOMDP, FinitePOMDPState
from adqn_jax.envs.pomdp import POMDP, heavenhell, random_pomdp, tiger
from models import PREAMBLE, REST


def with_zeros() -> POMDP:
    """A random POMDP in which some things cannot happen, and some actions end the episode."""
    model = random_pomdp(5, states=3, actions=2, observations=3)
    transition, observation = model.transition.copy(), model.observation.copy()
    transition[0, 1] = [0.0, 0.25, 0.75]
    observation[1, 2] = [0.5, 0.0, 0.5]
    terminal = np.array([[False, True], [False, False], [False, False]])
    start = np.array([0.0, 0.3, 0.7])
    return POMDP(transition, observation, model.reward, start, 0.9, terminal)


def test_samples_follow_the_arrays() -> None:
    """Frequencies of starts, next states and observations; what cannot happen never does."""
    model, draws = with_zeros(), 20_000
    env = envs.FinitePOMDP(model)
    params = env.default_params
    keys = jax.random.split(jax.random.key(0), draws)
    seen, state = jax.vmap(env.reset_env, (0, None))(keys, params)
    assert (seen == model.num_observations).all(), "nothing is seen at reset"
    assert state.state.dtype == np.uint8
    frequency = np.bincount(state.state, minlength=3) / draws
    np.testing.assert_allclose(frequency, model.start, atol=0.015)
    assert frequency[0] == 0
    assert model.terminal is not None
    for s in range(3):
        for a in range(2):
            before = FinitePOMDPState(
                time=jnp.int32(4), state=jnp.uint8(s), observation=jnp.uint8(3)
            )
            step = jax.vmap(env.step_env, (0, None, None, None))
            seen, after, reward, terminated, _ = step(keys, before, a, params)
            joint = np.zeros((3, 3))
            np.add.at(joint, (np.asarray(after.state), np.asarray(seen)), 1 / draws)
            expected = model.transition[s, a][:, None] * model.observation[a]
            np.testing.assert_allclose(joint, expected, atol=0.015)
            assert (joint[expected == 0] == 0).all()
            np.testing.assert_allclose(reward, model.reward[s, a], rtol=1e-6)
            assert (terminated == model.terminal[s, a]).all()
            assert (after.time == 5).all()


def test_heavenhell_plays_as_the_simulator() -> None:
    """The arrays of Heaven-Hell give its observations, states, rewards and ends."""
    one, other = envs.HeavenHell(2), envs.FinitePOMDP(heavenhell(2))
    key = jax.random.key(0)
    _, state = one.reset_env(key, one.default_params)
    seen, twin = other.reset_env(key, other.default_params)
    assert seen == one.observation_space(one.default_params).n - 1
    twin = dataclasses.replace(twin, state=one.privileged_state(state, one.default_params))
    step_one, step_other = jax.jit(one.step_env), jax.jit(other.step_env)
    for action in [1, 2, 2, 3, 3, 0, 0, 0, 3, 3, 3]:
        seen, state, reward, over, _ = step_one(key, state, action, one.default_params)
        of_twin, twin, *rest, _ = step_other(key, twin, action, other.default_params)
        assert rest == [reward, over]
        if not over:
            assert of_twin == seen
            assert twin.state == one.privileged_state(state, one.default_params)
    assert over


def test_spaces_and_time_limit() -> None:
    """Gymnax's `step` truncates at the limit, starts anew, and shows what followed."""
    env = envs.FinitePOMDP(tiger())
    params = dataclasses.replace(env.default_params, max_steps_in_episode=3)
    seen, state = env.reset(jax.random.key(0), params)
    for t in range(1, 4):
        seen, state, _, terminated, truncated, info = env.step(jax.random.key(t), state, 0, params)
        assert not terminated
        assert bool(truncated) == (t == 3)
    assert (int(seen), int(state.time)) == (2, 0)
    assert int(info["final_observation"]) < 2
    sizes = (env.observation_space(params).n, env.privileged_state_space(params).n, env.num_actions)
    assert sizes == (3, 2, 3)
    assert env.observe(jax.random.key(1), state, None, params) == seen


def test_make_by_path(tmp_path: pathlib.Path) -> None:
    """`pomdp:PATH` is the file's, in which a reset ends the episode."""
    path = tmp_path / "maze.pomdp"
    path.write_text(f"{PREAMBLE}{REST}T: go : 2 reset\n")
    env, params = envs.make(f"pomdp:{path}")
    assert isinstance(env, envs.FinitePOMDP)
    assert (env.name, params.max_steps_in_episode) == ("maze", 100)
    assert env.model.terminal is not None
    assert env.model.terminal[2, 0]
    with pytest.raises(ValueError, match=r"cannot read .*no\.pomdp: No such file"):
        envs.make(f"pomdp:{tmp_path / 'no.pomdp'}")
    with pytest.raises(ValueError, match="pomdp:PATH"):
        envs.make("pomdps")


def test_models_of_equal_shapes_are_different_environments() -> None:
    """The second does not play the first, though gymnax compiles `step` once for equal ones."""
    one, other, again = (FinitePOMDP(random_pomdp(seed)) for seed in (0, 1, 0))
    assert one != other
    assert one == again
    assert hash(one) == hash(again)
    for env in (one, other):
        _, state = env.reset(jax.random.key(3), env.default_params)
        before = int(state.state)
        reward = env.step(jax.random.key(4), state, 1, env.default_params)[2]
        assert float(reward) == pytest.approx(float(env.model.reward[before, 1]), rel=1e-6)
