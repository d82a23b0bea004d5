"""Over slots: distances and averages."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from adqn_jax.imitation import losses
from adqn_jax.types import Array, PyTree


def divergence(log_probs: Mapping[str, Array], valid: Array) -> Array:
    """Return F(ψ), the mean KL[π_θ(.|s) || π_ψ(.|h)] over slots, a scalar."""
    return mean(kl(log_probs["expert"], log_probs["student"]), valid)


def kl(expert: Array, student: Array) -> Array:
    """Return KL[π_θ(.|s) || π_ψ(.|h)] of log-probabilities [T, B, A], [T, B]."""
    found: Array = jax.vmap(jax.vmap(losses.forward_kl))(expert, student)
    return found


def squares(flat: Array, state: PyTree) -> Array:
    """Average squared differences of states, [..., D] and [..., *shape], over their entries."""
    return jnp.square(flat - state.reshape(flat.shape)).mean(-1)


def mean(x: Array, counted: Array) -> Array:
    """Average where it counts; there may be nothing that does."""
    return jnp.where(counted, x, 0.0).sum() / jnp.maximum(counted.sum(), 1.0)
