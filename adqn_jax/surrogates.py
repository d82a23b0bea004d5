"""What a policy increases by a step that must not go far: a pure function of one transition."""

import chex
import jax
import jax.numpy as jnp

from adqn_jax.types import Array


def clipped_surrogate(
    log_prob: Array, old_log_prob: Array, advantage: Array, clip_range: Array | float
) -> Array:
    """Return min(ρ A, clip(ρ, 1-ε, 1+ε) A), with ρ = π(a|.) / π_old(a|.).

    Source: Schulman et al. (2017), "Proximal policy optimization algorithms", Eq. 7.

    Args:
      log_prob: log π(a|.) of the action taken, a scalar.
      old_log_prob: the same before the first step, a scalar.
      advantage: A, and what weighs it, a scalar.
      clip_range: ε, a scalar.
    """
    chex.assert_rank([log_prob, old_log_prob, advantage, clip_range], 0)
    ratio = jnp.exp(log_prob - jax.lax.stop_gradient(old_log_prob))
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    return jnp.minimum(ratio * advantage, clipped * advantage)
