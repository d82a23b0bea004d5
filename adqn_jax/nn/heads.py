"""Heads: features to numbers, such as action values."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from adqn_jax.nn.encoders import xavier_relu
from adqn_jax.nn.linear import Linear
from adqn_jax.types import Array


class Head(nn.Module):
    """ReLU layers, and a linear one."""

    sizes: tuple[int, ...]
    outputs: int
    output_scale: float

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map [..., F] to [..., outputs]."""
        for size in self.sizes:
            features = nn.relu(Linear(size, xavier_relu)(features))
        return Linear(self.outputs, _scaled(xavier_relu, self.output_scale))(features)


def _scaled(base: nn.initializers.Initializer, factor: float) -> nn.initializers.Initializer:
    def init(key: Array, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Array:
        return factor * base(key, shape, dtype)

    return init
