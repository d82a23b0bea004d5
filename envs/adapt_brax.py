"""Environments of Brax, and of MuJoCo Playground, which share a protocol."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import EnvParams, EnvState

from .environment import PrivilegedEnvironment
from .wrappers import Privileged

_BARE = "from_brax takes one bare environment, without Brax's VmapWrapper or AutoResetWrapper"


@struct.dataclass
class BraxState(EnvState):
    """A state of Brax, and its age."""

    time: jax.Array  # int32, steps since the reset
    wrapped: Any  # Brax's `State`: physics, observation, reward, done, metrics and info


class Brax(PrivilegedEnvironment[BraxState, EnvParams]):
    """An environment of Brax's protocol, on the API of gymnax.

    The agent observes `obs["state"]`, and the trainer knows `obs["privileged_state"]`. Where there
    is no `privileged_state`, or `obs` is an array, both see the same. `done` terminates, unless
    `info["truncation"]` says that a time limit was the reason.

    Actions are a vector in [-1, 1], as everywhere in Brax. What Brax calls a state holds the
    observation too, so nothing draws it again: noise in it is drawn once.

    Args:
      env: with `reset(key) -> state`, `step(state, action) -> state` and `action_size`.
      time_limit: steps after which an episode is truncated.
      success: `(Brax's state) -> bool`, scalar: whether an episode that ends here reached its goal.
        None leaves `info["success"]` out.

    Raises:
      ValueError: when `env` cannot be reset, is a batch of environments, or resets itself; or its
        observation is neither an array nor a dict of arrays with `state`.
    """

    # Brax's terms: github.com/google/brax, brax/envs/base.py and envs/wrappers/training.py.

    def __init__(
        self, env: Any, time_limit: int = 1000, success: Callable[[Any], jax.Array] | None = None
    ):
        super().__init__()
        self._env = env
        self._time_limit = time_limit
        self._success = success
        first = self._first()
        self._observation = self._box(_of(first.obs, "state"))
        self._state = self._box(_of(first.obs, "privileged_state", "state"))

    def _first(self) -> Any:
        """Return the shapes of a first state, once they are those of one bare environment."""
        try:
            first = jax.eval_shape(self._env.reset, jax.random.PRNGKey(0))
        except Exception as error:  # whatever somebody else's code raises
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise ValueError(f"{self.name}.reset cannot be traced ({reason}); {_BARE}") from error
        if jnp.shape(first.reward) != ():
            raise ValueError(f"{self.name} gives rewards of shape {first.reward.shape}; {_BARE}")
        if any("first_obs" in name for name in first.info):  # Brax's and Playground's names for it
            raise ValueError(f"{self.name} resets itself; {_BARE}")
        return first

    def _box(self, entry: Any) -> spaces.Box:
        if not hasattr(entry, "shape"):
            raise ValueError(
                f"{self.name}'s observation must be an array, or a dict of arrays with `state` and "
                f"perhaps `privileged_state`"
            )
        return spaces.Box(-jnp.inf, jnp.inf, entry.shape, entry.dtype)

    @property
    def default_params(self) -> EnvParams:
        """The time limit."""
        return EnvParams(max_steps_in_episode=self._time_limit)

    @property
    def name(self) -> str:
        """The class of the environment within all of Brax's wrappers."""
        return type(getattr(self._env, "unwrapped", self._env)).__name__

    @property
    def num_actions(self) -> int:
        """The length of an action."""
        return int(self._env.action_size)

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[jax.Array, BraxState]:
        """Start an episode; `key` is consumed."""
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            key = jax.random.key_data(key)  # Brax's keys are arrays of numbers
        state = BraxState(jnp.int32(0), jax.tree.map(jnp.asarray, self._env.reset(key)))
        return self.get_obs(state), state

    def step_env(
        self, key: jax.Array, state: BraxState, action: int | float | jax.Array, params: EnvParams
    ) -> tuple[jax.Array, BraxState, jax.Array, jax.Array, dict[Any, Any]]:
        """Act with a vector [action_size]; `key` is not used, as Brax's states bring their own."""
        del key
        # A copy of all dicts: many an environment writes into the `info` that it is given.
        before = jax.tree.map(jnp.asarray, state.wrapped)
        after = jax.tree.map(jnp.asarray, self._env.step(before, action))
        state = BraxState(state.time + 1, after)
        terminated = after.done.astype(bool) & ~_truncation(after)
        info = {} if self._success is None else {"success": self._success(after)}
        return self.get_obs(state), state, after.reward, terminated, info

    def get_obs(
        self, state: BraxState, params: EnvParams | None = None, key: jax.Array | None = None
    ) -> jax.Array:
        """Return what Brax let the agent see of `state`."""
        return _of(state.wrapped.obs, "state")

    def privileged_state(self, env_state: BraxState, params: EnvParams) -> jax.Array:
        """Return what Brax tells the trainer, or, where there is no such thing, the observation."""
        return _of(env_state.wrapped.obs, "privileged_state", "state")

    def is_truncated(self, state: BraxState, params: EnvParams) -> jax.Array:
        """Whether our time limit is reached, or one within Brax, as its EpisodeWrapper has."""
        return (state.time >= params.max_steps_in_episode) | _truncation(state.wrapped)

    def is_terminated(self, state: BraxState, params: EnvParams) -> jax.Array:
        """Whether Brax ended the episode, and not for a time limit."""
        return state.wrapped.done.astype(bool) & ~_truncation(state.wrapped)

    def action_space(self, params: EnvParams | None = None) -> spaces.Box:
        """Vectors in [-1, 1]."""
        return spaces.Box(-1.0, 1.0, (self.num_actions,), jnp.float32)

    def observation_space(self, params: EnvParams) -> spaces.Box:
        """Vectors without bounds: Brax declares none."""
        return self._observation

    def privileged_state_space(self, params: EnvParams) -> spaces.Box:
        """Vectors without bounds."""
        return self._state


