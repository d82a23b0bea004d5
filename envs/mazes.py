"""Mazes: read from text and checked, or drawn at random."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

#: Rows or columns, at most; agents' places are int8.
LARGEST = 127


def read_maze(maze: Sequence[str]) -> np.ndarray:
    """Return which tiles of a maze are free, bool [rows, columns].

    Args:
      maze: rows of `#` (wall) and `.` (free), enclosed, connected, free at (1, 1), odd in size, of
        at most 127 x 127.

    Raises:
      ValueError: when the maze is not so.
    """
    if not maze or any(len(row) != len(maze[0]) or set(row) - set("#.") for row in maze):
        raise ValueError("a maze is rows of equal length, of # for walls and . for free tiles")
    free = np.array([[tile == "." for tile in row] for row in maze])
    rows, columns = free.shape
    if not rows % 2 or not columns % 2 or max(rows, columns) > LARGEST:
        raise ValueError(f"a maze has odd sizes of up to {LARGEST}, this one is {rows} x {columns}")
    border = np.concatenate([free[0], free[-1], free[:, 0], free[:, -1]])
    if border.any() or rows < 3 or columns < 3:
        raise ValueError("a maze is enclosed by walls, this one is open at its border")
    if not free[1, 1]:
        raise ValueError("the agents start at row 1, column 1, where this maze has a wall")
    cut_off = free & ~_reachable(free)
    if cut_off.any():
        row, column = np.argwhere(cut_off)[0]
        raise ValueError(f"a maze is connected, ({row}, {column}) cannot be reached in this one")
    return free


def _reachable(free: np.ndarray) -> np.ndarray:
    """Return the free tiles that (1, 1) is connected with, bool [rows, columns]."""
    reached = np.zeros_like(free)
    reached[1, 1] = True
    for _ in range(free.size):
        step = reached.copy()
        step[1:] |= reached[:-1]
        step[:-1] |= reached[1:]
        step[:, 1:] |= reached[:, :-1]
        step[:, :-1] |= reached[:, 1:]
        reached = step & free
    return reached


def random_maze(rows: int, columns: int, seed: int) -> tuple[str, ...]:
    """Draw a maze (`draw_maze`), as text.

    Raises:
      ValueError: when rows or columns are not odd, or less than 3, or more than 127.
    """
    sizes = (rows, columns)
    if not all(size % 2 and 3 <= size <= LARGEST for size in sizes):
        raise ValueError(f"a maze has odd sizes of 3 to {LARGEST}, got {rows} x {columns}")
    free = np.asarray(draw_maze(jax.random.key(seed), rows, columns))
    return tuple("".join("." if tile else "#" for tile in row) for row in free)


def draw_maze(key: jax.Array, rows: int, columns: int) -> jax.Array:
    """Draw a maze without loops: a spanning tree of the tiles in odd rows and odd columns.

    Kruskal's algorithm over the walls between those tiles in random order. The paper's maze is
    such a tree, too.

    Args:
      key: a key, consumed.
      rows: rows of tiles, odd, at least 3.
      columns: columns of tiles, odd, at least 3.

    Returns:
      Which tiles are free, bool [rows, columns]: those in odd rows and columns, n of them, and
      n - 1 of the walls between them.
    """
    tiles, walls, sides = _walls(rows, columns)

    def join(component: jax.Array, sides: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Open a wall if its sides are not yet connected."""
        one, other = component[sides[0]], component[sides[1]]
        return jnp.where(component == other, one, component), one != other

    order = jax.random.permutation(key, len(walls))
    _, opened = jax.lax.scan(join, jnp.arange(len(tiles)), jnp.asarray(sides)[order])
    free = jnp.zeros(rows * columns, bool).at[jnp.asarray(tiles)].set(True)
    return free.at[jnp.asarray(walls)[order]].set(opened).reshape(rows, columns)


def _walls(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the odd tiles, the walls between neighbours [N], and their sides, indices [N, 2]."""
    index = np.arange(rows * columns).reshape(rows, columns)
    number = np.arange((rows // 2) * (columns // 2)).reshape(rows // 2, columns // 2)
    walls = np.concatenate([index[2:-2:2, 1::2].ravel(), index[1::2, 2:-2:2].ravel()])
    sides = np.concatenate(
        [
            np.stack([number[:-1], number[1:]], -1).reshape(-1, 2),
            np.stack([number[:, :-1], number[:, 1:]], -1).reshape(-1, 2),
        ]
    )
    return index[1::2, 1::2].ravel(), walls, sides
