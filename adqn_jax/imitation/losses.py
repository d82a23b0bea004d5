"""Losses of student and expert: pure functions of one transition, unbatched.

Source: Warrington et al. (2021), "Robust asymmetric learning in POMDPs" (A2D).
"""

import chex
import jax
import jax.numpy as jnp

from adqn_jax.types import Array


def importance_weight(log_expert: Array, log_student: Array, beta: Array | float) -> Array:
    """Return w = π_θ(a|s) / (β π_θ(a|s) + (1-β) π_ψ(a|h) + 1e-12).

    It is 1 where the expert acts alone (β = 1), and its mean under the mixture is 1.

    Source: A2D, Section 5; the last term is the authors'.

    Args:
      log_expert: log π_θ(a|s) of the action taken, a scalar.
      log_student: log π_ψ(a|h) of the action taken, a scalar.
      beta: β, a scalar.
    """
    chex.assert_rank([log_expert, log_student, beta], 0)
    expert, student = jnp.exp(log_expert), jnp.exp(log_student)
    return expert / (beta * expert + (1.0 - beta) * student + 1e-12)


def forward_kl(log_expert: Array, log_student: Array) -> Array:
    """Return KL[π_θ(.|s) || π_ψ(.|h)] = Σ_a π_θ(a|s) (log π_θ(a|s) - log π_ψ(a|h)).

    Its gradient in the student is that of the cross-entropy; the expert is a constant.

    Source: A2D, Eq. 5.

    Args:
      log_expert: float [A]; minus infinity where the expert never goes.
      log_student: float [A].
    """
    chex.assert_rank([log_expert, log_student], 1)
    chex.assert_equal_shape([log_expert, log_student])
    log_expert = jax.lax.stop_gradient(log_expert)
    expert = jnp.exp(log_expert)
    # Before the product: 0 times infinity has no gradient.
    gap = jnp.where(expert > 0.0, log_expert, 0.0) - jnp.where(expert > 0.0, log_student, 0.0)
    return jnp.sum(expert * gap)


def surrogate(log_prob: Array, old_log_prob: Array, advantage: Array) -> Array:
    """Return π_θ(a|s) / π_old(a|s) A, whose gradient at the old policy is A grad log π_θ(a|s).

    Source: Schulman et al. (2015), Eq. 14.

    Args:
      log_prob: log π_θ(a|s) of the action taken, a scalar.
      old_log_prob: the same before the step, a scalar.
      advantage: A, importance weight included, a scalar.
    """
    chex.assert_rank([log_prob, old_log_prob, advantage], 0)
    return jnp.exp(log_prob - jax.lax.stop_gradient(old_log_prob)) * advantage
