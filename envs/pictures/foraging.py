"""How level-based foraging is drawn."""

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle

from ..foraging import Foraging
from .shapes import AGENT, FLOOR, GOOD, INK, SECOND_AGENT, frame, label, tiles

_AGENTS = (AGENT, SECOND_AGENT, "#3b7dd8", "#c2458f", "#2a9d8f", "#8c6d31")


class ForagingPicture:
    """A grid with items and agents, and their levels; an observation is a window for each agent."""

    def __init__(self, env: Foraging, params: Any):
        """Everything else is read from what is drawn."""
        self._env = env
        words = ("none", "north", "south", "west", "east", "load")
        signs = itertools.product("·↑↓←→L", repeat=env.agents)
        self.actions = words if env.agents == 1 else tuple(map(" ".join, signs))
        self._window = np.minimum(env.shape, 2 * env.sight + 1)
        beside, below = (1, 1) if env.agents == 1 else (2, -(-env.agents // 2))
        self._apart = self._window + np.array((2, 1))  # from a window to the next: a title, a gap
        self._size = self._apart * (below, beside) - 1
        self.aspects = tuple(rows / columns for rows, columns in (env.shape, self._size))
        self._levels = env.settings["levels"] or env.settings["coop"]

    def state(self, axes: Axes, state: np.ndarray) -> str:
        """Draw the grid, and the windows where they are not all of it."""
        env = self._env
        entries = np.asarray(state).reshape(-1, 3)
        items, agents = entries[: env.items], entries[env.items :]
        tiles(axes, np.full(env.shape, FLOOR))
        left = items[items[:, 0] >= 0]
        for item in left:
            self._thing(axes, item, GOOD, 0.42)
        for index, agent in enumerate(agents):
            self._thing(axes, agent, _AGENTS[index], 0.42 - 0.05 * index)
            if env.sight < max(env.shape):
                corner = np.maximum(agent[:2] - env.sight, 0) - 0.5
                end = np.minimum(agent[:2] + env.sight, np.array(env.shape) - 1) + 0.5
                height, width = end - corner
                window = Rectangle(corner[::-1], width, height, fill=False, ec=_AGENTS[index])
                axes.add_patch(window)
        return f"{len(left)} of {(items[:, 2] > 0).sum()} items are left"

    def observation(self, axes: Axes, observation: np.ndarray) -> str:
        """Draw the windows side by side; who the others are is not said."""
        env = self._env
        for index, entries in enumerate(np.asarray(observation).reshape(env.agents, -1, 3)):
            top, left = self._apart * divmod(index, 2)
            tiles(axes, np.full(self._window, FLOOR), left, top)
            colours = [GOOD] * env.items + [_AGENTS[index]] + [INK] * (env.agents - 1)
            for entry, colour in zip(entries, colours, strict=True):
                if entry[0] >= 0:
                    self._thing(axes, entry + np.array((top, left, 0)), colour, 0.42)
            if env.agents > 1:
                centre = left + (self._window[1] - 1) / 2
                label(axes, (centre, top - 0.95), f"agent {index}", _AGENTS[index])
        rows, columns = self._size
        frame(axes, (-0.5, columns - 0.5), (rows - 1.5, -1.5 if env.agents > 1 else -0.5))
        return "the whole grid" if env.sight >= max(env.shape) else "what is near each agent"

    def _thing(self, axes: Axes, entry: np.ndarray, colour: str, radius: float) -> None:
        """Draw an item or an agent at (row, column, level)."""
        row, column, level = entry
        axes.add_patch(Circle((column, row), radius, facecolor=colour, edgecolor="white", lw=0.8))
        if self._levels:
            label(axes, (column, row), f"{level:.0f}", "white")
