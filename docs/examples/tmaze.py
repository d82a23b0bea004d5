"""T-maze: remember the sign at the start, turn to its side at the end of the corridor."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments.environment import EnvParams, EnvState
from gymnax.environments.spaces import Discrete

from adqn_jax.envs import PrivilegedEnvironment


@struct.dataclass
class TMazeState(EnvState):
    """The simulator's state; all scalars."""

    time: jax.Array  # int32, steps since the reset; gymnax compares it with the time limit
    position: jax.Array  # int32, 0 at the sign, `length` at the junction
    side: jax.Array  # int32, what the sign says: 0 left, 1 right


class TMaze(PrivilegedEnvironment[TMazeState, EnvParams]):
    """Actions 0 walk, 1 turn left, 2 turn right; a turn ends the episode and pays +1 or -1."""

    length = 4
    num_actions = 3
    default_params = EnvParams(max_steps_in_episode=20)

    def reset_env(self, key: jax.Array, params: EnvParams) -> Any:
        side = jax.random.bernoulli(key).astype(jnp.int32)
        state = TMazeState(time=jnp.int32(0), position=jnp.int32(0), side=side)
        return self.get_obs(state), state

    def step_env(self, key: jax.Array, state: TMazeState, action: Any, params: EnvParams) -> Any:
        turned = action > 0
        success = turned & (state.position == self.length) & (action - 1 == state.side)
        reward = jnp.where(turned, jnp.where(success, 1.0, -1.0), 0.0)
        position = jnp.minimum(state.position + 1, self.length)
        state = TMazeState(time=state.time + 1, position=position, side=state.side)
        return self.get_obs(state), state, reward, turned, {"success": success}

    def get_obs(self, state: TMazeState, params: Any = None, key: Any = None) -> jax.Array:
        beyond_the_sign = jnp.where(state.position == self.length, 3, 2)  # junction, corridor
        return jnp.where(state.position == 0, state.side, beyond_the_sign)

    def privileged_state(self, env_state: TMazeState, params: EnvParams) -> jax.Array:
        return env_state.side * (self.length + 1) + env_state.position

    def action_space(self, params: Any = None) -> Discrete:
        return Discrete(self.num_actions)

    def observation_space(self, params: EnvParams) -> Discrete:
        return Discrete(4)

    def privileged_state_space(self, params: EnvParams) -> Discrete:
        return Discrete(2 * (self.length + 1))
