"""Exploration that any family may need."""

import jax
import jax.numpy as jnp

from adqn_jax.types import Array


def at_random(key: Array, action: Array, epsilon: Array | float, num_actions: int) -> Array:
    """Put a random action, uniform over all, in the place of an action with probability epsilon.

    Args:
      key: a key, consumed.
      action: int [...].
      epsilon: a scalar.
      num_actions: A.

    Returns:
      Actions, int32 [...].
    """
    key_explore, key_action = jax.random.split(key)
    explore = jax.random.bernoulli(key_explore, jnp.float32(epsilon), action.shape)
    uniform = jax.random.randint(key_action, action.shape, 0, num_actions, jnp.int32)
    return jnp.where(explore, uniform, action).astype(jnp.int32)
