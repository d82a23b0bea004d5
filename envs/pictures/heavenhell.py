"""How Heaven-Hell is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Circle, Rectangle

from ..heavenhell import HeavenHell
from .shapes import AGENT, BAD, FLOOR, GOOD, HINT, INK, UNKNOWN, frame, label


class HeavenHellPicture:
    """A T-shaped maze; an observation is one symbol, drawn where it was seen."""

    actions = ("north", "south", "east", "west")

    def __init__(self, env: HeavenHell, params: Any):
        n = env.n
        self._exits, self._priest = (2 * n, 3 * n), env.num_cells - 1
        spine = [(0, k) for k in range(n + 1)]
        west, east = ([(sign * k, n) for k in range(1, n + 1)] for sign in (-1, 1))
        self._at = np.array([*spine, *west, *east, *((k, -1) for k in range(n + 1))])
        self._n = n
        self.aspects = ((n + 3.5) / (2 * n + 3),) * 2

    def state(self, axes: Axes, state: np.ndarray) -> str:
        """Draw the maze with heaven, hell and priest, and the agent."""
        side, cell = divmod(int(state), len(self._at))
        self._maze(axes, FLOOR, side)
        axes.add_patch(Circle(self._at[cell], 0.32, color=AGENT))
        return f"cell {cell}, heaven is {('west', 'east')[side]}"

    def observation(self, axes: Axes, observation: np.ndarray) -> str:
        """Draw where the symbol comes from; everything else is grey."""
        symbol = int(observation)
        if symbol > self._priest + 1:
            self._maze(axes, UNKNOWN)
            return f"symbol {symbol}: a new episode"
        side = symbol - self._priest if symbol >= self._priest else None
        self._maze(axes, UNKNOWN, side)
        axes.add_patch(Circle(self._at[min(symbol, self._priest)], 0.32, color=AGENT))
        if side is None:
            return f"symbol {symbol}: cell {symbol}"
        return f'symbol {symbol}: "heaven is {("west", "east")[side]}"'

    def _maze(self, axes: Axes, floor: str, side: int | None = None) -> None:
        """Draw the cells; the exits in their colours where the side of heaven is known."""
        colours = [floor] * len(self._at)
        for number, exit_cell in enumerate(self._exits):
            word, colour = ("heaven", GOOD) if number == side else ("hell", BAD)
            if side is None:
                word, colour = "?", floor
            colours[exit_cell] = colour
            label(axes, self._at[exit_cell] + (0, 0.85), word, INK if side is None else colour)
        if side is not None:
            colours[self._priest] = HINT
            label(axes, self._at[self._priest] - (0, 0.85), "priest", INK)
        cells = [Rectangle((x - 0.5, y - 0.5), 1, 1) for x, y in self._at]
        axes.add_collection(PatchCollection(cells, facecolor=colours, edgecolor=INK, lw=0.6))
        frame(axes, (-self._n - 1.5, self._n + 1.5), (-2.2, self._n + 1.3))
        axes.set_aspect("equal")
