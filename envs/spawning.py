"""What a reset of `foraging` draws: where agents and items are put, and their levels."""

import jax
import jax.numpy as jnp
import numpy as np

_MAX_SIDE, _MAX_AGENTS = 50, 6
_APART = 2  # rows plus columns from an item to the next are more
_AGENT_LEVELS = 2  # where there are levels, an agent's is 1 or 2
_STRONG = 3  # an item asks for no more than what so many of the weakest agents can do


def check_room(rows: int, columns: int, agents: int, items: int) -> None:
    """See that a grid has room.

    Raises:
      ValueError: when the grid is none of 3 to 50 rows and columns, or the agents are not 1 to 6;
        when they could occupy all cells where an item may be; when there are more items than one
        to five such cells.
    """
    if min(rows, columns) < 3 or max(rows, columns) > _MAX_SIDE:
        raise ValueError(f"foraging needs 3 to {_MAX_SIDE} rows and columns, got {rows}x{columns}")
    if not 1 <= agents <= _MAX_AGENTS:
        raise ValueError(
            f"foraging has 1 to {_MAX_AGENTS} agents, who have 6^agents joint actions; got {agents}"
        )
    grid, inner = f"a grid of {rows}x{columns}", (rows - 2) * (columns - 2)
    if agents >= inner:
        raise ValueError(
            f"{grid} has {inner} cells within its border, where items are: {agents} agents could "
            f"leave no room for one"
        )
    # So many always fit: cells whose row + 2 * column leaves one remainder by 5 are far enough from
    # one another, and one of the five remainders has at least a fifth of the cells.
    room = -(-inner // 5)
    if not 1 <= items <= room:
        raise ValueError(
            f"{grid} has room for 1 to {room} items, one to five cells within its border; "
            f"got {items}"
        )


def place(draws: jax.Array, shape: tuple[int, int], agents: int) -> tuple[jax.Array, jax.Array]:
    """Put agents on different cells, then items on cells within the border, away from one another.

    Each is uniform over the cells that are left to it: to an item those without an agent and more
    than two steps from every item so far. The original draws an item's cell until it is one of
    them, and gives up after 1,000 draws for all items; here one draw picks among them.

    Args:
      draws: uniform in [0, 1), float32 [N + F].
      shape: rows and columns.
      agents: N.

    Returns:
      Rows and columns of the agents, int32 [N, 2], and of the items, int32 [F, 2], row by row;
      at the end, -1, those for which no cell was left.
    """
    rows, columns = np.indices(shape)
    border = (rows % (shape[0] - 1) == 0) | (columns % (shape[1] - 1) == 0)

    def place_agent(free: jax.Array, draw: jax.Array) -> tuple[jax.Array, jax.Array]:
        row, column = _pick(free, draw)
        return free & ((rows != row) | (columns != column)), row * shape[1] + column

    def place_item(free: jax.Array, draw: jax.Array) -> tuple[jax.Array, jax.Array]:
        row, column = _pick(free, draw)
        steps = jnp.abs(rows - row) + jnp.abs(columns - column)
        return free & (steps > _APART), row * shape[1] + column

    free = jnp.ones(shape, bool)
    free, of_agents = jax.lax.scan(place_agent, free, draws[:agents], unroll=8)
    _, of_items = jax.lax.scan(place_item, free & ~border, draws[agents:], unroll=8)
    of_items = jnp.sort(of_items)[:, None]  # those without a cell have the largest number
    items = jnp.concatenate(jnp.divmod(of_items, shape[1]), -1)
    items = jnp.where(of_items < border.size, items, -1)
    return jnp.stack(jnp.divmod(of_agents, shape[1]), -1), items


def _pick(free: jax.Array, draw: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Turn a draw from [0, 1) into row and column of a free cell; beyond all if there is none."""
    # First its row, then its column there: adding up all cells at once takes longer.
    up_to = jnp.cumsum(free.sum(1, dtype=jnp.int32))
    rank = jnp.floor(draw * up_to[-1]).astype(jnp.int32)
    row = (up_to <= rank).sum(dtype=jnp.int32)
    rank -= jnp.where(row > 0, up_to[row - 1], 0)
    column = (jnp.cumsum(free[row], dtype=jnp.int32) <= rank).sum(dtype=jnp.int32)
    return row, column


def draw_levels(
    draws: jax.Array, agents: int, *, levels: bool, coop: bool
) -> tuple[jax.Array, jax.Array]:
    """Draw levels of agents and items.

    Args:
      draws: uniform in [0, 1), float32 [N + F].
      agents: N.
      levels: whether an agent's is 1 or 2, and an item's 1 to M, the sum of the three lowest
        agents' (or of all, if fewer), all equally likely; else all are 1.
      coop: whether all items' are M.

    Returns:
      int8 [N] and [F].
    """
    of_agents = 1 + jnp.floor(draws[:agents] * (_AGENT_LEVELS if levels else 1))
    most = jnp.sort(of_agents)[:_STRONG].sum()
    of_items = 1 + jnp.floor(draws[agents:] * (most if levels else 1))
    of_items = jnp.full_like(of_items, most) if coop else of_items
    return of_agents.astype(jnp.int8), of_items.astype(jnp.int8)


def highest_levels(agents: int, *, levels: bool, coop: bool) -> tuple[int, int]:
    """Return the highest level that `draw_levels` can give an agent, and an item."""
    of_agents = _AGENT_LEVELS if levels else 1
    return of_agents, of_agents * min(agents, _STRONG) if levels or coop else 1
