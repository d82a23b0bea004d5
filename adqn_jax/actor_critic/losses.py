"""Losses of actor and critic: pure functions of one transition, unbatched.

Callers vmap them, weigh and sum; see `learner.py`. Advantages, targets and what is called old are
constants: no gradient flows through them.
"""

import chex
import jax
import jax.numpy as jnp

from adqn_jax.surrogates import clipped_surrogate
from adqn_jax.types import Array


def policy_gradient_loss(log_prob: Array, advantage: Array) -> Array:
    """Return - A log π(a|h), whose gradient is that of the policy-gradient theorem.

    Source: Williams (1992); Sutton and Barto (2018), Eqs. 13.8 and 13.11.

    Args:
      log_prob: log π(a|h) of the action taken, a scalar.
      advantage: A, or a return, a scalar.

    Returns:
      The loss, a scalar.
    """
    chex.assert_rank([log_prob, advantage], 0)
    return -jax.lax.stop_gradient(advantage) * log_prob


def clipped_surrogate_loss(
    log_prob: Array, old_log_prob: Array, advantage: Array, clip_range: Array | float
) -> Array:
    """Return - min(ρ A, clip(ρ, 1-ε, 1+ε) A), with ρ = π(a|h) / π_old(a|h).

    Source: Schulman et al. (2017), "Proximal policy optimization algorithms", Eq. 7.

    Args:
      log_prob: log π(a|h) of the action taken, a scalar.
      old_log_prob: the same of the policy that acted, a scalar.
      advantage: A, a scalar.
      clip_range: ε, a scalar.

    Returns:
      The loss, a scalar.
    """
    advantage = jax.lax.stop_gradient(advantage)
    return -clipped_surrogate(log_prob, old_log_prob, advantage, clip_range)


def value_loss(value: Array, target: Array) -> Array:
    """Return (V - G)², without a half, as the authors' trainer has it.

    Args:
      value: V, a scalar.
      target: G, the return to regress on, a scalar.

    Returns:
      The loss, a scalar.
    """
    chex.assert_rank([value, target], 0)
    return jnp.square(value - jax.lax.stop_gradient(target))


def clipped_value_loss(
    value: Array, old_value: Array, target: Array, clip_range: Array | float
) -> Array:
    """Return max((V - G)², (V_old + clip(V - V_old, -ε, ε) - G)²).

    Source: the code of Schulman et al. (2017), which their paper does not mention.

    Args:
      value: V, a scalar.
      old_value: V before the first epoch, a scalar.
      target: G, the return to regress on, a scalar.
      clip_range: ε, a scalar.

    Returns:
      The loss, a scalar.
    """
    chex.assert_rank([value, old_value, target, clip_range], 0)
    old_value = jax.lax.stop_gradient(old_value)
    near = old_value + jnp.clip(value - old_value, -clip_range, clip_range)
    return jnp.maximum(value_loss(value, target), value_loss(near, target))
