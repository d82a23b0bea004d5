"""Pedestrian: drive past a parked truck that may hide somebody who is about to cross."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment

#: Change of the car's speed under each action, in cells per step, per step.
ACCELERATIONS = (-1, 0, 1)
#: Length of the road, where pedestrians cross it, and the truck's far end, in cells.
ROAD, CROSSING, TRUCK_END = 32, 21, 20
#: Cells from one waypoint to the next; the last one is the road's end.
SPACING = 4
#: The highest speed, in cells per step.
MAX_SPEED = 4
#: Where pedestrians wait and end, across the road: the car drives at 0. They move by 1 a step.
KERB, OTHER_SIDE = 2, -2
#: Half the width of the car's lane, and where the truck's side is; both across the road.
LANE, TRUCK_SIDE = 1, 1.5
#: How near a car must be for a pedestrian to set off, in cells; each is as likely as the others.
NEAR = (4, 8, 12, 16)

#: Numbers that tell position and speed, and where the pedestrian is.
CAR, PLACES = ROAD + 1 + MAX_SPEED + 1, KERB - OTHER_SIDE + 1

#: Rewards: each step's, and what braking, a waypoint and a collision add.
STEP, BRAKING, WAYPOINT, COLLISION = -2.0, -2.0, 10.0, -100.0


@struct.dataclass
class PedestrianState(environment.EnvState):
    """Car, pedestrian and clock; scalars."""

    position: jax.Array  # uint8, of the car's front along the road, in cells, 0 .. ROAD
    speed: jax.Array  # uint8, in cells per step, 0 .. MAX_SPEED
    kind: jax.Array  # uint8, 0: there is no pedestrian; k: one who sets off at NEAR[k - 1]
    lateral: jax.Array  # int8, of the pedestrian across the road, KERB .. OTHER_SIDE
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class PedestrianParams(environment.EnvParams):
    """The time limit, in steps; it truncates."""

    max_steps_in_episode: int = 90


class Pedestrian(PrivilegedEnvironment[PedestrianState, PedestrianParams]):
    """Drive to the end of a straight road without running over who may step from behind a truck.

    * Reset: the car is at rest at 0. With probability 1/2 a pedestrian waits at the kerb behind the
      truck, at `CROSSING`; the distance `NEAR` at which he sets off is uniform. The rest is
      deterministic.
    * Actions: brake, coast, accelerate (0..2). Speed changes by -1, 0 or 1 cell per step, within
      0 .. 4; then the car moves by it.
    * A pedestrian sets off when the car has come as near as that before its move, and then walks 1
      a step, from 2 over the lane (1, 0, -1) to -2, where he stays.
    * Reward: -2 each step, -2 more for braking, +10 for each waypoint, every 4 cells. The end, at
      32, terminates and is a success. A step that takes the car onto or over the crossing, or finds
      it there, while the pedestrian is in the lane is a collision: it adds -100 instead of a
      waypoint, and terminates. `info["collision"]` says so.
    * Observation: float32 [43]: the car's cell of 33, one-hot; its speed of 5, one-hot; where the
      pedestrian is, one-hot of 2, 1, 0, -1, -2. The last are zeros unless he is there and the
      line to him from the car's front, at 0 across the road, passes the truck's corner.
    * Privileged state: float32 [47]: the same with the pedestrian always shown; and which of the 4
      distances is his, one-hot, zeros when there is none.

    Source: the occluded pedestrian of Warrington et al. (2021), "Robust asymmetric learning in
    POMDPs"; theirs is a simulator of traffic, of which this keeps only the question.
    """

    @property
    def default_params(self) -> PedestrianParams:
        """A time limit of 90 steps."""
        return PedestrianParams()

    @property
    def name(self) -> str:
        """Registry name."""
        return "pedestrian"

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @property
    def num_actions(self) -> int:
        """Brake, coast, accelerate."""
        return len(ACCELERATIONS)

    def reset_env(
        self, key: jax.Array, params: PedestrianParams
    ) -> tuple[jax.Array, PedestrianState]:
        """Start at rest; draw whether somebody waits, and how near a car he lets come."""
        key_there, key_kind = jax.random.split(key)
        kind = jax.random.randint(key_kind, (), 1, len(NEAR) + 1)
        state = PedestrianState(
            position=jnp.uint8(0),
            speed=jnp.uint8(0),
            kind=jnp.where(jax.random.bernoulli(key_there), kind, 0).astype(jnp.uint8),
            lateral=jnp.int8(KERB),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: PedestrianState,
        action: int | float | jax.Array,
        params: PedestrianParams,
    ) -> tuple[jax.Array, PedestrianState, jax.Array, jax.Array, dict[Any, Any]]:
        """Change the speed, move both, and look whether they meet; nothing is random."""
        del key
        change = jnp.asarray(ACCELERATIONS)[jnp.asarray(action)]
        before = state.position.astype(jnp.int32)
        speed = jnp.clip(state.speed + change, 0, MAX_SPEED)
        position = jnp.minimum(before + speed, ROAD)
        lateral = self._walk(state)

        in_lane = (state.kind > 0) & (jnp.abs(lateral) <= LANE)
        collision = in_lane & (before <= CROSSING) & (position >= CROSSING)
        success = ~collision & (position == ROAD)
        waypoints = position // SPACING - before // SPACING
        reward = STEP + BRAKING * (change < 0)
        reward = reward + jnp.where(collision, COLLISION, WAYPOINT * waypoints)
        state = dataclasses.replace(
            state,
            position=jnp.where(collision, CROSSING, position).astype(jnp.uint8),
            speed=speed.astype(jnp.uint8),
            lateral=lateral,
            time=state.time + 1,
        )
        info = {"success": success, "collision": collision}
        return self.get_obs(state, params), state, reward, success | collision, info

    def _walk(self, state: PedestrianState) -> jax.Array:
        """Return where the pedestrian is after a step."""
        near = jnp.asarray((0, *NEAR))[state.kind]
        sets_off = (state.kind > 0) & (state.position + near >= CROSSING)
        moves = (sets_off | (state.lateral < KERB)) & (state.lateral > OTHER_SIDE)
        return state.lateral - moves.astype(jnp.int8)

    def get_obs(
        self, state: PedestrianState, params: PedestrianParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return what is not hidden."""
        del params, key
        shown = in_sight(state.position.astype(jnp.int32), state.lateral)
        return jnp.concatenate([self._car(state), self._pedestrian(state) * shown])

    def privileged_state(self, env_state: PedestrianState, params: PedestrianParams) -> jax.Array:
        """Return everything."""
        del params
        kind = jax.nn.one_hot(env_state.kind, len(NEAR) + 1, dtype=jnp.float32)[1:]
        return jnp.concatenate([self._car(env_state), self._pedestrian(env_state), kind])

    def _car(self, state: PedestrianState) -> jax.Array:
        return jnp.concatenate(
            [
                jax.nn.one_hot(state.position, ROAD + 1, dtype=jnp.float32),
                jax.nn.one_hot(state.speed, MAX_SPEED + 1, dtype=jnp.float32),
            ]
        )

    def _pedestrian(self, state: PedestrianState) -> jax.Array:
        place = jax.nn.one_hot(KERB - state.lateral, PLACES, dtype=jnp.float32)
        return place * (state.kind > 0)

    def action_space(self, params: PedestrianParams | None = None) -> spaces.Discrete:
        """Discrete(3)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: PedestrianParams) -> spaces.Box:
        """Zeros and ones."""
        return spaces.Box(0.0, 1.0, (CAR + PLACES,))

    def privileged_state_space(self, params: PedestrianParams) -> spaces.Box:
        """Zeros and ones."""
        return spaces.Box(0.0, 1.0, (CAR + PLACES + len(NEAR),))


def in_sight(position: Any, lateral: Any) -> Any:
    """Return whether a car sees who crosses: its line of sight passes the truck's corner.

    Args:
      position: of the car's front, int, an array of JAX or NumPy.
      lateral: of the pedestrian, int, likewise.
    """
    # Where the line passes the truck's far end it must be nearer to the lane than the truck's side.
    line = lateral * (TRUCK_END - position)
    return (position >= TRUCK_END) | (line < TRUCK_SIDE * (CROSSING - position))
