"""Parameters before training: functions of independent standard normal numbers.

XLA takes a quarter of a second of a core to compile a draw, and a network has a dozen parameters.
So modules only say what becomes of the numbers that a parameter is given, and one draw serves all.
Parameters by flax's own initialisers are drawn as ever.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.types import Array, Params

#: From standard normal numbers in the parameter's shape, float32, to the parameter.
Initializer = Callable[[Array], Array]


class Undrawn(struct.PyTreeNode, nn.meta.AxisMetadata[Array]):
    """A parameter that `draw` has yet to fill; until then it is NaN, so that none is forgotten."""

    value: Array
    initializer: Initializer = struct.field(pytree_node=False)

    def unbox(self) -> Array:
        """Return the array."""
        return self.value

    def replace_boxed(self, value: Any) -> Any:
        """Return the same with another value."""
        return self.replace(value=value)

    def add_axis(self, index: int, params: dict[Any, Any]) -> Any:
        """Return itself: it names no axes."""
        return self

    def remove_axis(self, index: int, params: dict[Any, Any]) -> Any:
        """Return itself: it names no axes."""
        return self


def later(initializer: Initializer) -> Callable[[Array, tuple[int, ...]], Undrawn]:
    """Return what flax's `param` asks for, a function of a key, which it does without."""
    return lambda _, shape: Undrawn(jnp.full(shape, jnp.nan, jnp.float32), initializer)


def draw(params: Params, key: Array) -> Params:
    """Fill what is undrawn in the parameters that modules begin with; `key` is consumed."""
    leaves, structure = jax.tree.flatten(params, is_leaf=lambda x: isinstance(x, Undrawn))
    sizes = [leaf.value.size if isinstance(leaf, Undrawn) else 0 for leaf in leaves]
    numbers = jax.random.normal(key, (sum(sizes),), jnp.float32)
    drawn = []
    for leaf, end, size in zip(leaves, itertools.accumulate(sizes), sizes, strict=True):
        if isinstance(leaf, Undrawn):
            leaf = leaf.initializer(numbers[end - size : end].reshape(leaf.value.shape))
        drawn.append(leaf)
    return jax.tree.unflatten(structure, drawn)


def init(module: nn.Module, key: Array, *inputs: Any) -> Params:
    """Draw the parameters of a module alone; `key` is consumed, inputs give shapes only."""
    key_module, key_draw = jax.random.split(key)
    return draw(module.init(key_module, *inputs), key_draw)


def normal(scale: float) -> Initializer:
    """N(0, scale^2)."""
    return lambda x: scale * x


def uniform(scale: float) -> Initializer:
    """Between -scale and scale; erf(x / sqrt 2) of a standard normal number is uniform."""
    return lambda x: scale * jax.scipy.special.erf(x / math.sqrt(2.0))


def xavier_relu(x: Array) -> Array:
    """Xavier normal with the gain of a ReLU, the authors' initialisation of linear layers.

    Args:
      x: [..., I, O]; what is before the last two is a convolution's window.
    """
    fan = math.prod(x.shape[:-2]) * (x.shape[-2] + x.shape[-1]) / 2
    return math.sqrt(2.0 / fan) * x


def orthogonal(x: Array) -> Array:
    """Orthonormal rows, or columns, whichever are fewer: the polar factor of the matrix `x`."""
    tall = x if x.shape[0] >= x.shape[1] else x.mT
    factor = _polar_factor(tall / jnp.linalg.norm(tall))
    return factor if tall is x else factor.mT


def orthogonal_gates(x: Array) -> Array:
    """An orthogonal matrix, uniform in the Haar measure, for each gate; [H, G H], side by side."""
    gates = x.reshape(-1, x.shape[0], x.shape[0])
    gates = _polar_factor(gates / jnp.linalg.norm(gates, axis=(1, 2), keepdims=True))
    return jnp.concatenate(list(gates), axis=-1)


def scaled(base: Initializer, factor: float) -> Initializer:
    """Multiply what another makes."""
    return lambda x: factor * base(x)


def second_gate_raised(base: Initializer, size: int, by: float) -> Initializer:
    """Raise what another makes for the second gate: a GRU's update gate, an LSTM's forget gate.

    Args:
      base: what makes the biases of all gates, side by side.
      size: width of a gate.
      by: what is added.
    """
    return lambda x: base(x).at[size : 2 * size].add(by)


def _polar_factor(x: Array) -> Array:
    """Return the nearest matrices with orthonormal columns, by Newton-Schulz iterations.

    Matrix products only: a QR decomposition has hung in XLA's CPU runtime in processes with several
    host devices. Of Gaussian matrices they are uniform in the Haar measure.

    Args:
      x: float [..., M, N], M at least N, singular values above 0 and below sqrt(3).
    """

    def newton_schulz(_: int, x: Array) -> Array:
        return 1.5 * x - 0.5 * x @ (x.mT @ x)

    # Small singular values grow by half a step; 60 steps bring 1e-8 to 1.
    return jnp.asarray(jax.lax.fori_loop(0, 60, newton_schulz, x))
