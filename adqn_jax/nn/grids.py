"""Encoders of what has rows and columns: grids of indices, and pictures."""

import itertools
import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces

from adqn_jax.config import NetworkConfig
from adqn_jax.nn.convolutions import Convolutions3x3
from adqn_jax.nn.initial import xavier_relu
from adqn_jax.nn.linear import Embedding, Linear
from adqn_jax.spaces import UNBOUNDED, bounds, is_bytes
from adqn_jax.types import Array

#: Widths of what `CellEncoder` makes: of an index in a cell, of all that the cell holds, and of
#: what is kept of it for its place.
_OF_INDEX, _OF_CELL, _OF_PLACE = 8, 32, 8
_MOST_INDEX = 65_535
#: A picture with more rows or columns than this is halved by the next convolution.
_SMALL = 12


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
        x = _cells(Embedding(self.num_indices, 4, name="index"), grid, channels)
        x = Convolutions3x3(tuple(self.conv_channels), xavier_relu, name="convolutions")(x)
        x = jnp.concatenate([_flat(x), *(flat.astype(x.dtype) for flat in flats)], axis=-1)
        return nn.relu(Linear(self.features, xavier_relu)(x))


class CellEncoder(nn.Module):
    """A grid of indices cell by cell: what there is, wherever it is, and what is where.

    A layer that all cells share tells apart what a cell's indices say together, such as a green
    beacon; the maximum over cells says what is anywhere in the grid. A second one looks at each
    cell again in the light of that, and finds, say, the exit that has the beacon's colour. What is
    learned of a thing in one place so holds in all (Zaheer et al., 2017, "Deep Sets"). A narrower
    layer keeps what is in each place. Arguments as of `GridEncoder`.
    """

    num_indices: int
    features: int

    @nn.compact
    def __call__(self, grid: Array, channels: Sequence[Array], flats: Sequence[Array]) -> Array:
        """Encode [..., R, C, K] indices, [..., R, C] channels and [..., N] flats."""
        cells = _cells(Embedding(self.num_indices, _OF_INDEX, name="index"), grid, channels)
        cells = nn.relu(Linear(_OF_CELL, xavier_relu, name="cell")(cells))
        anywhere = cells.max((-3, -2))
        light = Linear(_OF_CELL, xavier_relu, name="grid")(anywhere)
        cells = Linear(_OF_CELL, xavier_relu, name="again")(cells) + light[..., None, None, :]
        cells = nn.relu(cells)
        placed = nn.relu(Linear(_OF_PLACE, xavier_relu, name="place")(cells))
        joined = [anywhere, cells.max((-3, -2)), _flat(placed)]
        joined += [flat.astype(cells.dtype) for flat in flats]
        return nn.relu(Linear(self.features, xavier_relu)(jnp.concatenate(joined, axis=-1)))


class PairEncoder(nn.Module):
    """A grid of indices by what meets in a cell: kind and colour, say, of one thing.

    For any two indices of a cell there is a bit, whether they meet in some cell of the grid: "a
    green beacon is in view" is an input, and need not be learned. A layer that all cells share
    looks at each in the light of these bits, and of the flat vectors, and finds, say, the exit that
    has the beacon's colour; a narrower one keeps what is in each place. Arguments as of
    `GridEncoder`.
    """

    num_indices: int
    features: int

    @nn.compact
    def __call__(self, grid: Array, channels: Sequence[Array], flats: Sequence[Array]) -> Array:
        """Encode [..., R, C, K] indices, [..., R, C] channels and [..., N] flats."""
        anywhere = pairs(grid, self.num_indices)
        told = [anywhere, *(flat.astype(anywhere.dtype) for flat in flats)]
        whole = jnp.concatenate(told, axis=-1)
        light = Linear(_OF_CELL, xavier_relu, name="grid")(whole)
        cells = _cells(Embedding(self.num_indices, _OF_INDEX, name="index"), grid, channels)
        cells = Linear(_OF_CELL, xavier_relu, name="cell")(cells) + light[..., None, None, :]
        placed = nn.relu(Linear(_OF_PLACE, xavier_relu, name="place")(nn.relu(cells)))
        return nn.relu(Linear(self.features, xavier_relu)(_flat(placed), whole))


def pairs(grid: Array, num_indices: int) -> Array:
    """Say which indices of two channels meet in some cell of a grid.

    Args:
      grid: indices, [..., R, C, K]; of one channel, it is said which of them there are.
      num_indices: n, all indices are below it.

    Returns:
      0 or 1, float [..., K (K - 1) / 2 * n^2], or [..., n] where K is 1.
    """
    lead, (rows, columns, channels) = grid.shape[:-3], grid.shape[-3:]
    cells = jnp.reshape(grid, (*lead, rows * columns, channels))
    there = jax.nn.one_hot(cells, num_indices)
    if channels == 1:
        return there[..., 0, :].max(-2)
    meets = [
        jnp.einsum("...ca,...cb->...ab", there[..., i, :], there[..., j, :])
        for i, j in itertools.combinations(range(channels), 2)
    ]
    return jnp.reshape(jnp.minimum(jnp.stack(meets, -3), 1.0), (*lead, -1))


