"""Car-Flag: a car must find out which end of the road is heaven before it drives there."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment


@struct.dataclass
class CarFlagState(environment.EnvState):
    """Car, heaven and clock, all scalars."""

    position: jax.Array  # float32 in [-1.1, 1.1]
    velocity: jax.Array  # float32 in [-0.07, 0.07]
    heaven: jax.Array  # int8, the side of the rewarding flag: -1 left, +1 right
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class CarFlagParams(environment.EnvParams):
    """Constants of the simulator. Distances are in road units, speeds in units per step."""

    max_steps_in_episode: int = 160
    power: float = 0.0015
    max_speed: float = 0.07
    max_position: float = 1.1
    flag_position: float = 1.0
    zone_low: float = 0.3
    zone_high: float = 0.7
    max_start: float = 0.2


class CarFlag(PrivilegedEnvironment[CarFlagState, CarFlagParams]):
    """Drive to the flag that pays, after reading which one it is in a zone on the right.

    * State: position, velocity, and the side of heaven, drawn at reset and fixed.
    * Actions: 7 forces, -1 + a/3 for a = 0..6.
    * Observation: float32 [3], position, velocity, and the side of heaven (-1 or +1) while the
      car is in the zone, 0 elsewhere.
    * Privileged state: float32 [3], position, velocity, side of heaven.
    * Reward: +1 on reaching heaven's flag, -1 on reaching the other; both terminate.

    Source: Baisero, Daley, Amato (UAI 2022), after Nguyen et al.'s car variant of Mountain Car.
    """

    @property
    def default_params(self) -> CarFlagParams:
        """The paper's constants."""
        return CarFlagParams()

    @property
    def name(self) -> str:
        """Registry name."""
        return "carflag"

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing: every Car-Flag behaves like any other, but for its parameters."""
        return {}

    @property
    def num_actions(self) -> int:
        """Number of forces."""
        return 7

    def reset_env(self, key: jax.Array, params: CarFlagParams) -> tuple[jax.Array, CarFlagState]:
        """Draw the car's position and the side of heaven; `key` is consumed."""
        key_position, key_heaven = jax.random.split(key)
        state = CarFlagState(
            position=jax.random.uniform(
                key_position, (), jnp.float32, -params.max_start, params.max_start
            ),
            velocity=jnp.float32(0.0),
            heaven=jnp.where(jax.random.bernoulli(key_heaven), 1, -1).astype(jnp.int8),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: CarFlagState,
        action: int | float | jax.Array,
        params: CarFlagParams,
    ) -> tuple[jax.Array, CarFlagState, jax.Array, jax.Array, dict[Any, Any]]:
        """Accelerate, move, and look whether a flag is reached; nothing is random."""
        del key
        force = -1.0 + jnp.asarray(action, jnp.float32) / 3.0
        velocity = jnp.clip(
            state.velocity + params.power * force, -params.max_speed, params.max_speed
        )
        position = jnp.clip(state.position + velocity, -params.max_position, params.max_position)
        at_left_wall = (position <= -params.max_position) & (velocity < 0)
        velocity = jnp.where(at_left_wall, 0.0, velocity)

        side = jnp.sign(position).astype(jnp.int8)
        terminated = jnp.abs(position) >= params.flag_position
        success = terminated & (side == state.heaven)
        reward = jnp.where(terminated, jnp.where(success, 1.0, -1.0), 0.0)
        state = dataclasses.replace(
            state, position=position, velocity=velocity, time=state.time + 1
        )
        return self.get_obs(state, params), state, reward, terminated, {"success": success}

    def get_obs(
        self, state: CarFlagState, params: CarFlagParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return position, velocity and, in the zone, the side of heaven."""
        del key
        params = self.default_params if params is None else params
        in_zone = (state.position >= params.zone_low) & (state.position <= params.zone_high)
        # At reset nothing is read, wherever a changed `max_start` may put the car.
        side = jnp.where(in_zone & (state.time > 0), state.heaven, 0)
        return jnp.stack([state.position, state.velocity, side.astype(jnp.float32)])

    def privileged_state(self, env_state: CarFlagState, params: CarFlagParams) -> jax.Array:
        """Return position, velocity and the side of heaven."""
        del params
        return jnp.stack(
            [env_state.position, env_state.velocity, env_state.heaven.astype(jnp.float32)]
        )

    def action_space(self, params: CarFlagParams | None = None) -> spaces.Discrete:
        """Discrete(7)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: CarFlagParams) -> spaces.Box:
        """Box of shape [3]."""
        high = jnp.array([params.max_position, params.max_speed, 1.0], jnp.float32)
        return spaces.Box(-high, high, (3,), jnp.float32)

    def privileged_state_space(self, params: CarFlagParams) -> spaces.Box:
        """Box of shape [3], bounded as the observation."""
        return self.observation_space(params)
