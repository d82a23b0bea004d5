"""Feature encoders, chosen from the spaces that an environment declares."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces

from adqn_jax.types import Array, Spec

#: Xavier normal with the gain of a ReLU, the authors' initialisation of linear layers.
xavier_relu = nn.initializers.variance_scaling(2.0, "fan_avg", "normal")


#: A bound beyond this is no scale to divide by.
_UNBOUNDED = 1e6


class Embedding(nn.Module):
    """A table of learned vectors, N(0, scale^2) at first."""

    num_embeddings: int
    features: int
    scale: float = 1.0

    @nn.compact
    def __call__(self, index: Array) -> Array:
        """Look up vectors, [...] int -> [..., features]."""
        shape = (self.num_embeddings, self.features)
        table = self.param("table", nn.initializers.normal(self.scale), shape)
        return jnp.take(table, index, axis=0)


class FlatEncoder(nn.Module):
    """A flat or flattened observation through one linear layer and a ReLU."""

    space: spaces.Box
    features: int
    scales: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encode, [..., *shape] -> [..., features]."""
        flat = _flatten(x, self.space, self.scales)
        return nn.relu(nn.Dense(self.features, kernel_init=xavier_relu)(flat))


class Identity(nn.Module):
    """A state that is its own feature vector."""

    space: spaces.Box
    scales: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Flatten, [..., *shape] -> [..., prod(shape)]."""
        return _flatten(x, self.space, self.scales)


def observation_encoder(space: Spec, features: int, *, scales: bool = False) -> nn.Module:
    """Choose the encoder of observations: an embedding, or a linear layer with a ReLU.

    Args:
      space: Discrete, or a Box, which is flattened.
      features: width of the result.
      scales: whether to divide a Box's entries by the bounds it declares.

    Raises:
      ValueError: when the space is neither Discrete nor Box.
    """
    return _encoder(space, features, lambda box: FlatEncoder(box, features, scales))


def state_encoder(space: Spec, features: int, *, scales: bool = False) -> nn.Module:
    """Choose the encoder of privileged states: an embedding, or the flat state itself.

    Arguments and errors are those of `observation_encoder`.
    """
    return _encoder(space, features, lambda box: Identity(box, scales))


def _encoder(space: Spec, features: int, box: Callable[[spaces.Box], nn.Module]) -> nn.Module:
    if isinstance(space, spaces.Discrete):
        return Embedding(space.n, features)
    if isinstance(space, spaces.Box):
        return box(space)
    raise ValueError(f"no encoder for the space {space!r}; there are those of Discrete and Box")


def _flatten(x: Array, space: spaces.Box, scales: bool) -> Array:
    lead = x.shape[: x.ndim - len(space.shape)]
    flat = jnp.reshape(x, (*lead, math.prod(space.shape))).astype(jnp.float32)
    return flat / _bounds(space) if scales else flat


def _bounds(space: spaces.Box) -> np.ndarray:
    """Return the largest magnitude of each entry, 1 where the space declares none, float [N]."""
    low, high = (
        np.broadcast_to(np.asarray(b), space.shape).ravel() for b in (space.low, space.high)
    )
    largest = np.maximum(np.abs(low), np.abs(high)).astype(np.float32)
    return np.where((largest > 0) & (largest < _UNBOUNDED), largest, np.float32(1.0))
