"""What an agent sees of a grid ahead of it, as walls allow."""

import jax
import jax.numpy as jnp
import numpy as np

VIEW = 7  # rows and columns of the view; the agent is in the middle of the last row
_BITS = 1 << np.arange(VIEW)  # of a row of the view, read as a number


def visible(opaque: jax.Array) -> jax.Array:
    """Flood the view from the agent's cell, up and to either side, through what is not opaque.

    Args:
      opaque: cells that are seen but not seen through, bool [7, 7].

    Returns:
      What either flood reaches, bool [7, 7].
    """
    both = jnp.stack([opaque, opaque[:, ::-1]])
    clear = jnp.sum(jnp.where(both, 0, _BITS), -1)  # [2, 7], a row is a number of 7 bits
    rows: list[jax.Array] = []  # of what is seen, nearest first
    reached = jnp.full(2, 1 << VIEW // 2)
    for row in reversed(range(VIEW)):
        # Within a row, a sum with the clear cells carries what is reached along its run of them,
        # up to and including the opaque cell at its end.
        carried = (clear[:, row] + (reached & clear[:, row])) ^ clear[:, row]
        rows.append(reached | carried)
        # From row to row it spreads to (r-1, c) and (r-1, c+1).
        through = rows[-1] & clear[:, row]
        reached = through | through << 1
    right, left = (jnp.stack(rows[::-1], -1)[..., None] & _BITS) != 0
    return right | left[:, ::-1]
