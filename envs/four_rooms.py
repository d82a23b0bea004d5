"""Memory-Four-Rooms: find the beacon, then the exit of its colour, through a limited view."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment
from .views import VIEW, visible

NORTH, SOUTH, WEST, EAST = range(4)
_STEP = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)], np.int32)
_BACK = np.array([SOUTH, NORTH, EAST, WEST])
_LEFT = np.array([WEST, EAST, SOUTH, NORTH])
_RIGHT = np.array([EAST, WEST, NORTH, SOUTH])

RED, GREEN, BLUE, YELLOW = 1, 2, 3, 4
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE, "yellow": YELLOW}
_NUM_COLOURS = 5  # with 0, none

# Kinds of cell, as the state numbers them; an observation, which knows hidden cells too, has all
# numbers one higher, and hidden in the place of floor.
_FLOOR, _WALL, _EXIT, _BEACON = 1, 2, 3, 4
_HIDDEN = 0


@struct.dataclass
class FourRoomsState(environment.EnvState):
    """What a reset draws, where the agent is, and the clock. Cells are numbered row by row."""

    doors: jax.Array  # uint8 [4], which cell of its wall each door is: west, east, north, south
    beacon: jax.Array  # uint8, cell
    exits: jax.Array  # uint8 [2], cells; the first is the good exit
    colours: jax.Array  # uint8 [2], of beacon and good exit, and of the bad exit
    agent: jax.Array  # uint8, cell
    heading: jax.Array  # uint8
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class FourRoomsParams(environment.EnvParams):
    """Rewards and the time limit."""

    max_steps_in_episode: int = 100
    living_reward: float = -0.05
    exit_reward: float = 5.0


class MemoryFourRooms(PrivilegedEnvironment[FourRoomsState, FourRoomsParams]):
    """Four rooms with a door between neighbours, a beacon, and two exits.

    * State: the doors, the cells and colours of beacon and exits, the agent's cell and heading;
      all of it drawn anew at every reset, objects on distinct floor cells.
    * Actions: forward, backward, left, right (the heading stays), turn left, turn right.
    * Observation: uint8 [7, 7, 3], indices of kind, status and colour of the cells ahead, with
      the agent in the middle of the last row, looking up; what walls hide is hidden.
    * Privileged state: the grid, uint8 [size, size, 3], of such indices; the agent's cell, uint8
      [size, size], one-hot; and float32 [6]: its row and column in [-1, 1], its heading one-hot.
    * Reward: -0.05 per step; +5 on entering the exit of the beacon's colour, -5 on the other.
      Both terminate.

    Source: gym-gridverse's `GV-MemoryFourRooms-7x7` (Baisero and Katt), as used by Baisero, Daley,
    Amato (UAI 2022).

    Args:
      size: rows and columns of the grid, odd, 5 to 15.
      colours: different ones, of which two are drawn: 1 (red), 2 (green), 3 (blue), 4 (yellow).

    Raises:
      ValueError: when the size or the colours are not so.
    """

    def __init__(self, size: int = 7, colours: Sequence[int] = (RED, GREEN, BLUE, YELLOW)):
        super().__init__()
        if size % 2 == 0 or not 5 <= size <= 15:
            raise ValueError(f"four rooms need an odd size from 5 to 15, got {size}")
        colours = tuple(colours)
        distinct = len(set(colours)) == len(colours)
        if len(colours) < 2 or not distinct or not set(colours) <= set(COLOURS.values()):
            known = ", ".join(f"{number} ({name})" for name, number in COLOURS.items())
            raise ValueError(f"two or more different colours are needed, of {known}; got {colours}")
        self.size = size
        self.colours = colours
        self._middle = size // 2
        room = np.arange(1, self._middle)  # rows or columns of a room, beside the first wall
        at = np.concatenate([room, room + self._middle])
        self._room_cells = (at[:, None] * size + at).ravel()
        self._door_cells = np.stack(  # [4, cells of a wall], as numbered in the state
            [
                self._middle * size + room,
                self._middle * size + room + self._middle,
                room * size + self._middle,
                (room + self._middle) * size + self._middle,
            ]
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Size and colours."""
        return {"size": self.size, "colours": self.colours}

    @property
    def default_params(self) -> FourRoomsParams:
        """Rewards of -0.05 and 5, a time limit of 100 steps."""
        return FourRoomsParams()

    @property
    def name(self) -> str:
        """What it is called in titles: its registry name up to the colon."""
        return f"memory-four-rooms-{self.size}x{self.size}"

    @property
    def num_actions(self) -> int:
        """Four moves and two turns."""
        return 6

    def reset_env(
        self, key: jax.Array, params: FourRoomsParams
    ) -> tuple[jax.Array, FourRoomsState]:
        """Draw doors, objects, colours and the agent; `key` is consumed."""
        # One draw for all, as each takes its time, to compile and at every step.
        for_doors, for_cells, others = jax.random.uniform(key, (3, 4), jnp.float32)
        for_colours, for_heading = others[:2], others[2]
        doors = _below(for_doors, self._door_cells.shape[1])
        floor = jnp.concatenate([self._room_cells, self._doors(doors)]).astype(jnp.uint8)
        cells = _choose_distinct(for_cells, floor)
        state = FourRoomsState(
            doors=doors.astype(jnp.uint8),
            agent=cells[0],
            beacon=cells[1],
            exits=cells[2:],
            colours=_choose_distinct(for_colours, jnp.array(self.colours, jnp.uint8)),
            heading=_below(for_heading, 4).astype(jnp.uint8),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: FourRoomsState,
        action: int | float | jax.Array,
        params: FourRoomsParams,
    ) -> tuple[jax.Array, FourRoomsState, jax.Array, jax.Array, dict[Any, Any]]:
        """Move or turn, and look whether an exit is entered; nothing is random."""
        del key
        action = jnp.asarray(action)
        left, right = jnp.asarray(_LEFT)[state.heading], jnp.asarray(_RIGHT)[state.heading]
        back = jnp.asarray(_BACK)[state.heading]
        heading = jnp.select([action == 4, action == 5], [left, right], state.heading)

        towards = jnp.select(
            [action == 0, action == 1, action == 2], [state.heading, back, left], right
        )
        there = self._where(state.agent) + jnp.asarray(_STEP)[towards]
        moves = (action < 4) & (self._kind(state, there) != _WALL)
        agent = jnp.where(moves, there[0] * self.size + there[1], state.agent)

        state = dataclasses.replace(
            state,
            agent=agent.astype(jnp.uint8),
            heading=heading.astype(jnp.uint8),
            time=state.time + 1,
        )
        good, bad = state.agent == state.exits[0], state.agent == state.exits[1]
        reward = params.living_reward + params.exit_reward * (good * 1.0 - bad * 1.0)
        return self.get_obs(state, params), state, reward, good | bad, {"success": good}

    def get_obs(
        self, state: FourRoomsState, params: FourRoomsParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return what the agent sees."""
        del params, key
        steps = jnp.asarray(_STEP)
        ahead = steps[state.heading]
        right = steps[jnp.asarray(_RIGHT)[state.heading]]
        row, column = np.mgrid[:VIEW, :VIEW][..., None]
        at = self._where(state.agent) + (VIEW - 1 - row) * ahead + (column - VIEW // 2) * right
        kind = self._kind(state, at)
        seen = visible((kind == _WALL) | (kind == _HIDDEN))
        kind = jnp.where(seen, kind, _HIDDEN)
        colour = jnp.where(seen, self._colour(state, at), 0)
        return jnp.stack([kind + 1, kind + 7, colour + 12], -1).astype(jnp.uint8)

    def privileged_state(
        self, env_state: FourRoomsState, params: FourRoomsParams
    ) -> dict[str, jax.Array]:
        """Return the grid, the agent's cell one-hot, and its place and heading."""
        del params
        every = jnp.stack(jnp.mgrid[: self.size, : self.size], -1)
        kind, colour = self._kind(env_state, every), self._colour(env_state, every)
        place = self._where(env_state.agent)
        scale = self.size - 1
        return {
            "grid": jnp.stack([kind, kind + 5, colour + 10], -1).astype(jnp.uint8),
            "agent_grid": (jnp.arange(self.size**2) == env_state.agent)
            .reshape(self.size, self.size)
            .astype(jnp.uint8),
            "agent": jnp.concatenate(
                [
                    (2.0 * place.astype(jnp.float32) - scale) / scale,
                    jax.nn.one_hot(env_state.heading, 4, dtype=jnp.float32),
                ]
            ),
        }

    def _where(self, cell: jax.Array) -> jax.Array:
        """Return row and column of a cell, int32 [2]."""
        return jnp.stack(jnp.divmod(cell.astype(jnp.int32), self.size))

    def _doors(self, doors: jax.Array) -> jax.Array:
        """Return the cells of the doors, int [4]."""
        return jnp.asarray(self._door_cells)[jnp.arange(4), doors]

    # What is where is asked of cells and computed, cell by cell: faster than drawing a grid and
    # looking it up.
    def _kind(self, state: FourRoomsState, at: jax.Array) -> jax.Array:
        """Return the kind of the cells at [..., 2], int32; hidden outside of the grid."""
        on_wall = (at % self._middle == 0).any(-1)
        cell = self._cell(at)
        is_door = (cell[..., None] == self._doors(state.doors)).any(-1)
        is_exit = (cell[..., None] == state.exits).any(-1)
        kind = jnp.where(on_wall & ~is_door, _WALL, _FLOOR)
        kind = jnp.where(is_exit, _EXIT, jnp.where(cell == state.beacon, _BEACON, kind))
        return jnp.where(cell < 0, _HIDDEN, kind)

    def _colour(self, state: FourRoomsState, at: jax.Array) -> jax.Array:
        """Return the colour of the cells at [..., 2], int32."""
        cell = self._cell(at)
        good = (cell == state.beacon) | (cell == state.exits[0])
        other = jnp.where(cell == state.exits[1], state.colours[1], 0)
        return jnp.where(good, state.colours[0], other).astype(jnp.int32)

    def _cell(self, at: jax.Array) -> jax.Array:
        """Number the cells at [..., 2]; -1 outside of the grid."""
        inside = ((at >= 0) & (at < self.size)).all(-1)
        return jnp.where(inside, at[..., 0] * self.size + at[..., 1], -1)

    def action_space(self, params: FourRoomsParams | None = None) -> spaces.Discrete:
        """Discrete(6)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: FourRoomsParams) -> spaces.Box:
        """Grid of indices below 17."""
        return spaces.Box(0, 12 + _NUM_COLOURS - 1, (VIEW, VIEW, 3), jnp.uint8)

    def privileged_state_space(self, params: FourRoomsParams) -> spaces.Dict:
        """Grid of indices below 15, one-hot cell, place and heading."""
        return spaces.Dict(
            {
                "grid": spaces.Box(0, 10 + _NUM_COLOURS - 1, (self.size, self.size, 3), jnp.uint8),
                "agent_grid": spaces.Box(0, 1, (self.size, self.size), jnp.uint8),
                "agent": spaces.Box(-1.0, 1.0, (6,), jnp.float32),
            }
        )


def _below(uniform: jax.Array, end: int | jax.Array) -> jax.Array:
    """Turn uniform numbers in [0, 1) into int32 in [0, end), equally likely to within 2^-23."""
    return (uniform * end).astype(jnp.int32)


def _choose_distinct(uniform: jax.Array, items: jax.Array) -> jax.Array:
    """Choose an item for each of these numbers in [0, 1), without replacement, in random order."""
    # The first swaps of a Fisher-Yates shuffle.
    count = uniform.size
    places = jnp.arange(count) + _below(uniform, items.size - jnp.arange(count))
    for here in range(count):
        there = places[here]
        items = items.at[here].set(items[there]).at[there].set(items[here])
    return items[:count]
