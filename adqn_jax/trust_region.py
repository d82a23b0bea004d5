"""Trust-region policy optimisation: a natural-gradient step as long as a bound on the KL allows.

Pure functions of parameters, which are any pytree, and of two functions of parameters: what is to
grow, and how far a policy is from the one that acted.

Source: Schulman et al. (2015), "Trust region policy optimization", Section 6 and Appendix C.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jax.flatten_util import ravel_pytree

from adqn_jax.types import Array, PyTree

Scalar = Callable[[PyTree], Array]  # parameters -> scalar


@dataclasses.dataclass(frozen=True)
class TrustRegion:
    """How the step is looked for."""

    conjugate_steps: int = 10
    """Steps of conjugate gradients."""
    halvings: int = 10
    """Lengths that are tried: the full one, half of it, and so on."""
    least_share: float = 0.1
    """Of what the gradient promises for a length, the share by which the surrogate must grow."""


@struct.dataclass
class Moved:
    """What a step did; float32 scalars."""

    kl: Array  # from the parameters before to those after
    improvement: Array  # of the surrogate
    length: Array  # share of the full step that was taken, 0: none was good


def step(
    surrogate: Scalar, kl: Scalar, params: PyTree, region: TrustRegion, *,
    max_kl: Array | float, damping: Array | float, fisher_kl: Scalar | None = None,
) -> tuple[PyTree, Moved]:  # fmt: skip
    """Increase a surrogate within KL(π_old || π) ≤ δ.

    Args:
      surrogate: parameters to what is to grow, L.
      kl: parameters to the mean KL from the policy of `params`; its Hessian there is the Fisher
        information.
      params: those before the step, θ.
      region: how the step is looked for.
      max_kl: δ.
      damping: added to the diagonal of the Fisher information.
      fisher_kl: like `kl`, of fewer samples, where the Hessian is taken; by default `kl`.

    Returns:
      The parameters after, which are those before where no length was good; and what the step did.
    """
    before, gradient = jax.value_and_grad(surrogate)(params)
    full = full_step(
        fisher_kl or kl, params, gradient, region, max_kl=max_kl, damping=damping
    )  # fmt: skip
    flat, unravel = ravel_pytree(params)
    direction, promised = ravel_pytree(full)[0], _dot(gradient, full)

    def attempt(number: Array) -> tuple[Array, Array, Array, Array]:
        length = 0.5 ** number.astype(flat.dtype)
        after = unravel(flat + length * direction)
        improvement, moved = surrogate(after) - before, kl(after)
        # Written so that what is not a number is not good.
        good = (improvement > region.least_share * length * promised) & (moved <= max_kl)
        return good, length, moved, improvement

    def body(carry: tuple) -> tuple:
        number, *_ = carry
        return (number + 1, *attempt(number))

    nothing = jnp.zeros((), flat.dtype)
    begin = (jnp.int32(0), jnp.bool_(False), nothing, nothing, nothing)
    _, good, *found = jax.lax.while_loop(lambda c: (c[0] < region.halvings) & ~c[1], body, begin)
    length, moved, improvement = (jnp.where(good, x, 0.0) for x in found)
    # Not length times direction where nothing was good: that may be 0 times infinity.
    flat = jnp.where(good, flat + length * direction, flat)
    return unravel(flat), Moved(moved, improvement, length)


def full_step(
    kl: Scalar, params: PyTree, gradient: PyTree, region: TrustRegion, *,
    max_kl: Array | float, damping: Array | float,
) -> PyTree:  # fmt: skip
    """Return √(2δ / xᵀFx) x with F x = g: along the natural gradient as far as the bound seems.

    F is the Hessian of the KL at `params`, damped; arguments as those of `step`.
    """
    flat, unravel = ravel_pytree(gradient)

    def product(x: Array) -> Array:
        # Not forwards over backwards, as elsewhere: linear layers here have no such rule.
        bent = jax.grad(lambda p: _dot(jax.grad(kl)(p), unravel(x)))(params)
        return ravel_pytree(bent)[0] + damping * x

    x = conjugate_gradients(product, flat, region.conjugate_steps)
    curvature = x @ product(x)
    scale = jnp.where(curvature > 0.0, jnp.sqrt(2.0 * max_kl / curvature), 0.0)
    scaled: PyTree = unravel(scale * x)
    return scaled


def conjugate_gradients(product: Callable[[Array], Array], b: Array, steps: int) -> Array:
    """Solve F x = b approximately, from 0, for a positive definite F.

    Args:
      product: x to F x, float [N].
      b: float [N].
      steps: at most so many; fewer once the residual is negligible.
    """
    least = 1e-10 * (b @ b)

    def body(_: int, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        x, residual, direction, squared = carry
        bent = product(direction)
        going = squared > least
        alpha = jnp.where(going, squared / (direction @ bent), 0.0)
        x, residual = x + alpha * direction, residual - alpha * bent
        after = residual @ residual
        direction = jnp.where(going, residual + after / squared * direction, direction)
        return x, residual, direction, jnp.where(going, after, squared)

    solution, *_ = jax.lax.fori_loop(0, steps, body, (jnp.zeros_like(b), b, b, b @ b))
    return solution


def _dot(one: PyTree, other: PyTree) -> Array:
    return ravel_pytree(one)[0] @ ravel_pytree(other)[0]
