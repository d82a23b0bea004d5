"""Heads: features to numbers, such as action values."""

import math
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp

from adqn_jax.nn.initial import orthogonal, scaled, xavier_relu
from adqn_jax.nn.linear import Linear
from adqn_jax.types import Array


class Head(nn.Module):
    """ReLU layers, and a linear one."""

    sizes: tuple[int, ...]
    outputs: int | tuple[int, ...]
    """How many numbers; or their shape, such as one of atoms for each action."""
    output_scale: float

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map [..., F] to [..., *outputs]."""
        for size in self.sizes:
            features = nn.relu(Linear(size, xavier_relu)(features))
        return _outputs(features, self.outputs, self.output_scale)


class TanhHead(nn.Module):
    """Tanh layers, and a linear one; orthogonal weights, with gain sqrt 2 and `output_scale`.

    Source: the networks of Warrington et al. (2021), "Robust asymmetric learning in POMDPs".
    """

    sizes: tuple[int, ...]
    outputs: int
    output_scale: float

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map [..., F] to [..., outputs]."""
        for size in self.sizes:
            features = nn.tanh(Linear(size, scaled(orthogonal, math.sqrt(2.0)))(features))
        return Linear(self.outputs, scaled(orthogonal, self.output_scale))(features)


class DuelingHead(nn.Module):
    """A value V(·) and advantages A(·,a) in streams of their own, which make action values.

    The streams part before the last hidden layer. Q = V + A - mean_a A, so that mean_a Q = V; or
    Q = V + A - max_a A, so that max_a Q = V. With several numbers for each action, each is so
    composed.

    Source: Wang et al. (2016), Eqs. 9 and 8.
    """

    sizes: tuple[int, ...]
    outputs: tuple[int, ...]
    """Actions first, then perhaps the numbers for each."""
    output_scale: float
    subtract: Literal["mean", "max"]

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map [..., F] to [..., *outputs]."""
        for size in self.sizes[:-1]:
            features = nn.relu(Linear(size, xavier_relu)(features))
        streams = []
        for shape in ((1, *self.outputs[1:]), self.outputs):
            hidden = features
            for size in self.sizes[-1:]:
                hidden = nn.relu(Linear(size, xavier_relu)(hidden))
            streams.append(_outputs(hidden, shape, self.output_scale))
        value, advantage = streams
        reduce = jnp.mean if self.subtract == "mean" else jnp.max
        actions = -len(self.outputs)
        return value + advantage - reduce(advantage, axis=actions, keepdims=True)


class ImplicitQuantileHead(nn.Module):
    """Quantiles of the return at any fractions τ: the features, multiplied by an embedding of τ.

    φ(τ) = ReLU(W [cos πiτ]_{i<64} + b).

    Source: Dabney et al. (2018), "Implicit quantile networks", Eq. 4.
    """

    head: nn.Module  # [..., F] to [..., A]
    quantiles: int
    """Quantiles asked for where none are named: at the middles of so many equal shares."""

    @nn.compact
    def __call__(self, features: Array, fractions: Array | None = None) -> Array:
        """Map [..., F], at fractions [..., N], to [..., A, N]."""
        if fractions is None:
            fractions = midpoints(self.quantiles)
        cosines = jnp.cos(jnp.pi * jnp.arange(_COSINES) * fractions[..., None])
        embedded = nn.relu(Linear(features.shape[-1], xavier_relu)(cosines))
        return jnp.moveaxis(self.head(features[..., None, :] * embedded), -1, -2)


class GaussianHead(nn.Module):
    """A mean that depends on the features, and a log standard deviation that depends on nothing."""

    head: nn.Module  # [..., F] to [..., N]
    log_std: float
    """The initial one, of every entry."""

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map [..., F] to mean and log standard deviation, [..., 2, N]."""
        mean = self.head(features)
        init = nn.initializers.constant(self.log_std)
        log_std = self.param("log_std", init, mean.shape[-1:], jnp.float32)
        return jnp.stack([mean, jnp.broadcast_to(log_std, mean.shape)], axis=-2)


_COSINES = 64


def midpoints(number: int) -> Array:
    """Return the middles of so many equal shares of [0, 1], (2i - 1) / 2N, float [N]."""
    return (jnp.arange(number, dtype=jnp.float32) + 0.5) / number


def _outputs(features: Array, shape: int | tuple[int, ...], scale: float) -> Array:
    shape = shape if isinstance(shape, tuple) else (shape,)
    flat = Linear(math.prod(shape), scaled(xavier_relu, scale))(features)
    return flat if len(shape) == 1 else flat.reshape(*flat.shape[:-1], *shape)
