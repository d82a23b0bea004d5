"""Environments of Brax's protocol are the same environments on gymnax's API."""

import sys
from typing import Any

import gymnax.environments.spaces as gymnax_spaces
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import run
from adqn_jax import contract, envs, make_train
from runs import call
from settings import on_policy, small
from slider import Slider, State


def played(env: Any, params: Any, actions: Any, key: Any) -> Any:
    """Reset and act, without a restart; leaves [T + 1, ...] and [T, ...]."""
    first = env.reset_env(key, params)

    def step(state: Any, action: Any) -> Any:
        observation, state, reward, terminated, info = env.step_env(key, state, action, params)
        truncated = env.is_truncated(state, params)
        privileged = env.privileged_state(state, params)
        again = env.observe(key, state, None, params)
        return state, (observation, privileged, again, reward, terminated, truncated, info)

    return first, jax.lax.scan(step, first[1], actions)[1]


ACTIONS = jnp.stack([jnp.linspace(1.0, 0.8, 9), jnp.full(9, -0.1)], -1)
RAW = jax.random.PRNGKey(3)


def by_itself(env: Any) -> list[State]:
    """Return the states that Brax itself goes through."""
    state = env.reset(RAW)
    states = []
    for action in ACTIONS:
        state = env.step(jax.tree.map(jnp.asarray, state), action)
        states.append(jax.tree.map(jnp.asarray, state))
    return states


@pytest.mark.parametrize("key", [RAW, jax.random.key(3)], ids=["numbers", "key"])
def test_steps_are_brax_s(key: Any) -> None:
    """Observations, privileged states, rewards and ends, step by step; observed again, too."""
    states = by_itself(Slider())
    env, params = envs.from_brax(Slider(), success=lambda state: state.reward > -0.5)
    (observation, state), steps = jax.jit(lambda: played(env, params, ACTIONS, key))()
    np.testing.assert_array_equal(observation, Slider().reset(RAW).obs["state"])
    assert env.privileged_state(state, params).shape == (4,)
    for t, expected in enumerate(states):
        seen, privileged, again, reward, terminated, truncated, info = jax.tree.map(
            lambda x, t=t: x[t], steps
        )
        np.testing.assert_allclose(seen, expected.obs["state"], rtol=1e-6)
        np.testing.assert_array_equal(seen, again)
        np.testing.assert_allclose(privileged, expected.obs["privileged_state"], rtol=1e-6)
        np.testing.assert_allclose(reward, expected.reward, rtol=1e-6)
        assert bool(terminated) == bool(expected.done)
        assert not truncated
        assert bool(info["success"]) == bool(expected.reward > -0.5)
    assert steps[4].any()
    assert not steps[4].all()
    assert env.observes_deterministically


def test_who_sees_what() -> None:
    """The spaces of a dict, of an array, and of entries of either."""
    for env, seen, known in (
        (Slider(), (2,), (4,)),
        (Slider(flat=True), (4,), (4,)),
    ):
        adapted, params = envs.from_brax(env)
        assert adapted.observation_space(params).shape == seen
        assert adapted.privileged_state_space(params).shape == known
        few, _ = envs.from_brax(env, observed=(1,))
        observation, state = few.reset_env(RAW, params)
        whole, _ = adapted.reset_env(RAW, params)
        np.testing.assert_array_equal(observation, whole[1:2])
        assert few.observation_space(params).shape == (1,)
        assert few.privileged_state_space(params).shape == known
        assert few.privileged_state(state, params).shape == known
        assert few.observes_deterministically
    space = adapted.action_space(params)
    assert (space.shape, float(space.low), float(space.high)) == ((2,), -1.0, 1.0)
    assert adapted.num_actions == 2
    assert adapted.name == "Slider"


def test_another_privileged_state() -> None:
    """A function of Brax's own state."""
    space = gymnax_spaces.Box(-jnp.inf, jnp.inf, (2,))
    env, params = envs.from_brax(
        Slider(), privileged=lambda state, _: state.wrapped.data, space=space
    )
    _, state = env.reset_env(RAW, params)
    np.testing.assert_array_equal(env.privileged_state(state, params), state.wrapped.data)
    assert env.privileged_state_space(params) is space


def test_ends() -> None:
    """A `done` terminates, a time limit truncates: ours, or one that Brax says was the reason."""
    still = jnp.zeros((9, 2))
    for env, limit, truncates_at in (
        (Slider(), 4, 4),
        (Slider(gives_up_after=6), 1000, 6),
        (Slider(gives_up_after=6), 4, 4),
    ):
        adapted, params = envs.from_brax(env, time_limit=limit)
        *_, terminated, truncated, _ = played(adapted, params, still, RAW)[1]
        assert not terminated.any()
        assert int(truncated.argmax()) + 1 == truncates_at
    adapted, params = envs.from_brax(Slider(gives_up_after=6))
    *_, terminated, truncated, _ = played(adapted, params, still + 1, RAW)[1]
    assert terminated[:5].any()
    assert not truncated[terminated.argmax()]
    assert adapted.default_params.max_steps_in_episode == 1000