def from_brax(
    env: Any,
    time_limit: int = 1000,
    success: Callable[[Any], jax.Array] | None = None,
    observed: Sequence[int] | None = None,
    privileged: Callable[[BraxState, EnvParams], Any] | None = None,
    space: spaces.Space | None = None,
) -> tuple[PrivilegedEnvironment, EnvParams]:
    """Take an environment of Brax or MuJoCo Playground, or of their protocol.

    Give the bare one, such as `brax.envs.get_environment` or `mujoco_playground.registry.load`
    returns: without automatic resets and batches, which a trainer has of its own.

    Args:
      env: the environment.
      time_limit: steps after which an episode is truncated; the parameter `max_steps_in_episode`.
      success: `(Brax's state) -> bool`, whether an episode that ends there reached its goal; None
        lets the trainer ask for a positive return.
      observed: entries of the agent's flat observation that it is to see, as of `Privileged`. The
        trainer knows all entries, or `privileged_state` where there is one.
      privileged: `(env_state, params) -> array`, another privileged state; Brax's own state is
        `env_state.wrapped`. Needs `space`.
      space: the space of what `privileged` returns.

    Returns:
      The environment and its parameters.

    Raises:
      ValueError: when this is no such environment, or another argument is wrong.
    """
    adapted = Brax(env, time_limit, success)
    params = adapted.default_params
    if privileged is None and space is None:
        privileged, space = adapted.privileged_state, adapted.privileged_state_space(params)
    return Privileged(adapted, observed, privileged, space), params


def _of(observation: Any, *names: str) -> Any:
    """Look up the first of some names that is there; an array is all there is."""
    if not isinstance(observation, dict):
        return observation
    return next((observation[name] for name in names if name in observation), None)


def _truncation(state: Any) -> jax.Array:
    return jnp.asarray(state.info.get("truncation", False)).astype(bool)
