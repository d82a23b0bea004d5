"""Cleaner: two agents clean the tiles of a maze, each seeing only what is around it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment
from .mazes import draw_maze, read_maze

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

_MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)], np.int32)  # up, down, left, right
_AROUND = np.array([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)], np.int32)

# Colours of an agent's 3x3 view.
_WALL, _CLEAN, _DIRTY, _OTHER, _SELF = (
    np.array(bits, np.uint8) for bits in ((0, 0, 0), (1, 1, 1), (0, 1, 0), (0, 0, 1), (1, 0, 0))
)


@struct.dataclass
class CleanerState(environment.EnvState):
    """Tiles, agents and clock. Tiles are bits, row by row, packed into ceil(tiles / 8) bytes."""

    dirty: jax.Array  # uint8 [bytes]
    free: jax.Array | None  # uint8 [bytes]; None where every episode has the same maze
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
      redraw: whether every episode draws a maze of that size (`mazes.draw_maze`) instead.

    Raises:
      ValueError: when the maze is not so.
    """

    def __init__(self, maze: Sequence[str] = MAZE, *, redraw: bool = False):
        super().__init__()
        self.maze = tuple(maze)
        self.redraw = redraw
        self._free = read_maze(self.maze)  # bool [rows, columns]

    @property
    def settings(self) -> dict[str, Any]:
        """Maze, and whether it is redrawn."""
        return {"maze": self.maze, "redraw": self.redraw}

    @property
    def default_params(self) -> CleanerParams:
        """Episodes of 200 steps."""
        return CleanerParams()

    @property
    def name(self) -> str:
        """What it is called in titles: its registry name up to the colon."""
        return "cleaner"

    @property
    def num_actions(self) -> int:
        """Joint moves of both agents."""
        return 16

    def reset_env(self, key: jax.Array, params: CleanerParams) -> tuple[jax.Array, CleanerState]:
        """Make every free tile dirty and put both agents at (1, 1); `key` is consumed."""
        free = draw_maze(key, *self._free.shape) if self.redraw else jnp.asarray(self._free)
        bits = jnp.packbits(free)
        state = CleanerState(
            dirty=bits,
            free=bits if self.redraw else None,
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
        action = jnp.asarray(action)
        dirty, reward, agents = state.dirty, jnp.float32(0.0), []
        for agent, move in enumerate((action // 4, action % 4)):
            here = state.agents[agent].astype(jnp.int32)
            there = here + jnp.asarray(_MOVES)[move]
            at = jnp.where(self._is_free(state, self._tile(there)), there, here)
            tile = self._tile(at)
            reward += _bit(dirty, tile)
            dirty = dirty & ~_single_bit(tile, dirty.size)
            agents.append(at.astype(jnp.int8))
        time = state.time + 1
        state = dataclasses.replace(state, dirty=dirty, agents=jnp.stack(agents), time=time)
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
        agents = state.agents.astype(jnp.int32)
        tiles = self._tile(agents[:, None] + _AROUND)  # [2, 9]
        free, dirty = self._is_free(state, tiles), _bit(state.dirty, tiles)
        colours = jnp.where(free[..., None], _CLEAN, _WALL)
        colours = jnp.where(dirty[..., None], _DIRTY, colours)
        me = self._tile(agents)
        colours = jnp.where((tiles == me[::-1, None])[..., None], _OTHER, colours)
        colours = jnp.where((tiles == me[:, None])[..., None], _SELF, colours)
        return colours.reshape(-1)

    def privileged_state(self, env_state: CleanerState, params: CleanerParams) -> jax.Array:
        """Return the maze in five channels, flattened by row, column, channel."""
        del params
        tiles = jnp.arange(self._free.size)
        dirty, free = _bit(env_state.dirty, tiles), self._is_free(env_state, tiles)
        where = [tiles == at for at in self._tile(env_state.agents.astype(jnp.int32))]
        return jnp.stack([free & ~dirty, ~free, dirty, *where], -1).reshape(-1).astype(jnp.uint8)

    def free_tiles(self, state: CleanerState) -> jax.Array:
        """Return which tiles of an episode's maze are free, bool [rows, columns]."""
        tiles = jnp.arange(self._free.size)
        return self._is_free(state, tiles).reshape(self._free.shape)

    def _is_free(self, state: CleanerState, tile: jax.Array) -> jax.Array:
        if state.free is None:
            return jnp.asarray(self._free.ravel())[tile]
        return _bit(state.free, tile)

    def _tile(self, at: jax.Array) -> jax.Array:
        """Number a tile, [..., row and column] -> [...]."""
        return at[..., 0] * self._free.shape[1] + at[..., 1]

    def action_space(self, params: CleanerParams | None = None) -> spaces.Discrete:
        """Discrete(16)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: CleanerParams) -> spaces.Box:
        """54 bits."""
        return spaces.Box(0, 1, (54,), jnp.uint8)

    def privileged_state_space(self, params: CleanerParams) -> spaces.Box:
        """Five bits per tile."""
        return spaces.Box(0, 1, (self._free.size * 5,), jnp.uint8)


def _bit(packed: jax.Array, index: jax.Array) -> jax.Array:
    """Read bits of what `packbits` packed, bool of the index's shape."""
    return (packed[index >> 3] >> (7 - (index & 7)) & 1).astype(bool)


def _single_bit(index: jax.Array, size: int) -> jax.Array:
    """Pack a single bit into `size` bytes, without a scatter."""
    byte = (128 >> (index & 7)).astype(jnp.uint8)
    return jnp.where(jnp.arange(size) == index >> 3, byte, 0).astype(jnp.uint8)
