"""Convolutions of grids as products that a compiler is fast at, a few grids at a time."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from adqn_jax.nn.initial import Initializer, later
from adqn_jax.nn.linear import linear
from adqn_jax.types import Array

#: Grids convolved at a time. The windows of so few stay in a core's cache, and yet make a product
#: large enough for an accelerator.
_PART = 64

_Layers = list[tuple[Array, Array]]  # kernel [9 I, O] and bias [O] of each


class Convolutions3x3(nn.Module):
    """Layers of 3x3 convolutions with a border of zeros, a ReLU after each.

    A layer is one product with all windows: of several networks at once, each with its own
    kernels, it is then a batched product; a convolution would become a grouped one, which is slow
    on a CPU. Windows take nine times the memory of what they are cut from, and are cut again for
    the gradient instead of being kept.
    """

    sizes: tuple[int, ...]
    kernel_init: Initializer
    strides: tuple[int, ...] = ()
    """By how many cells each layer moves; by default one."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [..., R, C, I] to [..., R', C', sizes[-1]]; a stride s makes ceil(R / s) of R."""
        strides = self.strides or (1,) * len(self.sizes)
        layers, channels = [], x.shape[-1]
        for i, size in enumerate(self.sizes):
            kernel = self.param(f"kernel_{i}", later(self.kernel_init), (3, 3, channels, size))
            bias = self.param(f"bias_{i}", nn.initializers.zeros, (size,), jnp.float32)
            layers.append((kernel.reshape(9 * channels, size), bias))
            channels = size
        grids = x.reshape(-1, *x.shape[-3:])
        result = _in_parts(layers, strides, grids)
        return result.reshape(*x.shape[:-3], *result.shape[1:])


def _in_parts(layers: _Layers, strides: tuple[int, ...], grids: Array) -> Array:
    """Convolve part by part, [N, R, C, I] -> [N, R', C', O]."""
    number = grids.shape[0]
    if number <= _PART:
        return _convolve(layers, strides, grids)
    parts = -(-number // _PART)
    padded = jnp.pad(grids, [(0, parts * _PART - number), (0, 0), (0, 0), (0, 0)])

    @jax.checkpoint
    def part(grids: Array) -> Array:
        return _convolve(layers, strides, grids)

    results = jax.lax.map(part, padded.reshape(parts, _PART, *grids.shape[1:]))
    return results.reshape(parts * _PART, *results.shape[2:])[:number]


def _convolve(layers: _Layers, strides: tuple[int, ...], x: Array) -> Array:
    for (kernel, bias), stride in zip(layers, strides, strict=True):
        x = nn.relu(linear(_windows(x, stride), kernel, bias))
    return x


def _windows(x: Array, stride: int) -> Array:
    """Lay the 3x3 cells around every so many-th cell side by side, -> [N, R', C', 9 I]."""
    rows, columns = x.shape[-3:-1]
    padded = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    shifted = [
        padded[:, down : down + rows : stride, right : right + columns : stride]
        for down in range(3)
        for right in range(3)
    ]
    return jnp.concatenate(shifted, axis=-1)
