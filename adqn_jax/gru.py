"""A gated recurrent unit over rows of several episodes, with a backward pass of its own.

The projection of the inputs is the caller's, one matrix product over all steps; inside the scan
only h V remains. Backward, too, the scan holds one product a step: everything that does not
depend on the incoming gradient is computed for all steps at once before it, and the gradient of
the recurrent weights, one product over all steps, after it.

Gates, in the order r, z, n:  r = σ(x_r + h V_r + c_r),  z = σ(x_z + h V_z + c_z),
n = tanh(x_n + r (h V_n + c_n)),  h' = (1 - z) n + z h,  and h = 0 where an episode starts.
"""

import jax
import jax.numpy as jnp

from adqn_jax.types import Array


def gru_step(kernel: Array, bias: Array, x: Array, h: Array, start: Array) -> Array:
    """Advance the state by one step.

    Args:
      kernel: recurrent weights V, float [H, 3H].
      bias: recurrent biases c, float [3H].
      x: projected input, float [..., 3H].
      h: state after the step before, float [..., H].
      start: whether an episode starts here, which forgets `h`, bool [...].

    Returns:
      The state after this step, float [..., H].
    """
    h = jnp.where(start[..., None], 0.0, h)
    return _gates(x, h, h @ kernel + bias)[0]


@jax.custom_vjp
def gru_scan(kernel: Array, bias: Array, x: Array, start: Array) -> Array:
    """Run a GRU along rows from the zero state.

    Args:
      kernel: recurrent weights V, float [H, 3H].
      bias: recurrent biases c, float [3H].
      x: projected inputs, float [T, B, 3H].
      start: where episodes start, bool [T, B].

    Returns:
      The states after each step, float [T, B, H].
    """
    return _forward(kernel, bias, x, start)[0]


def _gates(x: Array, h: Array, s: Array) -> tuple[Array, tuple[Array, ...]]:
    x_r, x_z, x_n = jnp.split(x, 3, axis=-1)
    s_r, s_z, s_n = jnp.split(s, 3, axis=-1)
    r = jax.nn.sigmoid(x_r + s_r)
    z = jax.nn.sigmoid(x_z + s_z)
    n = jnp.tanh(x_n + r * s_n)
    return (1.0 - z) * n + z * h, (r, z, n, s_n)


def _forward(kernel: Array, bias: Array, x: Array, start: Array) -> tuple[Array, tuple]:
    keep = 1.0 - start.astype(x.dtype)[..., None]

    def step(h: Array, inputs: tuple[Array, Array]) -> tuple[Array, tuple]:
        x_t, keep_t = inputs
        h = h * keep_t
        h_t, gates = _gates(x_t, h, h @ kernel + bias)
        return h_t, (h_t, h, gates)

    zero = jnp.zeros((x.shape[1], kernel.shape[0]), x.dtype)
    _, (states, before, gates) = jax.lax.scan(step, zero, (x, keep))
    return states, (kernel, keep, before, gates)


def _backward(residuals: tuple, g: Array) -> tuple[Array, Array, Array, None]:
    kernel, keep, before, (r, z, n, s_n) = residuals
    # Gradients of the pre-activations, per unit of gradient of the state: all steps at once.
    by_n = (1.0 - z) * (1.0 - n * n)
    by_r = by_n * s_n * r * (1.0 - r)
    by_z = (before - n) * z * (1.0 - z)
    by_s = jnp.concatenate([by_r, by_z, by_n * r], axis=-1)

    def step(g_h: Array, inputs: tuple[Array, ...]) -> tuple[Array, Array]:
        g_t, by_s_t, z_t, keep_t = inputs
        g_h = g_h + g_t
        g_s = jnp.tile(g_h, 3) * by_s_t
        return (g_h * z_t + g_s @ kernel.T) * keep_t, g_h

    _, g_h = jax.lax.scan(step, jnp.zeros_like(g[0]), (g, by_s, z, keep), reverse=True)
    g_s = jnp.tile(g_h, 3) * by_s
    g_x = jnp.concatenate([g_h * by_r, g_h * by_z, g_h * by_n], axis=-1)
    g_kernel = jnp.einsum("tbh,tbs->hs", before, g_s)
    return g_kernel, g_s.sum((0, 1)), g_x, None


gru_scan.defvjp(_forward, _backward)
