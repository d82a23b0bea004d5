"""How Memory-Four-Rooms is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..four_rooms import MemoryFourRooms
from .shapes import BAD, FLOOR, GOOD, UNKNOWN, WALL, arrow, thing, tiles

#: Steps forward, by heading: north, south, west, east.
_AHEAD = ((-1, 0), (1, 0), (0, -1), (0, 1))


class FourRoomsPicture:
    """Four rooms; an observation is the view ahead, with the agent at its lower edge."""

    actions = ("forward", "backward", "left", "right", "turn left", "turn right")
    aspects = (1.0, 1.0)

    def __init__(self, env: MemoryFourRooms, params: Any):
        """Everything that is drawn says itself what it is and how large."""

    def state(self, axes: Axes, state: dict[str, np.ndarray]) -> str:
        """Draw the grid; a tick marks the good exit, a cross the bad one."""
        kind, colour = state["grid"][..., 0], state["grid"][..., 2].astype(int) - 10
        tiles(axes, np.where(kind == 2, WALL, FLOOR))
        (beacon,) = colour[kind == 4]
        for row, column in np.argwhere(kind >= 3):
            own = colour[row, column]
            thing(axes, row, column, kind[row, column] == 4, own)
            if kind[row, column] == 3:
                mark, ink = ("✓", GOOD) if own == beacon else ("✗", BAD)
                edge = Rectangle((column - 0.44, row - 0.44), 0.88, 0.88, fill=False, ec=ink, lw=3)
                axes.add_patch(edge)
                axes.text(column, row, mark, ha="center", va="center", fontsize=13, weight="bold")
        ((row, column),) = np.argwhere(state["agent_grid"])
        arrow(axes, row, column, _AHEAD[int(state["agent"][2:].argmax())])
        return "✓ the exit of the beacon's colour"

    def observation(self, axes: Axes, observation: np.ndarray) -> str:
        """Draw the view; what is hidden is grey."""
        kind, colour = observation[..., 0], observation[..., 2].astype(int) - 12
        tiles(axes, np.select([kind == 1, kind == 3], [UNKNOWN, WALL], FLOOR))
        for row, column in np.argwhere(kind >= 4):
            thing(axes, row, column, kind[row, column] == 5, colour[row, column])
        rows, columns = kind.shape
        arrow(axes, rows - 1, columns // 2, (-1, 0))
        return "the view ahead; grey is hidden"
