"""Pictures of environments: the true state, and what the agent sees of it."""

from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Circle, Rectangle

from envs import CarFlag, Cleaner, FullyObserved, HeavenHell, MemoryFourRooms
from shapes import (
    AGENT,
    BAD,
    DIRT,
    FLOOR,
    GOOD,
    HINT,
    INK,
    SECOND_AGENT,
    UNKNOWN,
    WALL,
    arrow,
    car,
    flag,
    frame,
    label,
    thing,
    tiles,
)

#: Steps forward, by heading: north, south, west, east.
_AHEAD = ((-1, 0), (1, 0), (0, -1), (0, 1))


class Picture(Protocol):
    """How an environment is drawn. Both functions draw one slot and return a caption."""

    actions: tuple[str, ...]  # their names
    aspects: tuple[float, float]  # height over width of a state's drawing, an observation's

    def state(self, axes: Axes, state: Any) -> str:
        """Draw a privileged state, an element of the environment's `privileged_state_space`."""

    def observation(self, axes: Axes, observation: Any) -> str:
        """Draw an observation."""


def picture_of(env: Any, env_params: Any) -> Picture:
    """Choose the picture of an environment.

    Raises:
      ValueError: when there is none.
    """
    if isinstance(env, FullyObserved):
        return FullyObservedPicture(picture_of(env.wrapped, env_params))
    for kind, picture in _PICTURES.items():
        if isinstance(env, kind):
            return picture(env, env_params)
    raise ValueError(
        f"there is no picture of {env.name}; there are those of carflag, heavenhell-N, cleaner and "
        f"memory-four-rooms-NxN"
    )


class FullyObservedPicture:
    """Another picture, whose true state is also what the agent sees."""

    def __init__(self, of: Picture):
        self.actions = of.actions
        self.aspects = of.aspects[0], of.aspects[0]
        self.state = self.observation = of.state


class CarFlagPicture:
    """A road between two flags; an observation is three dials."""

    actions = tuple(
        f"{side} {number}/3".strip() if number else "coast"
        for side, number in (
            *(("left", k) for k in (3, 2, 1)), ("", 0), *(("right", k) for k in (1, 2, 3)),
        )
    )  # fmt: skip
    aspects = (0.6, 0.6)

    def __init__(self, env: CarFlag, params: Any):
        self._params = params
        self._bounds = np.asarray(env.observation_space(params).high)

    def state(self, axes: Axes, state: np.ndarray) -> str:
        """Draw road, zone, flags in the colours of their rewards, and the car."""
        params, (position, _, heaven) = self._params, state
        end = params.max_position
        frame(axes, (-end - 0.3, end + 0.3), (0.0, 1.0))
        width = params.zone_high - params.zone_low
        axes.add_patch(Rectangle((params.zone_low, 0.2), width, 0.72, color=HINT, alpha=0.45, lw=0))
        axes.text(params.zone_low + width / 2, 0.84, "sign", ha="center", fontsize=8, color=INK)
        axes.add_patch(Rectangle((-end, 0.15), 2 * end, 0.07, color=WALL, lw=0))
        for side in (-1, 1):
            colour, word = (GOOD, "heaven") if side == heaven else (BAD, "hell")
            flag(axes, side * params.flag_position, colour)
            axes.text(
                side * params.flag_position, 0.02, word, ha="center", fontsize=8, color=colour
            )
        car(axes, position)
        return f"heaven is {_side(heaven)}"

    def observation(self, axes: Axes, observation: np.ndarray) -> str:
        """Draw a dial for each number, on the scale of its bounds."""
        frame(axes, (-2.7, 2.5), (-0.6, 2.6))
        read = observation[2] != 0
        colours = (AGENT, AGENT, GOOD if read else UNKNOWN)
        names = ("position", "speed", "sign")
        for row, (name, value, bound) in enumerate(
            zip(names, observation, self._bounds, strict=True)
        ):
            y = 2 - row
            axes.plot([-1, 1], [y, y], color=UNKNOWN, lw=3, solid_capstyle="round", zorder=1)
            axes.plot([0, 0], [y - 0.15, y + 0.15], color=UNKNOWN, lw=1.5, zorder=1)
            axes.scatter([value / bound], [y], s=70, color=colours[row], zorder=2)
            axes.text(-1.2, y, name, ha="right", va="center", fontsize=8.5, color=INK)
            number = f"{value:+.3f}" if row < 2 else f"{value:+.0f}" if read else "0"
            axes.text(2.4, y, number, ha="right", va="center", fontsize=8.5, color=INK)
        return f"the sign: heaven is {_side(observation[2])}" if read else "no sign to read here"


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


_PICTURES: dict[type, Any] = {
    CarFlag: CarFlagPicture,
    HeavenHell: HeavenHellPicture,
    Cleaner: CleanerPicture,
    MemoryFourRooms: FourRoomsPicture,
}


def _side(heaven: float) -> str:
    return "right" if heaven > 0 else "left"
