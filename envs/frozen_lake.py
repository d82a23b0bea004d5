"""Frozen Lake: cross the ice, or walk around what might be weak of it."""

from typing import Any

from .hazards import HazardGrid, Placement


class FrozenLake(HazardGrid):
    """Walk from the left shore to the goal on the right; one cell of the ice between is weak.

    It is any of the nine cells x, y in {2, 3, 4}, and never seen. Otherwise as `HazardGrid`: the
    privileged state is float32 [34], 25 cells of the agent and 9 of the weak one, index
    (y - 2) * 3 + (x - 2); the observation the 25.

    Best: with the state, around the weak cell: 10.6667 on average; without, around the ice: 4.
    """

    def __init__(self) -> None:
        rows = ("#######", *("#.....#",) * 5, "#######")
        ice = [(x, y) for y in (2, 3, 4) for x in (2, 3, 4)]
        placements = [
            Placement(((5, 3),), (cell,), tuple(float(cell == other) for other in ice))
            for cell in ice
        ]
        super().__init__(rows, (1, 3), placements)

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @property
    def name(self) -> str:
        """Registry name."""
        return "frozenlake"
