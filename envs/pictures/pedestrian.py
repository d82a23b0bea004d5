"""How Pedestrian is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..pedestrian import (
    CAR,
    CROSSING,
    KERB,
    LANE,
    NEAR,
    OTHER_SIDE,
    PLACES,
    ROAD,
    SPACING,
    TRUCK_END,
    TRUCK_SIDE,
    Pedestrian,
    in_sight,
)
from .shapes import AGENT, BAD, FLOOR, GOOD, INK, UNKNOWN, WALL, frame, label

_EDGE, _TRUCK = LANE + 0.5, 6  # half the road's width, and the truck's length


class PedestrianPicture:
    """The road from above; whoever may wait unseen behind the truck is grey."""

    actions = ("brake", "coast", "accelerate")
    aspects = (0.28, 0.28)

    def __init__(self, env: Pedestrian, params: Any):
        del env, params

    def state(self, axes: Axes, state: np.ndarray) -> str:
        """Draw the pedestrian wherever he is."""
        kind = np.asarray(state)[CAR + PLACES :]
        speed = self._draw(axes, state)
        if not kind.any():
            return f"speed {speed}, nobody there"
        return f"speed {speed}; sets off at {NEAR[int(kind.argmax())]}"

    def observation(self, axes: Axes, observation: np.ndarray) -> str:
        """Draw the pedestrian where he is seen."""
        speed = self._draw(axes, observation)
        if np.asarray(observation)[CAR:].any():
            return f"speed {speed}, somebody in sight"
        if in_sight(int(np.asarray(observation)[: ROAD + 1].argmax()), KERB):
            return f"speed {speed}, nobody in sight"
        label(axes, (CROSSING, KERB), "?", INK)
        axes.scatter([CROSSING], [KERB], s=90, color=UNKNOWN, zorder=1)
        return f"speed {speed}, the truck hides the kerb"

    def _draw(self, axes: Axes, seen: np.ndarray) -> int:
        """Draw road, truck, waypoints, car and who is told; return the speed."""
        seen = np.asarray(seen)
        frame(axes, (-3.0, ROAD + 1.0), (OTHER_SIDE - 1.2, KERB + 2.2))
        axes.add_patch(Rectangle((-3.0, -_EDGE), ROAD + 4.0, 2 * _EDGE, color=FLOOR, lw=0))
        for y in (-_EDGE, _EDGE):
            axes.plot([-3.0, ROAD + 1.0], [y, y], color=UNKNOWN, lw=1, zorder=1)
        waypoints = np.arange(SPACING, ROAD + 1, SPACING)
        axes.scatter(waypoints, 0.0 * waypoints, s=12, color=GOOD, zorder=1)
        axes.add_patch(
            Rectangle((TRUCK_END - _TRUCK, TRUCK_SIDE), _TRUCK, 2.0, color=WALL, lw=0, zorder=2)
        )
        position = int(seen[: ROAD + 1].argmax())
        axes.add_patch(Rectangle((position - 2.2, -0.6), 2.2, 1.2, color=AGENT, lw=0, zorder=3))
        place = seen[CAR : CAR + PLACES]
        if place.any():
            axes.scatter([CROSSING], [KERB - int(place.argmax())], s=90, color=BAD, zorder=4)
        return int(seen[ROAD + 1 : CAR].argmax())
