"""Numbers that change while a run goes on."""

import jax.numpy as jnp

from adqn_jax.types import Array


def linear(start: Array | float, end: Array | float, progress: Array) -> Array:
    """Go from one number to another along a line.

    Args:
      start: the number at progress 0.
      end: the number from progress 1 on.
      progress: share of the way, a scalar.

    Returns:
      A scalar; `start`, to the bit, where `end` is the same.
    """
    return start + jnp.clip(progress, 0.0, 1.0) * (end - start)


def falling(start: Array | float, left: Array | float, progress: Array) -> Array:
    """Go from a number to the share `left` of it along a line; `progress` as of `linear`."""
    return start * linear(1.0, left, progress)
