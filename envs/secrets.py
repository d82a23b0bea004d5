"""What an agent must find out in each environment, and when it is told."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .carflag import CarFlag
from .four_rooms import MemoryFourRooms
from .hazards import HazardGrid
from .heavenhell import HeavenHell
from .pedestrian import CAR, KERB, PLACES, ROAD, Pedestrian, in_sight
from .tiles import FLOOR, TILE, HazardImages
from .wrappers import FullyObserved

_OBSERVED_BEACON, _BEACON = 5, 4  # the types of a view's cells, and of a grid's


@dataclasses.dataclass(frozen=True)
class Secret:
    """A hidden variable that stays the same for an episode."""

    hidden: Callable[[Any], np.ndarray]
    """Privileged states, [..., *shape], to what is hidden, int [...]."""
    told: Callable[[Any], np.ndarray]
    """Observations, [..., *shape], to whether they show it, bool [...]."""


def secret_of(env: Any) -> Secret | None:
    """Return an environment's secret; None where there is none, or none is known."""
    if isinstance(env, FullyObserved):
        secret = secret_of(env.wrapped)
        return secret and Secret(secret.hidden, lambda o: secret.hidden(o) == secret.hidden(o))
    if isinstance(env, HeavenHell):
        cells = env.num_cells
        return Secret(
            hidden=lambda state: np.asarray(state) // cells,  # the side of heaven
            told=lambda o: (np.asarray(o) == cells - 1) | (np.asarray(o) == cells),  # the priest
        )
    if isinstance(env, CarFlag):
        return Secret(
            hidden=lambda state: state[..., 2].astype(int),  # the side of heaven
            told=lambda o: o[..., 2] != 0,  # in the zone
        )
    if isinstance(env, MemoryFourRooms):
        return Secret(
            hidden=lambda state: _colour_of_beacon(state["grid"]),
            told=lambda o: (o[..., 0] == _OBSERVED_BEACON).any((-1, -2)),
        )
    if isinstance(env, HazardGrid):
        cells, shown = env.n**2, env.shown
        return Secret(
            hidden=lambda s: (s[..., cells:][..., : shown.shape[1]] @ shown.T).argmax(-1),
            told=functools.partial(_is_lit, env),
        )
    if isinstance(env, Pedestrian):
        return Secret(
            hidden=lambda s: s[..., CAR + PLACES :].any(-1).astype(int),  # whether he is there
            # Where he would be seen, not seeing him tells as much.
            told=lambda o: o[..., CAR:].any(-1) | in_sight(o[..., : ROAD + 1].argmax(-1), KERB),
        )
    return None


def _is_lit(env: HazardGrid, observation: np.ndarray) -> np.ndarray:
    """Return whether the button's light shows the placement, bool [...]."""
    lead = observation.shape[: -3 if isinstance(env, HazardImages) else -1]
    if env.button is None:
        return np.zeros(lead, bool)
    if not isinstance(env, HazardImages):
        return np.asarray(observation[..., -1] > 0)
    x, y = env.placements[0].hazards[0]  # a door: then it is green or blue
    pixel = observation[..., TILE * y + TILE // 2, TILE * x + TILE // 2, :]
    return np.asarray(pixel[..., 0] < FLOOR[0] / 2)


def _colour_of_beacon(grid: np.ndarray) -> np.ndarray:
    """Return the colour's index, int [...], of grids [..., R, C, 3]."""
    return np.where(grid[..., 0] == _BEACON, grid[..., 2], 0).max((-1, -2))
