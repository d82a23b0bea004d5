"""How Cleaner is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from ..cleaner import Cleaner
from .shapes import AGENT, DIRT, FLOOR, SECOND_AGENT, WALL, frame, label, tiles


class CleanerPicture:
    """A maze with dirt; an observation is a 3x3 view for each agent."""

    actions = tuple(f"{first} {second}" for first in "↑↓←→" for second in "↑↓←→")

    def __init__(self, env: Cleaner, params: Any):
        self._shape = (len(env.maze), len(env.maze[0]), 5)
        self.aspects = (self._shape[0] / self._shape[1], 3.8 / 7.2)

    def state(self, axes: Axes, state: np.ndarray) -> str:
        """Draw the maze, the agents and what they see."""
        bits = np.asarray(state, bool).reshape(self._shape)
        colours = np.where(bits[..., 1], WALL, np.where(bits[..., 2], DIRT, FLOOR))
        tiles(axes, colours)
        for agent, colour in enumerate((AGENT, SECOND_AGENT)):
            row, column = np.argwhere(bits[..., 3 + agent])[0]
            axes.add_patch(Circle((column, row), 0.42 - 0.14 * agent, color=colour))
            corner = (column - 1.5, row - 1.5)
            axes.add_patch(Rectangle(corner, 3, 3, fill=False, edgecolor=colour, lw=1.5))
        return f"{bits[..., 0].sum()} of {(~bits[..., 1]).sum()} tiles are clean"

    def observation(self, axes: Axes, observation: np.ndarray) -> str:
        """Draw both views, side by side."""
        codes = np.asarray(observation, int).reshape(2, 3, 3, 3) @ (1, 2, 4)
        colours = np.select([codes == 0, codes == 2], [WALL, DIRT], FLOOR)
        agents = (AGENT, SECOND_AGENT)
        for agent, left in enumerate((0, 4)):
            tiles(axes, colours[agent], left)
            for code, colour in ((1, agents[agent]), (4, agents[1 - agent])):
                for row, column in np.argwhere(codes[agent] == code):
                    axes.add_patch(Circle((column + left, row), 0.38, color=colour))
            label(axes, (left + 1, -0.85), f"agent {agent}", agents[agent])
        frame(axes, (-0.6, 6.6), (2.6, -1.2))
        return "the 3x3 tiles around each agent"
