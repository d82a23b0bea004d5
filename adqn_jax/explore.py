"""Exploration that any family may need."""

import jax
import jax.numpy as jnp
from gymnax.environments.spaces import Box

from adqn_jax import spaces
from adqn_jax.types import Array, Spec


def uniform(key: Array, space: Spec, *lead: int) -> Array:
    """Draw actions uniform over a space, int32 [*lead] or float32 [*lead, N].

    An entry of a Box is uniform within `spaces.units` of its centre: in [-1, 1] without bounds.
    `key` is consumed.
    """
    if not isinstance(space, Box):
        return jax.random.randint(key, lead, 0, space.n, jnp.int32)
    centre, half = spaces.units(space)
    drawn = jax.random.uniform(key, (*lead, *space.shape), jnp.float32, -1.0, 1.0)
    return spaces.executed(centre + half * drawn, space)


def at_random(key: Array, action: Array, epsilon: Array | float, space: Spec) -> Array:
    """Put a random action, uniform over all, in the place of an action with probability epsilon.

    Args:
      key: a key, consumed.
      action: int [...], or float32 [..., N] where the space is a Box.
      epsilon: a scalar.
      space: of the actions.

    Returns:
      Actions, int32 [...] or float32 [..., N].
    """
    key_explore, key_action = jax.random.split(key)
    lead = action.shape[: action.ndim - len(space.shape)]
    explore = jax.random.bernoulli(key_explore, jnp.float32(epsilon), lead)
    drawn = uniform(key_action, space, *lead)
    explore = explore.reshape(*lead, *(1,) * len(space.shape))
    return jnp.where(explore, drawn, action).astype(drawn.dtype)
