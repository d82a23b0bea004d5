"""Environments on the API of gymnax before 1.0, with its one `done`."""

import dataclasses
from typing import Any

import gymnax.environments.spaces as gymnax_spaces
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from adqn_jax import contract, envs, make_train
from settings import small


@struct.dataclass
class CorridorState:
    """Where one is, and for how long one has been walking; scalars."""

    place: Any
    age: Any


@struct.dataclass
class CorridorParams:
    """The older API had the time limit here, for the environment itself to see to."""

    goal: int = 3
    max_steps_in_episode: int = 6


@dataclasses.dataclass
class Categories:
    """A space like gymnax's, of a library that has its own."""

    n: int


@dataclasses.dataclass
class Interval:
    """Another."""

    low: Any
    high: Any
    shape: tuple
    dtype: Any = jnp.float32


class Corridor:
    """Walk right (1), or wait (0); the goal, `goal` steps away, pays 1. Shows place and a noise."""

    default_params = CorridorParams()

    def reset_env(self, key: Any, params: Any) -> Any:
        """Stand at the start."""
        state = CorridorState(jnp.int32(0), jnp.int32(0))
        return self._look(key, state), state

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        """Walk; `done` at the goal and at the time limit."""
        state = CorridorState(state.place + action, state.age + 1)
        goal = state.place >= params.goal
        limit = getattr(params, "max_steps_in_episode", 10**6)
        done = goal | (state.age >= limit)
        return self._look(key, state), state, goal.astype(float), done, {"success": goal}

    def _look(self, key: Any, state: Any) -> Any:
        return jnp.stack([state.place.astype(float), jax.random.uniform(key)])

    def observation_space(self, params: Any) -> Any:
        """Two numbers."""
        return Interval(jnp.zeros(2), jnp.array([100.0, 1.0]), (2,))

    def action_space(self, params: Any) -> Any:
        """Two actions."""
        return Categories(2)


