"""Cleaner: two agents clean the tiles of a maze, each seeing only what is around it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from envs.environment import PrivilegedEnvironment

#: The paper's maze; `#` is a wall.
MAZE = (
    "#############",
    "#.#.....#...#",
    "#.###.###.###",
    "#...#.......#",
    "###.#####.#.#",
    "#.........#.#",
    "#.#######.#.#",
    "#.......#.#.#",
    "#####.#.#####",
    "#.....#.....#",
    "#.#####.###.#",
    "#.#.......#.#",
    "#############",
)

_MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)], np.int8)  # up, down, left, right

# Colours of an agent's 3x3 view.
_WALL, _CLEAN, _DIRTY, _OTHER, _SELF = (
    np.array(bits, np.uint8) for bits in ((0, 0, 0), (1, 1, 1), (0, 1, 0), (0, 0, 1), (1, 0, 0))
)


@struct.dataclass
class CleanerState(environment.EnvState):
    """Tiles, agents and clock."""

    dirty: jax.Array  # uint8 [ceil(rows * columns / 8)], a bit per tile, row by row
    agents: jax.Array  # int8 [2, 2], row and column of each agent
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class CleanerParams(environment.EnvParams):
    """The length of an episode, in steps."""

    max_steps_in_episode: int = 200


class Cleaner(PrivilegedEnvironment[CleanerState, CleanerParams]):
    """Two agents start in a corner of a maze and clean each tile that they stand on.

    * State: which tiles are dirty (at first all that are free), where the agents are.
    * Actions: 16 joint moves; agent 0 takes a // 4, agent 1 a % 4: up, down, left, right. A move
      into a wall stays. Agent 0 moves and cleans first.
    * Observation: uint8 [54], bits: for each agent the 3x3 tiles around it in 3 channels: wall
      (0,0,0), clean (1,1,1), dirty (0,1,0), the other agent (0,0,1), itself (1,0,0).
    * Privileged state: uint8 [rows * columns * 5], bits: clean, wall, dirty, agent 0, agent 1.
    * Reward: 1 per tile cleaned; terminates after 200 steps. Success: every tile is clean.

    Source: Baisero, Daley, Amato (UAI 2022), after Jiang and Amato's Cleaner.

    Args:
      maze: rows of `#` (wall) and `.` (free), enclosed, odd in size, connected, free at (1, 1).

    Raises:
      ValueError: when the maze is not so.
    """

    def __init__(self, maze: Sequence[str] = MAZE):
        super().__init__()
        self.maze = tuple(maze)
        self._free = _read_maze(self.maze)  # bool [rows, columns]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cleaner) and other.maze == self.maze

    def __hash__(self) -> int:
        return hash((Cleaner, self.maze))

    @property
    def default_params(self) -> CleanerParams:
        """Episodes of 200 steps."""
        return CleanerParams()

    @property
    def name(self) -> str:
        """Registry name."""
        return "cleaner"

    @property
    def num_actions(self) -> int:
        """Joint moves of both agents."""
        return 16

    def reset_env(self, key: jax.Array, params: CleanerParams) -> tuple[jax.Array, CleanerState]:
        """Make every free tile dirty and put both agents at (1, 1); nothing is random."""
        del key
        state = CleanerState(
            dirty=self._pack(jnp.asarray(self._free)),
            agents=jnp.ones((2, 2), jnp.int8),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: CleanerState,
        action: int | float | jax.Array,
        params: CleanerParams,
    ) -> tuple[jax.Array, CleanerState, jax.Array, jax.Array, dict[Any, Any]]:
        """Move and clean, one agent after the other; nothing is random."""
        del key
        dirty = self._unpack(state.dirty)
        action = jnp.asarray(action)
        reward, agents = jnp.float32(0.0), []
        for agent, move in enumerate((action // 4, action % 4)):
            there = state.agents[agent] + jnp.asarray(_MOVES)[move]
            free = jnp.asarray(self._free)[there[0], there[1]]
            at = jnp.where(free, there, state.agents[agent])
            reward += dirty[at[0], at[1]]
            dirty = dirty.at[at[0], at[1]].set(False)
            agents.append(at)
        time = state.time + 1
        state = dataclasses.replace(
            state, dirty=self._pack(dirty), agents=jnp.stack(agents), time=time
        )
        terminated = time >= params.max_steps_in_episode
        info = {"success": ~dirty.any()}
        return self.get_obs(state, params), state, reward, terminated, info

    def is_truncated(self, state: CleanerState, params: CleanerParams) -> jax.Array:
        """Never: the end after 200 steps is the environment's own."""
        del params
        return jnp.zeros_like(state.time, bool)

    def get_obs(
        self, state: CleanerState, params: CleanerParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return what both agents see, agent 0 first."""
        del params, key
        dirty = self._unpack(state.dirty)[..., None]
        free = jnp.asarray(self._free)[..., None]
        tiles = jnp.where(free, jnp.where(dirty, _DIRTY, _CLEAN), _WALL)
        me, other = state.agents, state.agents[::-1]
        return jax.vmap(self._view, (None, 0, 0))(tiles, me, other).reshape(-1)

    def _view(self, tiles: jax.Array, me: jax.Array, other: jax.Array) -> jax.Array:
        tiles = tiles.at[other[0], other[1]].set(_OTHER).at[me[0], me[1]].set(_SELF)
        around = (me[0] - 1, me[1] - 1, jnp.zeros_like(me[0]))
        return jax.lax.dynamic_slice(tiles, around, (3, 3, 3))

    def privileged_state(self, env_state: CleanerState, params: CleanerParams) -> jax.Array:
        """Return the maze in five channels, flattened by row, column, channel."""
        del params
        dirty = self._unpack(env_state.dirty)
        free = jnp.asarray(self._free)
        where = [jnp.zeros_like(dirty).at[a[0], a[1]].set(True) for a in env_state.agents]
        return jnp.stack([free & ~dirty, ~free, dirty, *where], -1).reshape(-1).astype(jnp.uint8)

    def _pack(self, dirty: jax.Array) -> jax.Array:
        return jnp.packbits(dirty)

    def _unpack(self, bits: jax.Array) -> jax.Array:
        return jnp.unpackbits(bits, count=self._free.size).reshape(self._free.shape).astype(bool)

    def action_space(self, params: CleanerParams | None = None) -> spaces.Discrete:
        """Discrete(16)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: CleanerParams) -> spaces.Box:
        """54 bits."""
        return spaces.Box(0, 1, (54,), jnp.uint8)

    def privileged_state_space(self, params: CleanerParams) -> spaces.Box:
        """Five bits per tile."""
        return spaces.Box(0, 1, (self._free.size * 5,), jnp.uint8)


