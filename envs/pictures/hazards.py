"""How grids with a goal and a hazard are drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from ..hazards import HazardGrid
from ..tiles import HazardImages
from .shapes import AGENT, BAD, FLOOR, GOOD, HINT, UNKNOWN, WALL, tiles


class HazardPicture:
    """The grid with goal, hazard and button; what the agent does not know is grey."""

    actions = ("right", "down", "left", "up")
    aspects = (1.0, 1.0)

    def __init__(self, env: HazardGrid, params: Any):
        self._env = env
        self._floor = np.where([[c == "#" for c in row] for row in env.rows], WALL, FLOOR)
        self._floor = self._floor.astype(object)
        if env.button is not None:
            self._floor[env.button[::-1]] = HINT

    def state(self, axes: Axes, state: np.ndarray) -> str:
        """Draw everything."""
        return self._draw(axes, state, self._placement(state))

    def observation(self, axes: Axes, observation: np.ndarray) -> str:
        """Draw goal and hazard where the agent knows them; of a picture, the picture."""
        if isinstance(self._env, HazardImages):
            axes.imshow(observation)
            axes.set(xticks=[], yticks=[])
            return f"{observation.shape[0]} x {observation.shape[1]} pixels"
        lit = self._env.button is not None and observation[-1] > 0
        return self._draw(axes, observation, self._placement(observation) if lit else None)

    def _placement(self, seen: np.ndarray) -> int:
        shown = np.asarray(seen)[self._env.n**2 :][: self._env.shown.shape[1]]
        return int((self._env.shown @ shown).argmax())

    def _draw(self, axes: Axes, seen: np.ndarray, placement: int | None) -> str:
        env, colours = self._env, self._floor.copy()
        for number, placed in enumerate(env.placements):
            for cells, colour in ((placed.hazards, BAD), (placed.goals, GOOD)):
                for x, y in cells:
                    if placement is None:
                        colours[y, x] = UNKNOWN if self._varies((x, y)) else GOOD
                    elif number == placement:
                        colours[y, x] = colour
        tiles(axes, colours.astype(str))
        x, y = (int(i) + 1 for i in divmod(np.asarray(seen)[: env.n**2].argmax(), env.n))
        axes.add_patch(Circle((x, y), 0.32, color=AGENT))
        known = "unknown" if placement is None else f"number {placement}"
        return f"at ({x}, {y}), the hazard is {known}"

    def _varies(self, cell: tuple[int, int]) -> bool:
        """Whether a cell may be a hazard."""
        return any(cell in placed.hazards for placed in self._env.placements)
