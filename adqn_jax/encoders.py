"""Feature encoders, chosen from the spaces that an environment declares."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from gymnax.environments import spaces

from adqn_jax.types import Array, Spec

#: Xavier normal with the gain of a ReLU, the authors' initialisation of linear layers.
xavier_relu = nn.initializers.variance_scaling(2.0, "fan_avg", "normal")


class Embedding(nn.Module):
    """A table of learned vectors, N(0,1) at first."""

    num_embeddings: int
    features: int

    @nn.compact
    def __call__(self, index: Array) -> Array:
        """Look up vectors, [...] int -> [..., features]."""
        shape = (self.num_embeddings, self.features)
        table = self.param("table", nn.initializers.normal(1.0), shape)
        return jnp.take(table, index, axis=0)


class FlatEncoder(nn.Module):
    """A flat or flattened observation through one linear layer and a ReLU."""

    rank: int  # axes of one observation
    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encode, [..., *shape] -> [..., features]."""
        return nn.relu(nn.Dense(self.features, kernel_init=xavier_relu)(_flatten(x, self.rank)))


class Identity(nn.Module):
    """A state that is its own feature vector."""

    rank: int  # axes of one state

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Flatten, [..., *shape] -> [..., prod(shape)]."""
        return _flatten(x, self.rank)


def observation_encoder(space: Spec, features: int) -> nn.Module:
    """Choose the encoder of observations: an embedding, or a linear layer with a ReLU.

    Raises:
      ValueError: when the space is neither Discrete nor Box.
    """
    return _encoder(space, features, lambda rank: FlatEncoder(rank, features))


def state_encoder(space: Spec, features: int) -> nn.Module:
    """Choose the encoder of privileged states: an embedding, or the flat state itself.

    Raises:
      ValueError: when the space is neither Discrete nor Box.
    """
    return _encoder(space, features, Identity)


def _encoder(space: Spec, features: int, box: Callable[[int], nn.Module]) -> nn.Module:
    if isinstance(space, spaces.Discrete):
        return Embedding(space.n, features)
    if isinstance(space, spaces.Box):
        return box(len(space.shape))
    raise ValueError(f"no encoder for the space {space!r}; there are those of Discrete and Box")


def _flatten(x: Array, rank: int) -> Array:
    lead = x.shape[: x.ndim - rank]
    size = math.prod(x.shape[x.ndim - rank :])
    return jnp.reshape(x, (*lead, size)).astype(jax.dtypes.canonicalize_dtype(float))