def _read_maze(maze: Sequence[str]) -> np.ndarray:
    """Return which tiles are free, bool [rows, columns]."""
    if not maze or any(len(row) != len(maze[0]) or set(row) - set("#.") for row in maze):
        raise ValueError("a maze is rows of equal length, of # for walls and . for free tiles")
    free = np.array([[tile == "." for tile in row] for row in maze])
    rows, columns = free.shape
    if not rows % 2 or not columns % 2:
        raise ValueError(f"a maze has odd sizes, this one is {rows} x {columns}")
    border = np.concatenate([free[0], free[-1], free[:, 0], free[:, -1]])
    if border.any() or rows < 3 or columns < 3:
        raise ValueError("a maze is enclosed by walls, this one is open at its border")
    if not free[1, 1]:
        raise ValueError("the agents start at row 1, column 1, where this maze has a wall")
    reached = np.zeros_like(free)
    reached[1, 1] = True
    for _ in range(free.size):
        step = reached.copy()
        step[1:] |= reached[:-1]
        step[:-1] |= reached[1:]
        step[:, 1:] |= reached[:, :-1]
        step[:, :-1] |= reached[:, 1:]
        reached = step & free
    if (reached != free).any():
        row, column = np.argwhere(reached != free)[0]
        raise ValueError(f"a maze is connected, ({row}, {column}) cannot be reached in this one")
    return free
