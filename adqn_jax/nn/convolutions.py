"""Convolutions of grids as products that a compiler is fast at, a few grids at a time."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from adqn_jax.nn.linear import linear
from adqn_jax.types import Array

#: Grids convolved at a time. The windows of so few stay in a core's cache, and yet make a product
#: large enough for an accelerator.
_PART = 64


class Convolutions3x3(nn.Module):
    """Layers of 3x3 convolutions with a border of zeros, a ReLU after each.

    A layer is one product with all windows: of several networks at once, each with its own
    kernels, it is then a batched product; a convolution would become a grouped one, which is slow
    on a CPU. Windows take nine times the memory of what they are cut from, and are cut again for
    the gradient instead of being kept.
    """

    sizes: tuple[int, ...]
    kernel_init: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [..., R, C, I] to [..., R, C, sizes[-1]]."""
        layers, channels = [], x.shape[-1]
        for i, size in enumerate(self.sizes):
            kernel = self.param(
                f"kernel_{i}", self.kernel_init, (3, 3, channels, size), jnp.float32
            )
            bias = self.param(f"bias_{i}", nn.initializers.zeros, (size,), jnp.float32)
            layers.append((kernel.reshape(9 * channels, size), bias))
            channels = size
        grids = x.reshape(-1, *x.shape[-3:])
        return _in_parts(layers, grids).reshape(*x.shape[:-1], channels)


def _in_parts(layers: list[tuple[Array, Array]], grids: Array) -> Array:
    """Convolve part by part, [N, R, C, I] -> [N, R, C, O]."""
    number = grids.shape[0]
    if number <= _PART:
        return _convolve(layers, grids)
    parts = -(-number // _PART)
    padded = jnp.pad(grids, [(0, parts * _PART - number), (0, 0), (0, 0), (0, 0)])

    @jax.checkpoint
    def part(grids: Array) -> Array:
        return _convolve(layers, grids)

    results = jax.lax.map(part, padded.reshape(parts, _PART, *grids.shape[1:]))
    return results.reshape(parts * _PART, *results.shape[2:])[:number]


def _convolve(layers: list[tuple[Array, Array]], x: Array) -> Array:
    for kernel, bias in layers:
        x = nn.relu(linear(_windows(x), kernel, bias))
    return x


def _windows(x: Array) -> Array:
    """Lay the 3x3 cells around each cell side by side, [N, R, C, I] -> [N, R, C, 9 I]."""
    rows, columns = x.shape[-3:-1]
    padded = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    shifted = [
        padded[:, down : down + rows, right : right + columns]
        for down in range(3)
        for right in range(3)
    ]
    return jnp.concatenate(shifted, axis=-1)
