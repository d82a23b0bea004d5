"""Grids with a goal and a hazard that look alike to who does not know: what they have in common."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment

#: Steps in x and y of each action; x is right, y is down.
MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))

STEP, GOAL, HAZARD = -2.0, 20.0, -100.0  # each step's reward, and what entering a cell adds

Cell = tuple[int, int]  # x, y


@struct.dataclass
class HazardState(environment.EnvState):
    """Where the agent is, where goal and hazard are, and the clock; scalars."""

    cell: jax.Array  # uint8, (x - 1) * n + (y - 1)
    placement: jax.Array  # uint8, which of the environment's placements
    lit: jax.Array  # bool, whether the button was pressed
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class HazardParams(environment.EnvParams):
    """The time limit, in steps; it truncates."""

    max_steps_in_episode: int = 100


@dataclasses.dataclass(frozen=True)
class Placement:
    """One way in which goal and hazard may lie."""

    goals: tuple[Cell, ...]
    hazards: tuple[Cell, ...]
    shown: tuple[float, ...]
    """How the privileged state tells it."""


class HazardGrid(PrivilegedEnvironment[HazardState, HazardParams]):
    """Walk to the goal; what is random is drawn at reset: one of several placements, uniformly.

    * Actions: +x, +y, -x, -y (0..3), x right, y down; a blocked move stays.
    * Reward: -2 each step; entering a goal adds 20, a hazard -100, and both terminate. Entering a
      goal is a success.
    * A button, where there is one, is entered like a free cell and lights the grid for the rest of
      the episode.
    * Privileged state: float32, the agent's cell of n x n, one-hot, index (x - 1) * n + (y - 1);
      what tells the placement; and, with a button, whether it is lit.
    * Observation: the same without a placement; with a button, of the same length, and the
      placement and whether it is lit are zeros until it is.

    Source: Warrington et al. (2021), "Robust asymmetric learning in POMDPs".

    Args:
      rows: a square of n + 2 rows; `#` is a wall, everything else is free.
      start: where episodes start.
      placements: how goal and hazard may lie.
      button: where the button is; None: there is none.
    """

    def __init__(
        self,
        rows: Sequence[str],
        start: Cell,
        placements: Sequence[Placement],
        button: Cell | None = None,
    ):
        super().__init__()
        self.rows, self.start, self.button = tuple(rows), start, button
        self.placements = tuple(placements)
        self.n = len(rows) - 2
        #: The successor of every cell under every action, uint8 [n * n, 4].
        self.moves = self._successors()
        marked = [(p.goals, p.hazards) for p in placements]
        #: Whether a cell is a goal, and a hazard, by placement; bool [K, n * n].
        self.goals, self.hazards = (
            np.array([self._mask(kinds[i]) for kinds in marked]) for i in range(2)
        )
        #: What tells the placement, float32 [K, F].
        self.shown = np.array([p.shown for p in placements], np.float32)

    @property
    def default_params(self) -> HazardParams:
        """A time limit of 100 steps."""
        return HazardParams()

    @property
    def num_actions(self) -> int:
        """Right, down, left, up."""
        return len(MOVES)

    def index(self, cell: Cell) -> int:
        """Number a cell (x, y)."""
        return (cell[0] - 1) * self.n + cell[1] - 1

    def _mask(self, cells: Sequence[Cell]) -> np.ndarray:
        return np.isin(np.arange(self.n**2), [self.index(cell) for cell in cells])

    def _successors(self) -> np.ndarray:
        moves = np.repeat(np.arange(self.n**2, dtype=np.uint8)[:, None], len(MOVES), axis=1)
        inner = range(1, self.n + 1)
        for x, y in ((x, y) for x in inner for y in inner):
            for action, (dx, dy) in enumerate(MOVES):
                if self.rows[y + dy][x + dx] != "#":
                    moves[self.index((x, y)), action] = self.index((x + dx, y + dy))
        return moves

    def reset_env(self, key: jax.Array, params: HazardParams) -> tuple[jax.Array, HazardState]:
        """Start at the start, with a random placement; `key` is consumed."""
        state = HazardState(
            cell=jnp.uint8(self.index(self.start)),
            placement=jax.random.randint(key, (), 0, len(self.placements)).astype(jnp.uint8),
            lit=jnp.bool_(False),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: HazardState,
        action: int | float | jax.Array,
        params: HazardParams,
    ) -> tuple[jax.Array, HazardState, jax.Array, jax.Array, dict[Any, Any]]:
        """Move; nothing is random."""
        del key
        cell = jnp.asarray(self.moves)[state.cell, jnp.asarray(action)]
        success = jnp.asarray(self.goals)[state.placement, cell]
        failure = jnp.asarray(self.hazards)[state.placement, cell]
        reward = STEP + GOAL * success + HAZARD * failure
        lit = state.lit
        if self.button is not None:
            lit = lit | (cell == self.index(self.button))
        state = dataclasses.replace(state, cell=cell, lit=lit, time=state.time + 1)
        terminated = success | failure
        return self.get_obs(state, params), state, reward, terminated, {"success": success}

    def get_obs(
        self, state: HazardState, params: HazardParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return what the agent may know."""
        del params, key
        if self.button is None:
            return self._agent(state)
        return self._all(state) * jnp.where(jnp.arange(self._width) < self.n**2, 1.0, state.lit)

    def privileged_state(self, env_state: HazardState, params: HazardParams) -> jax.Array:
        """Return everything."""
        del params
        return self._all(env_state)

    def _agent(self, state: HazardState) -> jax.Array:
        return jax.nn.one_hot(state.cell, self.n**2, dtype=jnp.float32)

    def _all(self, state: HazardState) -> jax.Array:
        parts = [self._agent(state), jnp.asarray(self.shown)[state.placement]]
        if self.button is not None:
            parts.append(state.lit.astype(jnp.float32)[None])
        return jnp.concatenate(parts)

    @property
    def _width(self) -> int:
        return self.n**2 + self.shown.shape[1] + (self.button is not None)

    def action_space(self, params: HazardParams | None = None) -> spaces.Discrete:
        """Discrete(4)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: HazardParams) -> spaces.Box:
        """Zeros and ones."""
        return spaces.Box(0.0, 1.0, (self.n**2 if self.button is None else self._width,))

    def privileged_state_space(self, params: HazardParams) -> spaces.Box:
        """Zeros and ones."""
        return spaces.Box(0.0, 1.0, (self._width,))