class DictGridEncoder(nn.Module):
    """Entries of a Dict space, encoded together: one grid, its channels, and vectors."""

    space: spaces.Dict
    config: NetworkConfig

    @nn.compact
    def __call__(self, x: dict[str, Array]) -> Array:
        """Encode [..., *shape] entries to [..., features]."""
        by_rank: dict[int, list[str]] = {1: [], 2: [], 3: []}
        for name, space in sorted(self.space.spaces.items()):
            by_rank[len(space.shape)].append(name)
        (grid,) = by_rank[3]
        encoder = _grid_encoder(self.space.spaces[grid], self.config)
        flats = [flatten(x[n], self.space.spaces[n], self.config.scale_boxes) for n in by_rank[1]]
        return encoder(x[grid], [x[n] for n in by_rank[2]], flats)


class BoxGridEncoder(nn.Module):
    """A single grid of indices."""

    space: spaces.Box
    config: NetworkConfig

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encode [..., R, C, K] to [..., features]."""
        return _grid_encoder(self.space, self.config)(x, [], [])


class ImageEncoder(nn.Module):
    """A picture through convolutions, a linear layer and a ReLU.

    A convolution moves by two cells, which halves rows and columns, while either is more than 12;
    then by one. Bytes are divided by 255, other numbers taken as they are.
    """

    space: spaces.Box
    features: int
    conv_channels: Sequence[int]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encode [..., R, C, K] to [..., features]."""
        x = x.astype(jnp.float32)
        if is_bytes(self.space):
            x = x / 255.0
        sizes = tuple(self.conv_channels)
        strides = image_strides(self.space.shape, len(sizes))
        x = Convolutions3x3(sizes, xavier_relu, strides, name="convolutions")(x)
        return nn.relu(Linear(self.features, xavier_relu)(_flat(x)))


def _grid_encoder(space: spaces.Box, config: NetworkConfig) -> nn.Module:
    """Choose how a grid of indices is encoded."""
    of, features = num_indices(space), config.embedding_size
    if config.grid_encoder == "cells":
        return CellEncoder(of, features)
    if config.grid_encoder == "pairs":
        return PairEncoder(of, features)
    return GridEncoder(of, features, config.conv_channels)


def _cells(index: Embedding, grid: Array, channels: Sequence[Array]) -> Array:
    """Join what a cell's indices are embedded to, and its channels, [..., R, C, *]."""
    x = index(grid)
    x = jnp.reshape(x, (*grid.shape[:-1], grid.shape[-1] * x.shape[-1]))
    further = [channel[..., None].astype(x.dtype) for channel in channels]
    return jnp.concatenate([x, *further], axis=-1)


def _flat(x: Array) -> Array:
    """Flatten rows, columns and channels."""
    return jnp.reshape(x, (*x.shape[:-3], math.prod(x.shape[-3:])))


def image_strides(shape: Sequence[int], layers: int) -> tuple[int, ...]:
    """Return by how many cells each convolution of a picture, [R, C, K], moves."""
    strides, size = [], max(shape[:2])
    for _ in range(layers):
        strides.append(2 if size > _SMALL else 1)
        size = -(-size // strides[-1])
    return tuple(strides)


def num_indices(space: spaces.Box) -> int:
    """Return how many indices a grid may hold.

    Raises:
      ValueError: when they do not count from 0, or without end.
    """
    least, most = int(np.min(np.asarray(space.low))), int(np.max(np.asarray(space.high)))
    if least < 0 or most > _MOST_INDEX:
        raise ValueError(
            f"a grid of indices holds 0 to {_MOST_INDEX} at most, and its space declares {least} "
            f"to {most}"
        )
    return most + 1


def flatten(x: Array, space: spaces.Box, scales: bool) -> Array:
    """Flatten an element of a Box, [..., *shape] to float32 [..., N].

    Args:
      x: the element.
      space: its space.
      scales: whether to divide each entry by the larger of its bounds, if it has any but 0.
    """
    lead = x.shape[: x.ndim - len(space.shape)]
    flat = jnp.reshape(x, (*lead, math.prod(space.shape))).astype(jnp.float32)
    if not scales:
        return flat
    low, high = (np.abs(bound).ravel() for bound in bounds(space))
    largest = np.maximum(low, high)
    return flat / np.where((largest > 0) & (largest < UNBOUNDED), largest, np.float32(1.0))