class Restarting:
    """The same with the two functions that everybody called, of which `step` restarts."""

    def __init__(self) -> None:
        self._inner = Corridor()
        self.default_params = self._inner.default_params
        self.observation_space = self._inner.observation_space
        self.action_space = self._inner.action_space
        self.reset = self._inner.reset_env

    def step(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        """Walk, and start again where that ended."""
        observation, state, reward, done, info = self._inner.step_env(key, state, action, params)
        fresh = self._inner.reset_env(key, params)
        chosen = jax.tree.map(lambda x, y: jnp.where(done, x, y), fresh, (observation, state))
        return *chosen, reward, done, info


KEY = jax.random.key(0)


def ends(env: Any, params: Any, actions: list[int]) -> list[str]:
    """Say of each step how it ended, if it did: T, or t by the time limit."""
    _, state = env.reset_env(KEY, params)
    told = []
    for action in actions:
        *_, state, _, terminated, _ = env.step_env(KEY, state, jnp.int32(action), params)
        truncated = env.is_truncated(state, params)
        told.append("T" if terminated else "t" if truncated else "")
    return told


WAITS, WALKS, LATE = [0] * 6, [1] * 3, [0, 0, 0, 1, 1, 1]


def test_ends() -> None:
    """A `done` terminates, but for one at the limit that was told."""
    env, params = envs.from_gymnax0(Corridor())
    assert params.max_steps_in_episode == 6
    assert ends(env, params, WAITS) == ["", "", "", "", "", "T"]
    env, params = envs.from_gymnax0(Corridor(), time_limit=6)
    assert ends(env, params, WAITS) == ["", "", "", "", "", "t"]
    assert ends(env, params, WALKS) == ["", "", "T"]
    assert ends(env, params, LATE) == ["", "", "", "", "", "t"]  # no telling it apart
    env, params = envs.from_gymnax0(Corridor(), time_limit=4)  # which the environment is told, too
    assert ends(env, params, WAITS[:4]) == ["", "", "", "t"]
    env, params = envs.from_gymnax0(Corridor(), time_limit=8)
    assert ends(env, params, [*WAITS, 0, 0]) == [""] * 7 + ["t"]
    changed = dataclasses.replace(params, max_steps_in_episode=2)
    assert ends(env, changed, WAITS[:2]) == ["", "t"]


def test_one_that_restarts_by_itself() -> None:
    """What followed a `done` is gone, so there is nothing to bootstrap from: it terminates."""
    env, params = envs.from_gymnax0(Restarting(), time_limit=6)
    assert ends(env, params, WAITS) == ["", "", "", "", "", "T"]
    assert ends(env, params, WALKS) == ["", "", "T"]
    assert env.name == "Restarting"


@struct.dataclass
class Unlimited:
    """Parameters without a time limit."""

    goal: int = 3


def test_a_limit_of_nobody_but_the_caller() -> None:
    """It truncates an environment that knows none."""
    env, params = envs.from_gymnax0(Corridor(), Unlimited(), time_limit=4)
    assert ends(env, params, WAITS[:4]) == ["", "", "", "t"]


@pytest.mark.parametrize("make", [Corridor, Restarting])
def test_steps_are_the_environment_s(make: Any) -> None:
    """Observations, rewards and what is told, step by step; observed again, too."""
    inner = make()
    reset, step = (
        (inner.reset, inner.step) if make is Restarting else (inner.reset_env, inner.step_env)
    )
    theirs = inner.default_params
    env, params = envs.from_gymnax0(inner, time_limit=6)
    expected, their_state = reset(KEY, theirs)
    observation, state = env.reset_env(KEY, params)
    np.testing.assert_array_equal(observation, expected)
    for t, action in enumerate([0, 1, 1, 0, 1]):
        key = jax.random.fold_in(KEY, t)
        expected = step(key, their_state, action, theirs)
        their_state = expected[1]
        observation, state, reward, _, info = env.step_env(key, state, action, params)
        again = env.observe(KEY, state, None, params)
        jax.tree.map(
            np.testing.assert_array_equal,
            (observation, again, reward, info),
            (expected[0], expected[0], expected[2], expected[4]),
        )
        np.testing.assert_array_equal(env.privileged_state(state, params), observation)
    assert env.observes_deterministically


def test_who_sees_what() -> None:
    """Entries for the agent; the trainer knows all of them, or what a function says."""
    env, params = envs.from_gymnax0(Corridor(), observed=(1,))
    observation, state = env.reset_env(KEY, params)
    np.testing.assert_array_equal(observation, env.privileged_state(state, params)[1:])
    assert env.observation_space(params).shape == (1,)
    assert env.privileged_state_space(params).shape == (2,)
    env, params = envs.from_gymnax0(
        Corridor(),
        observed=(1,),
        privileged=lambda state, params: params.wrapped.goal - state.wrapped.place,
        space=gymnax_spaces.Discrete(4),
    )
    assert env.privileged_state(state, params) == 3
    assert env.action_space(params).n == env.num_actions == 2
    contract.check(env, params)


def test_training() -> None:
    """A few steps, compiled."""
    env, params = envs.from_gymnax0(Corridor(), time_limit=6, observed=(1,))
    config = small("adqn", total_timesteps=128, warmup_timesteps=64, log_every=64, eval_episodes=2)
    _, metrics = jax.jit(make_train(config, env, params))(KEY)
    assert np.isfinite(metrics["eval_return"]).all()


class Six(Corridor):
    """Steps as gymnax does now."""

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        """Walk."""
        return *super().step_env(key, state, action, params), {}


class Painted(Corridor):
    """Its actions are words."""

    def action_space(self, params: Any) -> Any:
        """Three words."""
        return ("left", "right", "up")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: envs.from_gymnax0(Corridor(), Unlimited()),
            "parameters of Corridor say no time limit",
        ),
        (lambda: envs.from_gymnax0(object()), "parameters of object say no time limit"),
        (lambda: envs.from_gymnax0(object(), time_limit=3), "the older gymnax: no reset"),
        (lambda: envs.from_gymnax0(Painted()), "tuple is none of gymnax's spaces"),
        (lambda: envs.from_gymnax0(Corridor(), observed=(5,)), "entries 0..1 of Corridor's"),
        (lambda: contract.check(*envs.from_gymnax0(Six())), "six values, not the older"),
    ],
)
def test_bad_input(make: Any, told: str) -> None:
    """What is wrong is said in one sentence."""
    with pytest.raises(ValueError) as error:  # noqa: PT011  # its message is looked at below
        make()
    assert told.replace("six", "6") in str(error.value)
    assert "\n" not in str(error.value)
