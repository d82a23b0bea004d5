"""A finite POMDP as arrays, and the ones that are known by name."""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np

from .hazards import GOAL, HAZARD, STEP, HazardGrid
from .heavenhell import HeavenHell

#: How far a row of probabilities may be from summing to 1.
_TOLERANCE = 1e-9

#: Actions of `tiger`.
LISTEN, OPEN_LEFT, OPEN_RIGHT = range(3)


@dataclasses.dataclass(frozen=True, eq=False)
class POMDP:
    """S states, A actions and O observations; arrays are float64 and read-only.

    Nothing is observed before the first action, so the first history is empty. An episode ends
    when an action is taken in a state where `terminal` says so; it is paid for all the same, and
    the row of `transition` there means nothing.

    Raises:
      ValueError: when the arrays are no POMDP; one sentence says which entry is wrong.
    """

    transition: np.ndarray  # [S, A, S'] Pr(s' | s, a)
    observation: np.ndarray  # [A, S', O] Pr(o | a, s')
    reward: np.ndarray  # [S, A] expected reward
    start: np.ndarray  # [S] Pr(s_0)
    discount: float  # per step, in [0, 1]
    terminal: np.ndarray | None = None  # [S, A] bool, the action ends the episode; None: never
    name: str = "pomdp"

    def __post_init__(self) -> None:
        """Convert and check."""
        for field in ("transition", "observation", "reward", "start"):
            self._set(field, np.array(getattr(self, field), np.float64))
        if self.reward.ndim != 2 or 0 in self.reward.shape:
            raise ValueError(f"reward must have a shape [S, A], got {self.reward.shape}")
        terminal = np.zeros_like(self.reward) if self.terminal is None else self.terminal
        self._set("terminal", np.array(terminal, bool))
        self._check_shapes()
        if not np.isfinite(self.reward).all():
            raise ValueError(f"reward{_first(~np.isfinite(self.reward))} is not finite")
        for field in ("transition", "observation", "start"):
            _check_rows(field, getattr(self, field))
        if not 0.0 <= self.discount <= 1.0:
            raise ValueError(f"discount must be at least 0 and at most 1, got {self.discount}")

    @property
    def num_states(self) -> int:
        """S."""
        return self.reward.shape[0]

    @property
    def num_actions(self) -> int:
        """A."""
        return self.reward.shape[1]

    @property
    def num_observations(self) -> int:
        """O."""
        return self.observation.shape[2]

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides how it plays, as hexadecimal digits."""
        said = hashlib.sha256()
        for array in (self.transition, self.observation, self.reward, self.start, self.terminal):
            said.update(str(np.asarray(array).shape).encode())
            said.update(np.ascontiguousarray(array).tobytes())
        return said.hexdigest()

    def _set(self, field: str, array: np.ndarray) -> None:
        array.flags.writeable = False
        object.__setattr__(self, field, array)

    def _check_shapes(self) -> None:
        states, actions = self.reward.shape
        expected: dict[str, tuple[Any, ...]] = {
            "transition": (states, actions, states),
            "observation": (actions, states, "O"),
            "start": (states,),
            "terminal": (states, actions),
        }
        for field, shape in expected.items():
            actual = getattr(self, field).shape
            fits = len(actual) == len(shape) and actual[:2] == shape[:2]
            if not fits or (actual[2:] != shape[2:] and "O" not in shape) or 0 in actual:
                wanted = ", ".join(map(str, shape))
                raise ValueError(
                    f"{field} must have shape [{wanted}], as reward has {states} states and "
                    f"{actions} actions, got {actual}"
                )


def _first(wrong: np.ndarray) -> list[int]:
    return [int(i) for i in np.argwhere(wrong)[0]]


def _check_rows(field: str, rows: np.ndarray) -> None:
    negative = ~(rows >= 0.0)  # NaN too
    if negative.any():
        at = _first(negative)
        raise ValueError(f"{field}{at} is no probability: {rows[tuple(at)]}")
    sums = rows.sum(-1)
    off = np.abs(sums - 1.0) > _TOLERANCE
    if off.any():
        at = _first(off)
        raise ValueError(f"{field}{at or ''} must sum to 1, it sums to {sums[tuple(at)]:.10g}")


def tiger(discount: float = 0.95) -> POMDP:
    """Build Tiger: listen until sure enough where the tiger is, then open the other door.

    States: tiger left, right. Observations: heard left, right; listening is right with
    probability 0.85 and costs 1. A door pays -100 (tiger) or 10 and starts anew, unnoticed.

    Source: Kaelbling, Littman, Cassandra (1998).
    """
    even = np.full((2, 2), 0.5)
    heard = np.array([[0.85, 0.15], [0.15, 0.85]])
    return POMDP(
        transition=np.stack([np.eye(2), even, even], axis=1),
        observation=np.stack([heard, even, even]),
        reward=np.array([[-1.0, -100.0, 10.0], [-1.0, 10.0, -100.0]]),
        start=even[0],
        discount=discount,
        name="tiger",
    )


def heavenhell(n: int = 3, discount: float = 0.99) -> POMDP:
    """Build Heaven-Hell-n, with the states and observations of `HeavenHell`; no time limit."""
    env = HeavenHell(n)
    cells, exits = env.num_cells, np.array([2 * n, 3 * n])
    states = 2 * cells  # side * cells + cell
    successor = np.concatenate([env.moves, cells + env.moves.astype(int)])  # [S, A]
    seen = np.tile(np.arange(cells), 2)
    seen[-1] += 1  # the priest, when heaven is right
    reward = np.zeros((states, env.num_actions))
    reward[exits] = [[1.0], [-1.0]]
    reward[cells + exits] = [[-1.0], [1.0]]
    start = np.zeros(states)
    start[[0, cells]] = 0.5
    return POMDP(
        transition=np.eye(states)[successor],
        observation=np.repeat(np.eye(cells + 1)[seen][None], env.num_actions, axis=0),
        reward=reward,
        start=start,
        discount=discount,
        terminal=reward != 0.0,
        name=env.name,
    )


#: Placement, cell, and whether it is lit.
_HazardState = tuple[int, int, bool]


def hazard_states(env: HazardGrid) -> list[_HazardState]:
    """List placement, cell and light of every state of `hazard_grid`, in its order."""
    start = env.index(env.start)
    states = [(placement, start, False) for placement in range(len(env.placements))]
    for state in states:  # grows while it is read
        for action in range(env.num_actions):
            reached, *_ = _step(env, state, action)
            if reached not in states:
                states.append(reached)
    return states


def _step(env: HazardGrid, state: _HazardState, action: int) -> tuple[_HazardState, float, bool]:
    """Return the state reached, the reward, and whether the episode ends, where it stays."""
    placement, cell, lit = state
    after = int(env.moves[cell, action])
    goal, hazard = bool(env.goals[placement, after]), bool(env.hazards[placement, after])
    lit = lit or (env.button is not None and after == env.index(env.button))
    reached = (placement, cell if goal or hazard else after, lit)
    return reached, STEP + GOAL * goal + HAZARD * hazard, goal or hazard


def hazard_grid(env: HazardGrid, discount: float = 0.995) -> POMDP:
    """Build Frozen Lake or a Tiger Door; no time limit.

    States are the placements, free cells and, with a button, its light that there may be; an
    observation is a cell and, when lit, the placement.
    """
    states = hazard_states(env)
    steps = [_step(env, state, action) for state in states for action in range(env.num_actions)]
    follows, rewards, ends = zip(*steps, strict=True)
    seen: dict[tuple[int, int | None], int] = {}
    for placement, cell, lit in states:
        seen.setdefault((cell, placement if lit else None), len(seen))
    first = len(env.placements)
    shape = (len(states), env.num_actions)
    shown = [seen[cell, placement if lit else None] for placement, cell, lit in states]
    return POMDP(
        transition=np.eye(len(states))[np.reshape([states.index(s) for s in follows], shape)],
        observation=np.repeat(np.eye(len(seen))[shown][None], env.num_actions, axis=0),
        reward=np.reshape(rewards, shape),
        start=(np.arange(len(states)) < first) / first,
        discount=discount,
        terminal=np.reshape(ends, shape),
        name=env.name,
    )


def random_pomdp(
    seed: int, states: int = 3, actions: int = 2, observations: int = 2, discount: float = 0.9
) -> POMDP:
    """Draw a POMDP that never ends: Dirichlet(1) rows, rewards uniform in [-1, 1]."""
    rng = np.random.default_rng(seed)
    return POMDP(
        transition=rng.dirichlet(np.ones(states), (states, actions)),
        observation=rng.dirichlet(np.ones(observations), (actions, states)),
        reward=rng.uniform(-1.0, 1.0, (states, actions)),
        start=rng.dirichlet(np.ones(states)),
        discount=discount,
        name=f"random-{seed}",
    )
