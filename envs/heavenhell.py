"""Heaven-Hell-n: ask the priest which exit is heaven, then walk there."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment

NORTH, SOUTH, EAST, WEST = range(4)

_LONGEST = 8_000  # 4n + 2 cells are counted in 16 bits


@struct.dataclass
class HeavenHellState(environment.EnvState):
    """Agent, heaven and clock, all scalars."""

    cell: jax.Array  # int16 in 0..4n+1
    side: jax.Array  # int8, the side of heaven: 0 left (west), 1 right (east)
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class HeavenHellParams(environment.EnvParams):
    """The time limit, in steps."""

    max_steps_in_episode: int = 100


def _moves(n: int) -> np.ndarray:
    """Return the successor of every cell under every action, int16 [4n+2, 4]."""
    moves = np.repeat(np.arange(4 * n + 2, dtype=np.int16)[:, None], 4, axis=1)
    corridors = (  # (cells from one end to the other, action there, action back)
        (list(range(n + 1)), NORTH, SOUTH),
        ([n, *range(n + 1, 2 * n + 1)], WEST, EAST),
        ([n, *range(2 * n + 1, 3 * n + 1)], EAST, WEST),
        ([0, 3 * n + 1], SOUTH, NORTH),
        (list(range(3 * n + 1, 4 * n + 2)), EAST, WEST),
    )
    for cells, there, back in corridors:
        for near, far in itertools.pairwise(cells):
            moves[near, there] = far
            moves[far, back] = near
    return moves


class HeavenHell(PrivilegedEnvironment[HeavenHellState, HeavenHellParams]):
    """Walk a T-shaped maze of corridors of length `n` to the exit that is heaven.

    * State: a cell, 0..4n+1, and the side of heaven, drawn at reset and fixed. Cells: 0 start,
      1..n north of it, n+1..2n west from n, 2n+1..3n east from n, 3n+1..4n+1 the row south of
      the start, the priest in its last cell.
    * Actions: north, south, east, west (0..3); a blocked move stays.
    * Observation: Discrete(4n+4), the cell, but at the priest 4n+1 (heaven is left) or 4n+2
      (right), and 4n+3 at reset.
    * Privileged state: Discrete(2(4n+2)), side * (4n+2) + cell.
    * Reward: leaving an exit cell (2n or 3n) by any action pays +1 in heaven, -1 in hell, and
      terminates.

    Source: Baisero, Daley, Amato (UAI 2022), after Bonet and Geffner's Heaven and Hell.

    Raises:
      ValueError: when `n` is not in 1..8000.
    """

    def __init__(self, n: int = 3):
        super().__init__()
        if not 1 <= n <= _LONGEST:
            raise ValueError(f"heavenhell-{n}: corridors have 1 to {_LONGEST} cells")
        self.n = n
        #: The successor of every cell under every action, int16 [4n+2, 4].
        self.moves = _moves(n)

    @property
    def settings(self) -> dict[str, Any]:
        """Length of the corridors."""
        return {"n": self.n}

    @property
    def default_params(self) -> HeavenHellParams:
        """A time limit of 100 steps."""
        return HeavenHellParams()

    @property
    def name(self) -> str:
        """Registry name."""
        return f"heavenhell-{self.n}"

    @property
    def num_actions(self) -> int:
        """North, south, east, west."""
        return 4

    @property
    def num_cells(self) -> int:
        """Number of cells."""
        return 4 * self.n + 2

    def reset_env(
        self, key: jax.Array, params: HeavenHellParams
    ) -> tuple[jax.Array, HeavenHellState]:
        """Start at cell 0 with heaven on a random side; `key` is consumed."""
        state = HeavenHellState(
            cell=jnp.int16(0),
            side=jax.random.bernoulli(key).astype(jnp.int8),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: HeavenHellState,
        action: int | float | jax.Array,
        params: HeavenHellParams,
    ) -> tuple[jax.Array, HeavenHellState, jax.Array, jax.Array, dict[Any, Any]]:
        """Move, or leave an exit; nothing is random."""
        del key
        at_west, at_east = state.cell == 2 * self.n, state.cell == 3 * self.n
        terminated = at_west | at_east
        success = (at_west & (state.side == 0)) | (at_east & (state.side == 1))
        reward = jnp.where(terminated, jnp.where(success, 1.0, -1.0), 0.0)
        moved = jnp.asarray(self.moves)[state.cell, jnp.asarray(action)]
        cell = jnp.where(terminated, state.cell, moved)
        state = dataclasses.replace(state, cell=cell, time=state.time + 1)
        return self.get_obs(state, params), state, reward, terminated, {"success": success}

    def get_obs(
        self, state: HeavenHellState, params: HeavenHellParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return the cell, the priest's word, or the symbol of a reset."""
        del params, key
        cell = state.cell.astype(jnp.int32)
        priest = self.num_cells - 1
        observation = jnp.where(cell == priest, priest + state.side.astype(jnp.int32), cell)
        return jnp.where(state.time == 0, self.num_cells + 1, observation)

    def privileged_state(self, env_state: HeavenHellState, params: HeavenHellParams) -> jax.Array:
        """Return side * (4n+2) + cell, int32."""
        del params
        return env_state.side.astype(jnp.int32) * self.num_cells + env_state.cell

    def action_space(self, params: HeavenHellParams | None = None) -> spaces.Discrete:
        """Discrete(4)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: HeavenHellParams) -> spaces.Discrete:
        """Discrete(4n+4)."""
        return spaces.Discrete(self.num_cells + 2)

    def privileged_state_space(self, params: HeavenHellParams) -> spaces.Discrete:
        """Discrete(2(4n+2))."""
        return spaces.Discrete(2 * self.num_cells)
