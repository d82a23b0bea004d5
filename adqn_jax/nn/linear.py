"""Linear layers as the products that XLA's CPU compiler is fast at, and tables of vectors."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from adqn_jax.nn.initial import Initializer, later, normal
from adqn_jax.types import Array


@jax.custom_vjp
def linear(x: Array, kernel: Array, bias: Array) -> Array:
    """Map features, [..., I], to x W + b, [..., O]; kernel [I, O], bias [O]."""
    return x @ kernel + bias


def linear_gradients(x: Array, g: Array) -> tuple[Array, Array]:
    """Return the gradients of kernel and bias, summed over all leading axes.

    Args:
      x: what was multiplied by the kernel, float [..., I].
      g: gradients of the result, float [..., O].
    """
    x, g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    # Transposed before the product, not by it; and a sum as a product: both are faster on a CPU.
    return jax.lax.optimization_barrier(x.T) @ g, jnp.ones(len(g), g.dtype) @ g


def _forward(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return linear(x, kernel, bias), (x, kernel)


def _backward(residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array, Array]:
    x, kernel = residuals
    return (g @ kernel.T, *linear_gradients(x, g))


linear.defvjp(_forward, _backward)


class Linear(nn.Module):
    """A linear layer, initialised as asked for, with biases of zero."""

    features: int
    kernel_init: Initializer

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [..., I] to [..., features]."""
        kernel = self.param("kernel", later(self.kernel_init), (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        return linear(x, kernel, bias)


class Embedding(nn.Module):
    """A table of learned vectors, N(0, scale^2) at first."""

    num_embeddings: int
    features: int
    scale: float = 1.0

    @nn.compact
    def __call__(self, index: Array) -> Array:
        """Look up vectors, [...] int -> [..., features]."""
        shape = (self.num_embeddings, self.features)
        table = self.param("table", later(normal(self.scale)), shape)
        return jnp.take(table, index, axis=0)
