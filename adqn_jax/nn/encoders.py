"""Feature encoders, chosen from the spaces that an environment declares."""

import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces

from adqn_jax.config import NetworkConfig
from adqn_jax.nn.convolutions import Convolutions3x3
from adqn_jax.nn.linear import Linear
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
        table = self.param("table", nn.initializers.normal(self.scale), shape, jnp.float32)
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
        return nn.relu(Linear(self.features, xavier_relu)(flat))


class Identity(nn.Module):
    """A state that is its own feature vector."""

    space: spaces.Box
    scales: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Flatten, [..., *shape] -> [..., prod(shape)]."""
        return _flatten(x, self.space, self.scales)


class GridEncoder(nn.Module):
    """A grid of indices through an embedding and convolutions.

    The indices of a cell, in 4 dimensions each, are its channels; further grids of the same size
    are further channels; flat vectors join after the convolutions.
    """

    num_indices: int
    features: int
    conv_channels: Sequence[int]

    @nn.compact
    def __call__(self, grid: Array, channels: Sequence[Array], flats: Sequence[Array]) -> Array:
        """Encode [..., R, C, K] indices, [..., R, C] channels and [..., N] flats."""
        x = Embedding(self.num_indices, 4, name="index")(grid)
        x = jnp.reshape(x, (*grid.shape[:-1], 4 * grid.shape[-1]))
        further = [channel[..., None].astype(x.dtype) for channel in channels]
        x = jnp.concatenate([x, *further], axis=-1)
        x = Convolutions3x3(tuple(self.conv_channels), xavier_relu, name="convolutions")(x)
        x = jnp.reshape(x, (*x.shape[:-3], math.prod(x.shape[-3:])))
        x = jnp.concatenate([x, *(flat.astype(x.dtype) for flat in flats)], axis=-1)
        return nn.relu(Linear(self.features, xavier_relu)(x))


class DictGridEncoder(nn.Module):
    """Entries of a Dict space into a `GridEncoder`: one grid, its channels, and vectors."""

    space: spaces.Dict
    features: int
    conv_channels: Sequence[int]

    @nn.compact
    def __call__(self, x: dict[str, Array]) -> Array:
        """Encode [..., *shape] entries to [..., features]."""
        by_rank: dict[int, list[str]] = {1: [], 2: [], 3: []}
        for name, space in sorted(self.space.spaces.items()):
            by_rank[len(space.shape)].append(name)
        (grid,) = by_rank[3]
        num_indices = _num_indices(self.space.spaces[grid])
        encoder = GridEncoder(num_indices, self.features, self.conv_channels)
        return encoder(x[grid], [x[n] for n in by_rank[2]], [x[n] for n in by_rank[1]])


class BoxGridEncoder(nn.Module):
    """A single grid of indices into a `GridEncoder`."""

    space: spaces.Box
    features: int
    conv_channels: Sequence[int]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encode [..., R, C, K] to [..., features]."""
        encoder = GridEncoder(_num_indices(self.space), self.features, self.conv_channels)
        return encoder(x, [], [])


def observation_encoder(space: Spec, config: NetworkConfig) -> nn.Module:
    """Choose the encoder of observations, `config.embedding_size` features wide.

    Args:
      space: Discrete, embedded; a Box of integers of rank 3, which is a grid of indices, or a Dict
        with one such grid, Boxes of its size and flat Boxes, convolved; any other Box, flattened
        into a linear layer with a ReLU.
      config: widths, channels, and whether to divide a flattened Box's entries by the bounds it
        declares.

    Raises:
      ValueError: when the space is none of these.
    """
    width, scales = config.embedding_size, config.scale_boxes
    return _encoder(space, config, lambda box: FlatEncoder(box, width, scales))


def state_encoder(space: Spec, config: NetworkConfig) -> nn.Module:
    """Choose the encoder of privileged states: as of observations, but flat Boxes stay so.

    Arguments and errors are those of `observation_encoder`.
    """
    return _encoder(space, config, lambda box: Identity(box, config.scale_boxes))


def _encoder(
    space: Spec, config: NetworkConfig, flat: Callable[[spaces.Box], nn.Module]
) -> nn.Module:
    features, channels = config.embedding_size, config.conv_channels
    if isinstance(space, spaces.Discrete):
        return Embedding(space.n, features)
    if _is_index_grid(space):
        return BoxGridEncoder(space, features, channels)
    if isinstance(space, spaces.Box):
        return flat(space)
    if isinstance(space, spaces.Dict) and sum(map(_is_index_grid, space.spaces.values())) == 1:
        return DictGridEncoder(space, features, channels)
    raise ValueError(
        f"no encoder for the space {space!r}; there are those of Discrete, Box, and Dict with one "
        f"grid of indices"
    )


def _is_index_grid(space: Spec) -> bool:
    return (
        isinstance(space, spaces.Box)
        and len(space.shape) == 3
        and jnp.issubdtype(space.dtype, jnp.integer)
    )


def _num_indices(space: spaces.Box) -> int:
    return int(np.max(np.asarray(space.high))) + 1


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
