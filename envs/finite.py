"""Any finite POMDP, as an environment to train in."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment
from .pomdp import POMDP


@struct.dataclass
class FinitePOMDPState(environment.EnvState):
    """State, what was seen of it, and the clock; scalars in dtypes as small as their spaces."""

    state: jax.Array  # unsigned, 0..S-1
    observation: jax.Array  # unsigned, 0..O; O at reset
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class FinitePOMDPParams(environment.EnvParams):
    """The time limit, in steps."""

    max_steps_in_episode: int = 100


class FinitePOMDP(PrivilegedEnvironment[FinitePOMDPState, FinitePOMDPParams]):
    """Play a POMDP.

    * Observation: Discrete(O+1), the model's, and O at reset, when nothing is seen yet.
    * Privileged state: Discrete(S), the model's state.
    * Reward: the expected one of state and action.
    * Ends where the model's `terminal` says so, or is truncated by the time limit. The model's
      discount means nothing here: a trainer has its own.
    """

    def __init__(self, model: POMDP):
        super().__init__()
        self.model = model
        self._state_dtype = np.min_scalar_type(model.num_states - 1)
        self._observation_dtype = np.min_scalar_type(model.num_observations)
        with np.errstate(divide="ignore"):  # the logarithm of 0 is never drawn
            self._log_transition = np.log(model.transition).astype(np.float32)
            self._log_observation = np.log(model.observation).astype(np.float32)
            self._log_start = np.log(model.start).astype(np.float32)

    @property
    def settings(self) -> dict[str, Any]:
        """A digest of the model's arrays, which a file's name does not tell apart."""
        return {"sha256": self.model.digest}

    @property
    def default_params(self) -> FinitePOMDPParams:
        """A time limit of 100 steps."""
        return FinitePOMDPParams()

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def num_actions(self) -> int:
        """The model's."""
        return self.model.num_actions

    def reset_env(
        self, key: jax.Array, params: FinitePOMDPParams
    ) -> tuple[jax.Array, FinitePOMDPState]:
        """Draw a state; `key` is consumed."""
        drawn = jax.random.categorical(key, jnp.asarray(self._log_start))
        state = FinitePOMDPState(
            state=drawn.astype(self._state_dtype),
            observation=jnp.asarray(self.model.num_observations, self._observation_dtype),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: FinitePOMDPState,
        action: int | float | jax.Array,
        params: FinitePOMDPParams,
    ) -> tuple[jax.Array, FinitePOMDPState, jax.Array, jax.Array, dict[Any, Any]]:
        """Draw the next state and its observation; `key` is consumed."""
        key_state, key_observation = jax.random.split(key)
        before, action = state.state, jnp.asarray(action)
        log_transition = jnp.asarray(self._log_transition)[before, action]
        after = jax.random.categorical(key_state, log_transition)
        log_observation = jnp.asarray(self._log_observation)[action, after]
        seen = jax.random.categorical(key_observation, log_observation)
        reward = jnp.asarray(self.model.reward, jnp.float32)[before, action]
        terminated = jnp.asarray(self.model.terminal)[before, action]
        state = FinitePOMDPState(
            state=after.astype(self._state_dtype),
            observation=seen.astype(self._observation_dtype),
            time=state.time + 1,
        )
        return self.get_obs(state, params), state, reward, terminated, {}

    def get_obs(
        self, state: FinitePOMDPState, params: FinitePOMDPParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return what was seen, int32."""
        del params, key
        return state.observation.astype(jnp.int32)

    def privileged_state(self, env_state: FinitePOMDPState, params: FinitePOMDPParams) -> jax.Array:
        """Return the state, int32."""
        del params
        return env_state.state.astype(jnp.int32)

    def action_space(self, params: FinitePOMDPParams | None = None) -> spaces.Discrete:
        """Discrete(A)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: FinitePOMDPParams) -> spaces.Discrete:
        """Discrete(O+1)."""
        return spaces.Discrete(self.model.num_observations + 1)

    def privileged_state_space(self, params: FinitePOMDPParams) -> spaces.Discrete:
        """Discrete(S)."""
        return spaces.Discrete(self.model.num_states)