def test_gymnax_s_step() -> None:
    """It starts the next episode by itself, in a batch as well, and changes no state given."""
    env, params = envs.from_brax(Slider(), time_limit=5)
    keys = jax.random.split(jax.random.key(0), 3)
    _, state = jax.vmap(env.reset, (0, None))(keys, params)
    for _ in range(5):
        *_, state, reward, _, truncated, info = jax.vmap(env.step, (0, 0, 0, None))(
            keys, state, jnp.zeros((3, 2)), params
        )
    assert reward.shape == (3,)
    assert truncated.all()
    assert (state.time == 0).all()
    assert info["final_observation"].shape == (3, 2)

    _, before = env.reset_env(RAW, params)
    env.step_env(RAW, before, jnp.zeros(2), params)
    assert before.wrapped.info["steps"] == 0


def test_training() -> None:
    """A few steps of an actor-critic, compiled; values are not learnt of vectors."""
    env, params = envs.from_brax(Slider(), time_limit=5)
    contract.check(env, params)
    few = {"total_timesteps": 64, "log_every": 64, "eval_episodes": 2}
    _, metrics = jax.jit(make_train(on_policy("ppo-asym", **few), env, params))(jax.random.key(0))
    assert np.isfinite(metrics["eval_return"]).all()
    assert (metrics["eval_return"] < 0).all()
    with pytest.raises(ValueError, match="Discrete"):
        make_train(small("adqn"), env, params)


class Batch(Slider):
    """Several at once."""

    def reset(self, rng: Any) -> State:
        """Draw three places."""
        return jax.vmap(super().reset)(jax.random.split(rng, 3))


class Keyed(Slider):
    """A batch that wants a key for each."""

    def reset(self, rng: Any) -> State:
        """Draw a place for each key."""
        return jax.vmap(super().reset)(rng)


class Restarting(Slider):
    """Notes what it will go back to."""

    def reset(self, rng: Any) -> State:
        """Draw a place."""
        state = super().reset(rng)
        return state.replace(  # type: ignore[attr-defined]
            info={"AutoResetWrapper_first_obs": state.obs}
        )


class Filmed(Slider):
    """Shows pictures only."""

    def look(self, place: Any, key: Any) -> Any:
        """Show a picture."""
        return {"pixels/view_0": jnp.zeros((4, 4, 3))}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: envs.from_brax(Batch()), "Batch gives rewards of shape (3,); from_brax takes one"),
        (lambda: envs.from_brax(Keyed()), "Keyed.reset cannot be traced"),
        (lambda: envs.from_brax(object()), "object.reset cannot be traced (AttributeError"),
        (lambda: envs.from_brax(Restarting()), "Restarting resets itself; from_brax takes one"),
        (lambda: envs.from_brax(Filmed()), "Filmed's observation must be an array, or a dict"),
        (lambda: envs.from_brax(Slider(), observed=(2,)), "entries 0..1 of Slider's observation"),
        (lambda: envs.from_brax(Slider(), privileged=lambda s, p: 0), "give both or neither"),
        (lambda: envs.make("brax:ant:x"), "unknown environment 'brax:ant:x'"),
    ],
)
def test_bad_input(make: Any, told: str) -> None:
    """What is wrong is said in one sentence."""
    with pytest.raises(ValueError) as error:  # noqa: PT011  # its message is looked at below
        make()
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_without_brax(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command says what to install, with exit code 2."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "brax"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "brax", None)
    done = call(run.main, "--env", "brax:ant")
    assert done.code == 2
    assert done.err == (
        "error: the package brax is not installed: pip install 'adqn-jax[brax]' (in a checkout: "
        "pip install -e '.[brax]')\n"
    )


@pytest.mark.filterwarnings("ignore")  # Brax warns of itself
def test_real_brax() -> None:
    """Where it is installed: its own environments, by name and as objects."""
    brax = pytest.importorskip("brax.envs")
    fast = brax.get_environment("fast", asymmetric_obs=True, obs_mode="dict_state")
    env, params = envs.from_brax(fast)
    assert env.observation_space(params).shape == (2,)
    assert env.privileged_state_space(params).shape == (4,)

    env, params = envs.make("brax:inverted_pendulum:0,1", params={"max_steps_in_episode": 3})
    bare = brax.get_environment("inverted_pendulum")
    expected = jax.jit(bare.reset)(RAW)
    observation, state = jax.jit(env.reset_env)(RAW, params)
    np.testing.assert_array_equal(observation, expected.obs[:2])
    expected = jax.jit(bare.step)(expected, jnp.ones(1))
    observation, state, reward, terminated, _ = jax.jit(env.step_env)(
        RAW, state, jnp.ones(1), params
    )
    np.testing.assert_allclose(observation, expected.obs[:2], rtol=1e-6)
    np.testing.assert_allclose(env.privileged_state(state, params), expected.obs, rtol=1e-6)
    assert (float(reward), bool(terminated)) == (1.0, False)
    with pytest.raises(ValueError, match="brax has no environment 'cow'"):
        envs.make("brax:cow")
