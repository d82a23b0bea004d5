"""Tiger Door: press the button that lights the doors, then take the one without the tiger."""

from typing import Any

from .hazards import Cell, HazardGrid, Placement

_ROWS = ("#######", "#.#####", "#.#...#", "#...###", "#.#...#", "#######", "#######")
_SIZE = 9  # of the grids with a corridor
_MIDDLE = _SIZE // 2


class TigerDoor(HazardGrid):
    """One of two doors is the goal, the other the hazard, half each; a button tells which.

    As `HazardGrid`. The placement is told by 4 numbers: which door is the goal, one-hot, and which
    the hazard. So state and observation are float32 [30], or [54] with a corridor.

    Args:
      corridor: 0, for the maze of 7x7 whose button is at (1, 4), door 0 at (5, 4) and door 1 at
        (5, 2); or 1, 2 or 3 cells from the start in the middle of a corridor to each of its ends,
        the button beside the start. Door 0 is then both cells of the column on the right, door
        1 those on the left.

    Raises:
      ValueError: when there is no such corridor.
    """

    def __init__(self, corridor: int = 0):
        if not 0 <= corridor <= _MIDDLE - 1:
            raise ValueError(f"tigerdoor-{corridor}: there are tigerdoor and tigerdoor-1, -2, -3")
        self.corridor = corridor
        if corridor:
            ends = range(_MIDDLE - corridor, _MIDDLE + corridor + 1)
            free = {(x, y) for x in ends for y in (_MIDDLE - 1, _MIDDLE)}
            side = range(_SIZE)
            rows = ["".join(".#"[(x, y) not in free] for x in side) for y in side]
            doors = [tuple(c for c in free if c[0] == x) for x in (ends[-1], ends[0])]
            super().__init__(rows, (_MIDDLE, _MIDDLE), _either(*doors), (_MIDDLE, _MIDDLE - 1))
        else:
            super().__init__(_ROWS, (1, 1), _either(((5, 4),), ((5, 2),)), (1, 4))

    @property
    def settings(self) -> dict[str, Any]:
        """The length of the corridor."""
        return {"corridor": self.corridor}

    @property
    def name(self) -> str:
        """Registry name."""
        return f"tigerdoor-{self.corridor}" if self.corridor else "tigerdoor"


def _either(first: tuple[Cell, ...], second: tuple[Cell, ...]) -> list[Placement]:
    return [
        Placement(first, second, (1.0, 0.0, 0.0, 1.0)),
        Placement(second, first, (0.0, 1.0, 1.0, 0.0)),
    ]
