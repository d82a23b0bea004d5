"""Discrete actions: what belongs to the one taken, and how open the choice among them is."""

import jax.numpy as jnp

from adqn_jax.types import Array


def taken(x: Array, action: Array) -> Array:
    """Return x[..., action], [...], of x [..., A] and actions int [...]."""
    return jnp.take_along_axis(x, action[..., None], axis=-1)[..., 0]


def entropy(log_probs: Array) -> Array:
    """Return H = - Σ_a π(a) log π(a), [...], of log-probabilities [..., A]."""
    return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)
