"""Linear layers as the products that XLA's CPU compiler is fast at, and tables of vectors."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

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
    def __call__(self, *parts: Array) -> Array:
        """Map what parts, [..., I] each, are when they are joined, to [..., features].

        Each is multiplied by its rows of the kernel: nothing is copied, and no gradient is computed
        of a part that nothing has learned, however wide.
        """
        widths = [part.shape[-1] for part in parts]
        kernel = self.param("kernel", later(self.kernel_init), (sum(widths), self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        first, *others = jnp.split(kernel, np.cumsum(widths)[:-1].tolist())
        result = linear(parts[0], first, bias)
        for part, rows in zip(parts[1:], others, strict=True):
            result = result + linear(part, rows, jnp.zeros_like(bias))
        return result


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
