"""What pictures are made of.

Colours mean the same everywhere: green is where the reward is, red where the punishment is, violet
the agent, amber what can tell the agent more, grey what it does not know, black a wall.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle, Polygon, Rectangle

GOOD, BAD, AGENT, SECOND_AGENT, HINT = "#2e9e4f", "#d23b3b", "#7b3fb5", "#e07b18", "#f2c14e"
FLOOR, WALL, UNKNOWN, DIRT, INK = "#f6f5f0", "#2b2b2b", "#b5b5b5", "#c8a572", "#333333"
_OBJECTS = ("#ffffff", "#d23b3b", "#3fae5a", "#3b7dd8", "#f0d12c")  # none, red, green, blue, yellow


def frame(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Set the limits, without ticks."""
    axes.set(xlim=x, ylim=y, xticks=[], yticks=[])


def label(axes: Axes, at: Any, word: str, colour: str) -> None:
    """Write a word around a point (x, y)."""
    axes.text(
        at[0], at[1], word, ha="center", va="center", fontsize=8.5, color=colour, weight="bold"
    )


def tiles(axes: Axes, colours: np.ndarray, left: int = 0, top: int = 0) -> None:
    """Draw a grid of colours, the first row on top, from the column `left` and row `top` on."""
    rows, columns = colours.shape
    names, where = np.unique(colours, return_inverse=True)
    image = np.array([to_rgb(name) for name in names])[where.reshape(rows, columns)]
    edges = np.arange(columns + 1) + left - 0.5, np.arange(rows + 1) + top - 0.5
    axes.pcolormesh(*edges, image, edgecolors="#d9d9d9", lw=0.4)
    frame(axes, (left - 0.5, left + columns - 0.5), (top + rows - 0.5, top - 0.5))
    axes.set_aspect("equal")


def thing(axes: Axes, row: int, column: int, beacon: bool, colour: int) -> None:
    """Draw a beacon, which is round, or an exit, which is square."""
    face: dict[str, Any] = {"facecolor": _OBJECTS[colour], "edgecolor": INK, "lw": 0.8}
    if beacon:
        axes.add_patch(Circle((column, row), 0.36, **face))
    else:
        axes.add_patch(Rectangle((column - 0.4, row - 0.4), 0.8, 0.8, **face))


def arrow(axes: Axes, row: int, column: int, ahead: tuple[int, int]) -> None:
    """Draw an agent that faces one way."""
    forward = np.array([ahead[1], ahead[0]])
    aside, at = forward[::-1], np.array([column, row])
    corners = [at + 0.38 * forward, *(at - 0.28 * forward + s * 0.28 * aside for s in (-1, 1))]
    axes.add_patch(Polygon(corners, facecolor=AGENT, edgecolor="white", lw=0.8, zorder=3))


def flag(axes: Axes, x: float, colour: str) -> None:
    """Draw a flag beside the road."""
    axes.plot([x, x], [0.22, 0.75], color=INK, lw=1.5)
    axes.add_patch(Polygon([(x, 0.75), (x, 0.55), (x + 0.17, 0.65)], color=colour, lw=0))


def car(axes: Axes, x: float) -> None:
    """Draw the car on the road."""
    axes.add_patch(Rectangle((x - 0.1, 0.27), 0.2, 0.1, color=AGENT, lw=0, zorder=3))
    axes.add_patch(Rectangle((x - 0.055, 0.37), 0.11, 0.07, color=AGENT, lw=0, zorder=3))
    axes.scatter([x - 0.055, x + 0.055], [0.26, 0.26], s=14, color=INK, zorder=4)
