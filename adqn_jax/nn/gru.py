"""A gated recurrent unit over rows of several episodes, with a backward pass of its own.

The projection of the inputs is the caller's, products over all steps at once; inside the scan
only those of h with V remain, and only h is kept. Backward, too, the scan holds these products
alone: everything that does not depend on the incoming gradient is computed for all steps at once
before it, the gates once more, and the gradient of the recurrent weights, one product over all
steps, after it. The gates are arrays of their own throughout: XLA's CPU compiler does not
vectorise arithmetic on slices of a wider one, which then takes longer than the products.

Gates:  r = σ(x_r + h V_r + c_r),  z = σ(x_z + h V_z + c_z),  n = tanh(x_n + r (h V_n + c_n)),
h' = (1 - z) n + z h,  and h = 0 where an episode starts.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from adqn_jax.nn.linear import linear_gradients
from adqn_jax.types import Array


class Gates(NamedTuple):
    """An array for each gate: reset, update, new."""

    r: Array
    z: Array
    n: Array


def split_gates(joint: Array) -> Gates:
    """Cut the last axis, 3H wide, into the gates' parts."""
    return Gates(*jnp.split(joint, 3, axis=-1))


def gru_step(kernel: Array, bias: Array, x: Gates, h: Array, start: Array) -> Array:
    """Advance the state by one step.

    Args:
      kernel: recurrent weights V, float [H, 3H], gates side by side.
      bias: recurrent biases c, float [3H].
      x: projected inputs, float [..., H] each.
      h: state after the step before, float [..., H].
      start: whether an episode starts here, which forgets `h`, bool [...].

    Returns:
      The state after this step, float [..., H].
    """
    h = jnp.where(start[..., None], 0.0, h)
    return _advance(split_gates(kernel), split_gates(bias), x, h)


@jax.custom_vjp
def gru_scan(kernel: Array, bias: Array, x: Gates, start: Array, h: Array) -> Array:
    """Run a GRU along rows.

    Args:
      kernel: recurrent weights V, float [H, 3H], gates side by side.
      bias: recurrent biases c, float [3H].
      x: projected inputs, float [T, B, H] each.
      start: where episodes start, bool [T, B].
      h: state before the first step, float [B, H]; rows that start with an episode forget it.

    Returns:
      The states after each step, float [T, B, H].
    """
    return _forward(kernel, bias, x, start, h)[0]


def _recur(kernel: Gates, bias: Gates, h: Array) -> Gates:
    return Gates(*(h @ v + c for v, c in zip(kernel, bias, strict=True)))


def _gates(x: Gates, s: Gates) -> Gates:
    r = jax.nn.sigmoid(x.r + s.r)
    return Gates(r, jax.nn.sigmoid(x.z + s.z), jnp.tanh(x.n + r * s.n))


def _advance(kernel: Gates, bias: Gates, x: Gates, h: Array) -> Array:
    _, z, n = _gates(x, _recur(kernel, bias, h))
    return (1.0 - z) * n + z * h


def _forward(
    kernel: Array, bias: Array, x: Gates, start: Array, first: Array
) -> tuple[Array, tuple]:
    kernels, biases = split_gates(kernel), split_gates(bias)
    keep = _keep(x, start)

    def step(h: Array, inputs: tuple[Gates, Array]) -> tuple[Array, Array]:
        x_t, keep_t = inputs
        h = _advance(kernels, biases, x_t, h * keep_t)
        return h, h

    _, states = jax.lax.scan(step, first, (x, keep))
    return states, (kernels, biases, x, start, first, states)


def _backward(residuals: tuple, g: Array) -> tuple[Array, Array, Gates, None, Array]:
    kernels, biases, x, start, first, states = residuals
    keep = _keep(x, start)
    before = jnp.concatenate([first[None], states[:-1]]) * keep
    # The gates again, of all steps at once: cheaper than to keep them, step by step.
    s = _recur(kernels, biases, before)
    r, z, n = _gates(x, s)
    # Gradients of the pre-activations, per unit of gradient of the state.
    by_n = (1.0 - z) * (1.0 - n * n)
    by = Gates(by_n * s.n * r * (1.0 - r), (before - n) * z * (1.0 - z), by_n * r)
    # Transposed once and for all: the barrier keeps XLA from doing it in every step.
    transposed = jax.lax.optimization_barrier(Gates(*(v.T for v in kernels)))

    def step(g_h: Array, inputs: tuple[Array, Gates, Array, Array]) -> tuple[Array, Array]:
        g_t, by_t, z_t, keep_t = inputs
        g_h = g_h + g_t
        g_before = sum((g_h * b) @ v for b, v in zip(by_t, transposed, strict=True))
        return (g_h * z_t + g_before) * keep_t, g_h

    g_first, g_h = jax.lax.scan(step, jnp.zeros_like(g[0]), (g, by, z, keep), reverse=True)
    g_s = Gates(*(g_h * b for b in by))
    by_gate = [linear_gradients(before, g_gate) for g_gate in g_s]
    g_kernel, g_bias = (jnp.concatenate(parts, -1) for parts in zip(*by_gate, strict=True))
    return g_kernel, g_bias, Gates(g_s.r, g_s.z, g_h * by_n), None, g_first


def _keep(x: Gates, start: Array) -> Array:
    """Return 0 where an episode starts and 1 elsewhere, [T, B, 1]."""
    return 1.0 - start.astype(x.n.dtype)[..., None]


gru_scan.defvjp(_forward, _backward)
