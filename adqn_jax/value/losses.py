"""TD errors: pure functions of one transition or one row, unbatched.

Callers vmap them, square, mask and average; see `learner.py`, and `distributions.py` for where the
value is a distribution. `v_t` is the value that
bootstraps, `q_t_selector` the values that choose the bootstrap action: always those of a Q, in the
paper the target network's, because an action that maximises U would know the state.
"""

import chex
import jax
import jax.numpy as jnp

from adqn_jax.types import Array


def bootstrap_value(v_t: Array, q_t_selector: Array) -> Array:
    """Take the value of the action that the selector prefers: v_t[argmax_a q_t_selector[a]].

    Bootstrap of Eqs. 16-23: v = U⁻(h',s',a*) or Q⁻(h',a*), a* = argmax_a Q⁻(h',a).

    Args:
      v_t: values of the model that bootstraps, float [A]; or atoms of them, float [A, N].
      q_t_selector: values of the model that selects, float [A].

    Returns:
      The bootstrap value, a scalar; or its atoms, float [N].
    """
    chex.assert_rank([v_t, q_t_selector], [{1, 2}, 1])
    chex.assert_equal_shape_prefix([v_t, q_t_selector], 1)
    return v_t[jnp.argmax(q_t_selector)]


def td_error(q_tm1: Array, a_tm1: Array, target_tm1: Array) -> Array:
    """Compare the value of the action taken with its target: G - q[a].

    Eqs. 16, 17, 18, 20, 21, 22. The target is a constant: no gradient flows through it.
    For use alone: training takes the loss of `distributions.Scalar`, which is this one squared.

    Args:
      q_tm1: action values at the step left, float [A].
      a_tm1: the action taken there, int scalar.
      target_tm1: the return to regress on, float scalar.

    Returns:
      The TD error, a scalar.
    """
    chex.assert_rank([q_tm1, a_tm1, target_tm1], [1, 0, 0])
    return regression_error(q_tm1[a_tm1], target_tm1)


def regression_error(value_tm1: Array, target_tm1: Array) -> Array:
    """Compare a value with what it regresses on: G - q.

    G is a return, which makes it a TD error, or U⁻(h,s,a) for the same action (Eqs. 19, 23); in the
    authors' trainer for every action, in the paper for the one taken. It is a constant.

    Args:
      value_tm1: value of an action at the step left, a scalar.
      target_tm1: what it regresses on, a scalar.

    Returns:
      The error, a scalar.
    """
    chex.assert_rank([value_tm1, target_tm1], 0)
    return jax.lax.stop_gradient(target_tm1) - value_tm1


def categorical_projection(atoms: Array, probabilities: Array, support: Array) -> Array:
    """Move a distribution's mass to the nearest atoms of an even support, in proportion.

    p_i = Σ_j p_j [1 - |[z_j]_{least}^{most} - z_i| / Δz]₀¹. Mass stays 1, and so does the mean of
    what lies inside the support; what lies outside goes to its ends.

    Source: Bellemare et al. (2017), Eq. 7.

    Args:
      atoms: where the mass is, float [M].
      probabilities: how much, float [M].
      support: evenly spaced, ascending, float [N], N at least 2.

    Returns:
      Probabilities of the support's atoms, float [N].
    """
    chex.assert_rank([atoms, probabilities, support], 1)
    chex.assert_equal_shape([atoms, probabilities])
    spacing = (support[-1] - support[0]) / (len(support) - 1)
    inside = jnp.clip(atoms, support[0], support[-1])
    share = 1.0 - jnp.abs(inside[None, :] - support[:, None]) / spacing  # [N, M]
    return jnp.sum(jnp.clip(share, 0.0, 1.0) * probabilities, axis=-1)


def cross_entropy(logits: Array, probabilities: Array) -> Array:
    """Compare a distribution, given by logits, with one to become: - Σ p log softmax(logits).

    Source: Bellemare et al. (2017), Algorithm 1. The target is a constant.

    Args:
      logits: float [N].
      probabilities: the target, float [N].

    Returns:
      The cross-entropy, a scalar.
    """
    chex.assert_rank([logits, probabilities], 1)
    chex.assert_equal_shape([logits, probabilities])
    return -jnp.sum(jax.lax.stop_gradient(probabilities) * jax.nn.log_softmax(logits))


def quantile_huber(quantiles: Array, fractions: Array, atoms: Array, kappa: Array | float) -> Array:
    """Regress quantiles on samples: Σ_i mean_j |τ_i - 1{u_ij < 0}| L_κ(u_ij), u_ij = z_j - q_i.

    L_κ is Huber's loss, half a square up to κ and linear beyond.

    Source: Dabney et al. (2018), "Distributional RL with quantile regression", Eq. 10. The samples
    are constants.

    Args:
      quantiles: float [N].
      fractions: τ, which quantiles they are, in [0, 1], float [N].
      atoms: samples of the target, alike in weight, float [M].
      kappa: where L_κ turns linear, a scalar above 0.

    Returns:
      The loss, a scalar.
    """
    chex.assert_rank([quantiles, fractions, atoms, kappa], [1, 1, 1, 0])
    chex.assert_equal_shape([quantiles, fractions])
    u = jax.lax.stop_gradient(atoms)[None, :] - quantiles[:, None]  # [N, M]
    size = jnp.abs(u)
    near = jnp.minimum(size, kappa)
    huber = near * (size - 0.5 * near)
    tilt = jnp.abs(fractions[:, None] - (u < 0.0))
    return jnp.sum(jnp.mean(jax.lax.stop_gradient(tilt) * huber, axis=-1))


def moment_matching(particles: Array, atoms: Array) -> Array:
    """Compare two sets of particles by the biased estimate of their squared MMD.

    MMD² = mean k(x,x') - 2 mean k(x,y) + mean k(y,y'), k(x,y) = Σ_{h=1..10} exp(-(x - y)²/h). It is
    0 if and only if both hold the same particles.

    Source: Nguyen-Tang et al. (2021), Eq. 5, with their kernel. The target is a constant.

    Args:
      particles: x, alike in weight, float [N].
      atoms: y, the target, alike in weight, float [M].

    Returns:
      The squared distance, a scalar.
    """
    chex.assert_rank([particles, atoms], 1)
    atoms = jax.lax.stop_gradient(atoms)

    def mean_kernel(x: Array, y: Array) -> Array:
        square = (x[:, None] - y[None, :]) ** 2
        return sum((jnp.mean(jnp.exp(-square / h)) for h in range(1, 11)), jnp.float32(0.0))

    return (
        mean_kernel(particles, particles)
        - 2.0 * mean_kernel(particles, atoms)
        + mean_kernel(atoms, atoms)
    )


def in_trust_region(value: Array, target_value: Array, regressed_on: Array, width: Array) -> Array:
    """Tell whether an error counts, or would only carry the online value further off.

    It is dropped if and only if |q - q⁻| > width and sgn(q - q⁻) ≠ sgn(q - G).

    Source: Kapturowski et al. (2023), "Human-level Atari 200x faster", Section 3.1.

    Args:
      value: q, of the network that learns, float [...].
      target_value: q⁻, of the target network, float [...].
      regressed_on: G, float [...].
      width: α σ, with σ the standard deviation of q over the batch, a scalar.

    Returns:
      Bool [...].
    """
    chex.assert_equal_shape([value, target_value, regressed_on])
    off = value - target_value
    returns = jnp.sign(off) == jnp.sign(value - regressed_on)
    return (jnp.abs(off) <= width) | returns
