"""Environments around others: a gymnax one with a privileged state, and one that hides nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

from .environment import PrivilegedEnvironment


class _Wrapper(PrivilegedEnvironment[EnvState, EnvParams]):
    """An environment around another one, which answers whatever a subclass does not."""

    def __init__(self, env: Environment):
        super().__init__()
        self._env = env

    @property
    def default_params(self) -> EnvParams:
        """The wrapped environment's."""
        return self._env.default_params

    @property
    def name(self) -> str:
        """The wrapped environment's."""
        return self._env.name

    @property
    def num_actions(self) -> int:
        """The wrapped environment's."""
        return self._env.num_actions

    @property
    def simulator(self) -> Any:
        """The wrapped environment's, if it is one that the host steps."""
        return self._env.simulator

    @property
    def blank(self) -> Any:
        """The wrapped environment's, if it is one that the host steps."""
        return self._env.blank

    def is_truncated(self, state: EnvState, params: EnvParams) -> jax.Array:
        """Ask the wrapped environment."""
        return self._env.is_truncated(state, params)

    def is_terminated(self, state: EnvState, params: EnvParams) -> jax.Array:
        """Ask the wrapped environment."""
        return self._env.is_terminated(state, params)

    def action_space(self, params: EnvParams | None = None) -> spaces.Space:
        """The wrapped environment's."""
        return self._env.action_space(params)


class FullyObserved(_Wrapper):
    """Show the agent the privileged state in the place of its observations.

    What is learnt so bounds from above what an agent can learn that must find things out.
    """

    def __init__(self, env: PrivilegedEnvironment):
        super().__init__(env)
        self._env: PrivilegedEnvironment = env

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FullyObserved) and other._env == self._env

    def __hash__(self) -> int:
        return hash((FullyObserved, self._env))

    @property
    def wrapped(self) -> PrivilegedEnvironment:
        """The environment as it is."""
        return self._env

    @property
    def settings(self) -> dict[str, Any]:
        """The wrapped environment's."""
        return self._env.settings

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[Any, EnvState]:
        """Reset the wrapped environment; `key` is consumed."""
        _, state = self._env.reset_env(key, params)
        return self._env.privileged_state(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: EnvState,
        action: int | float | jax.Array,
        params: EnvParams,
    ) -> tuple[Any, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        """Step the wrapped environment; `key` is consumed."""
        _, state, reward, terminated, info = self._env.step_env(key, state, action, params)
        return self._env.privileged_state(state, params), state, reward, terminated, info

    def get_obs(
        self, state: EnvState, params: EnvParams | None = None, key: jax.Array | None = None
    ) -> Any:
        """Return the privileged state."""
        del key
        return self._env.privileged_state(state, self.default_params if params is None else params)

    def privileged_state(self, env_state: EnvState, params: EnvParams) -> Any:
        """Return the wrapped environment's."""
        return self._env.privileged_state(env_state, params)

    def observation_space(self, params: EnvParams) -> spaces.Space:
        """The space of privileged states."""
        return self._env.privileged_state_space(params)

    def privileged_state_space(self, params: EnvParams) -> spaces.Space:
        """The wrapped environment's."""
        return self._env.privileged_state_space(params)


class Privileged(_Wrapper):
    """Name a gymnax environment's privileged state, and hide part of its observation.

    Args:
      env: the environment.
      observed: the entries of the flat observation that the agent sees, as in position-only
        CartPole (`observed=(0, 2)`); None shows all of it.
      privileged: `(env_state, params) -> array` (any pytree of arrays that `space` describes);
        None takes the environment's full observation of that state.
      space: the space of `privileged`'s result; needed exactly when `privileged` is given.

    Raises:
      ValueError: when `observed` does not index a flat observation, or `privileged` and `space`
        are not given together.
    """

    def __init__(
        self,
        env: Environment,
        observed: Sequence[int] | None = None,
        privileged: Callable[[Any, Any], Any] | None = None,
        space: spaces.Space | None = None,
    ):
        super().__init__(env)
        if (privileged is None) != (space is None):
            raise ValueError("privileged and space belong together: give both or neither")
        # gymnax's environments may draw their observations, or make them of the action.
        self.observes_deterministically = getattr(env, "observes_deterministically", False)
        self._privileged = privileged
        self._space = space
        self._observed: np.ndarray | None = None
        if observed is not None:
            shape = env.observation_space(env.default_params).shape
            if len(shape) != 1:
                raise ValueError(f"observed needs a flat observation, {env.name}'s is {shape}")
            if not len(observed) or not all(0 <= entry < shape[0] for entry in observed):
                raise ValueError(
                    f"observed must name entries 0..{shape[0] - 1} of {env.name}'s observation, "
                    f"got {tuple(observed)}"
                )
            self._observed = np.asarray(observed, np.int32)

    @property
    def settings(self) -> dict[str, Any]:
        """The wrapped environment's, where it has some."""
        return getattr(self._env, "settings", {})

    def _identity(self) -> tuple[type, Any]:
        return type(self), id(self)  # its functions are in no settings

    def _window(self, observation: Any) -> Any:
        return observation if self._observed is None else observation[self._observed]

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[Any, EnvState]:
        """Reset the wrapped environment; `key` is consumed."""
        observation, state = self._env.reset_env(key, params)
        return self._window(observation), state

    def step_env(
        self,
        key: jax.Array,
        state: EnvState,
        action: int | float | jax.Array,
        params: EnvParams,
    ) -> tuple[Any, EnvState, jax.Array, jax.Array, dict[Any, Any]]:
        """Step the wrapped environment; `key` is consumed."""
        observation, state, reward, terminated, info = self._env.step_env(
            key, state, action, params
        )
        return self._window(observation), state, reward, terminated, info

    def observe(
        self,
        key: jax.Array,
        state: EnvState,
        action: int | float | jax.Array | None,
        params: EnvParams,
    ) -> Any:
        """Observe `state` through the window."""
        return self._window(self._env.observe(key, state, action, params))

    def privileged_state(self, env_state: EnvState, params: EnvParams) -> Any:
        """Return the named privileged state, by default the full observation."""
        if self._privileged is not None:
            return self._privileged(env_state, params)
        return self._env.observe(jax.random.key(0), env_state, None, params)

    def observation_space(self, params: EnvParams) -> spaces.Space:
        """The window onto the wrapped environment's space."""
        space = self._env.observation_space(params)
        if self._observed is None:
            return space
        low, high = (
            jnp.broadcast_to(b, space.shape)[self._observed] for b in (space.low, space.high)
        )
        return spaces.Box(low, high, self._observed.shape, space.dtype)

    def privileged_state_space(self, params: EnvParams) -> spaces.Space:
        """The named space, by default the full observation's."""
        return self._env.observation_space(params) if self._space is None else self._space
