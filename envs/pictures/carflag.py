"""How Car-Flag is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..carflag import CarFlag
from .shapes import AGENT, BAD, GOOD, HINT, INK, UNKNOWN, WALL, car, flag, frame


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


def _side(heaven: float) -> str:
    return "right" if heaven > 0 else "left"
