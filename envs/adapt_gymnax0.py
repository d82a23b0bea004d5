"""Environments on the API of gymnax before 1.0, whose `done` also means the time limit."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import EnvParams, EnvState

from .environment import PrivilegedEnvironment
from .wrappers import Privileged

_LIMIT = "max_steps_in_episode"


@struct.dataclass
class Gymnax0State(EnvState):
    """A state of the older API, its age, and what was observed with it."""

    time: jax.Array  # int32, steps since the reset
    wrapped: Any  # the environment's own state
    observation: Any  # that came with it


@struct.dataclass
class Gymnax0Params(EnvParams):
    """A time limit, and the environment's own parameters.

    Where these have a field `max_steps_in_episode` too, the environment gets our number for it.
    """

    wrapped: Any = None

    @property
    def theirs(self) -> Any:
        """What the environment is given."""
        if not hasattr(self.wrapped, _LIMIT):
            return self.wrapped
        return dataclasses.replace(self.wrapped, max_steps_in_episode=self.max_steps_in_episode)


class Gymnax0(PrivilegedEnvironment[Gymnax0State, Gymnax0Params]):
    """An environment of the older API, on that of gymnax 1.0. It hides nothing.

    Its `done` does not say why an episode ended. It is a termination, but for one case: with
    `truncates`, a `done` in the very step that reaches the time limit is a truncation. An episode
    that reaches the limit without a `done` is truncated in any case.

    The state keeps the observation that came with it, so noise in it is drawn once.

    Args:
      env: with `reset_env` and `step_env`, which returns observation, state, reward, done and info.
        One that has only `reset` and `step` may do as well. These reset by themselves, so what
        followed a `done` is lost, and every `done` is a termination.
      params: the time limit and the environment's own parameters.
      truncates: whether a `done` at the time limit is a truncation.

    Raises:
      ValueError: when `env` has no such functions, or declares a space that gymnax does not have.
    """

    # The older API: github.com/RobertTLange/gymnax, gymnax/environments/environment.py of 0.0.9.

    def __init__(self, env: Any, params: Gymnax0Params, truncates: bool):
        super().__init__()
        self._env = env
        self._params = params
        self._sees_ends = hasattr(env, "step_env") and hasattr(env, "reset_env")
        self._truncates = truncates and self._sees_ends
        suffix = "_env" if self._sees_ends else ""
        for method in (f"reset{suffix}", f"step{suffix}", "observation_space", "action_space"):
            if not callable(getattr(env, method, None)):
                raise ValueError(f"{self.name} is no environment of the older gymnax: no {method}")
        self._reset, self._step = (getattr(env, f"{name}{suffix}") for name in ("reset", "step"))
        self._actions = _gymnax_space(env.action_space(params.theirs))

    @property
    def default_params(self) -> Gymnax0Params:
        """The parameters that it was made with."""
        return self._params

    @property
    def name(self) -> str:
        """The environment's own, or its class."""
        return _name(self._env)

    @property
    def num_actions(self) -> int:
        """How many there are, or, where they are vectors, their length."""
        if isinstance(self._actions, spaces.Discrete):
            return int(self._actions.n)
        return math.prod(self._actions.shape)

    def reset_env(self, key: jax.Array, params: Gymnax0Params) -> tuple[Any, Gymnax0State]:
        """Start an episode; `key` is consumed."""
        observation, wrapped = self._reset(key, params.theirs)
        return observation, Gymnax0State(jnp.int32(0), wrapped, observation)

    def step_env(
        self,
        key: jax.Array,
        state: Gymnax0State,
        action: int | float | jax.Array,
        params: Gymnax0Params,
    ) -> tuple[Any, Gymnax0State, jax.Array, jax.Array, dict[Any, Any]]:
        """Act; `key` is consumed."""
        answer = self._step(key, state.wrapped, action, params.theirs)
        if len(answer) != 5:
            raise ValueError(
                f"{self.name} steps with {len(answer)} values, not the older gymnax's five"
            )
        observation, wrapped, reward, done, info = answer
        state = Gymnax0State(state.time + 1, wrapped, observation)
        terminated = jnp.asarray(done).astype(bool)
        if self._truncates:
            terminated &= ~self.is_truncated(state, params)
        return observation, state, reward, terminated, info

    def get_obs(self, state: Gymnax0State, params: Any = None, key: jax.Array | None = None) -> Any:
        """Return what was observed with `state`."""
        return state.observation

    def privileged_state(self, env_state: Gymnax0State, params: Gymnax0Params) -> Any:
        """Return the observation: the older API knows no more."""
        return env_state.observation

    def action_space(self, params: Gymnax0Params | None = None) -> spaces.Space:
        """The environment's."""
        return self._actions

    def observation_space(self, params: Gymnax0Params) -> spaces.Space:
        """The environment's."""
        return _gymnax_space(self._env.observation_space(params.theirs))

    def privileged_state_space(self, params: Gymnax0Params) -> spaces.Space:
        """The observation's."""
        return self.observation_space(params)


def from_gymnax0(
    env: Any,
    params: Any = None,
    time_limit: int | None = None,
    observed: Sequence[int] | None = None,
    privileged: Callable[[Gymnax0State, Gymnax0Params], Any] | None = None,
    space: spaces.Space | None = None,
) -> tuple[PrivilegedEnvironment, Gymnax0Params]:
    """Take an environment on the API of gymnax before 1.0, where `step` returns five values.

    Args:
      env: the environment.
      params: its parameters; None takes its `default_params`.
      time_limit: steps in an episode. A `done` in the very step that reaches it is a truncation; a
        goal reached in that step cannot be told from it. None takes the limit of `params`, and
        every `done` for a termination, as the older API did.
      observed: entries of the flat observation that the agent is to see, as of `Privileged`.
      privileged: `(env_state, params) -> array`, the privileged state; the environment's own are
        `env_state.wrapped` and `params.wrapped`. Needs `space`. None takes the full observation.
      space: the space of what `privileged` returns.

    Returns:
      The environment, and its parameters, with `max_steps_in_episode`.

    Raises:
      ValueError: when nobody says a time limit, this is no such environment, or another argument is
        wrong.
    """
    params = getattr(env, "default_params", None) if params is None else params
    limit = getattr(params, _LIMIT, 1) if time_limit is None else time_limit
    if time_limit is None and limit <= 1:  # 1 is what gymnax's own parameters have by default
        raise ValueError(f"the parameters of {_name(env)} say no time limit: give time_limit")
    ours = Gymnax0Params(limit, params)
    adapted = Gymnax0(env, ours, truncates=time_limit is not None)
    return Privileged(adapted, observed, privileged, space), ours


def _name(env: Any) -> str:
    return str(getattr(env, "name", type(env).__name__))


def _gymnax_space(space: Any) -> spaces.Space:
    """Take a space of another library, which may have copied gymnax's, for gymnax's own."""
    if isinstance(space, spaces.Discrete | spaces.Box):
        return space
    if hasattr(space, "spaces"):
        return spaces.Dict({name: _gymnax_space(entry) for name, entry in space.spaces.items()})
    if hasattr(space, "n"):
        return spaces.Discrete(int(space.n))
    if hasattr(space, "low") and hasattr(space, "high"):
        return spaces.Box(space.low, space.high, tuple(space.shape), space.dtype)
    raise ValueError(f"{type(space).__name__} is none of gymnax's spaces, Discrete, Box and Dict")
