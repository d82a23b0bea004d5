"""Feature encoders, chosen from the spaces that an environment declares."""

import math

import flax.linen as nn
import jax.numpy as jnp
from gymnax.environments import spaces

from adqn_jax.config import NetworkConfig
from adqn_jax.nn.grids import (
    BoxGridEncoder,
    DictGridEncoder,
    ImageEncoder,
    flatten,
    num_indices,
)
from adqn_jax.nn.initial import later, normal, xavier_relu
from adqn_jax.nn.linear import Embedding, Linear, linear
from adqn_jax.spaces import executed, is_image, is_index_grid, leaves, units
from adqn_jax.types import Array, Spec


class FlatEncoder(nn.Module):
    """A flat or flattened observation through one linear layer and a ReLU."""

    space: spaces.Box
    features: int
    scales: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Encode, [..., *shape] -> [..., features]."""
        flat = flatten(x, self.space, self.scales)
        return nn.relu(Linear(self.features, xavier_relu)(flat))


class Identity(nn.Module):
    """A state that is its own feature vector."""

    space: spaces.Box
    scales: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Flatten, [..., *shape] -> [..., prod(shape)]."""
        return flatten(x, self.space, self.scales)


class ActionEncoder(nn.Module):
    """A continuous action through a linear layer without bias.

    It is what the environment was given, clipped to the bounds, and in units of them: -1 is low, 1
    is high. Weights are N(0, scale^2 / N) at first, so that an action at its bounds is embedded as
    far from 0 as a discrete one is.
    """

    space: spaces.Box
    features: int
    scale: float

    @nn.compact
    def __call__(self, action: Array) -> Array:
        """Map [..., N] to [..., features]."""
        centre, half = units(self.space)
        (entries,) = self.space.shape
        init = later(normal(self.scale / math.sqrt(entries)))
        kernel = self.param("kernel", init, (entries, self.features))
        within = (executed(action, self.space) - centre) / half
        return linear(within, kernel, jnp.zeros(self.features, jnp.float32))


class DictEncoder(nn.Module):
    """Entries of a Dict space, each through its own encoder, then a linear layer and a ReLU."""

    space: spaces.Dict
    config: NetworkConfig
    keeps_flat: bool
    """Whether flat entries join as they are."""

    @nn.compact
    def __call__(self, x: dict[str, Array]) -> Array:
        """Encode [..., *shape] entries to [..., features]."""
        features = [
            _encoder(space, self.config, self.keeps_flat)(x[name])
            for name, space in sorted(self.space.spaces.items())
        ]
        joined = jnp.concatenate(features, axis=-1)
        return nn.relu(Linear(self.config.embedding_size, xavier_relu)(joined))


def action_encoder(space: Spec, config: NetworkConfig) -> nn.Module:
    """Choose the encoder of the action before, `config.embedding_size` features wide.

    Args:
      space: Discrete, embedded; or a flat Box, through a linear layer.
      config: width, and `action_scale`.
    """
    kind = ActionEncoder if isinstance(space, spaces.Box) else Embedding
    of = space if isinstance(space, spaces.Box) else space.n
    return kind(of, config.embedding_size, config.action_scale)


def observation_encoder(space: Spec, config: NetworkConfig) -> nn.Module:
    """Choose the encoder of observations, `config.embedding_size` features wide.

    Args:
      space: Discrete, embedded; a Box of rank 3: `spaces.is_image` says which is a picture,
        convolved, and `spaces.is_index_grid` which a grid of indices; any other Box, flattened into
        a linear layer with a ReLU; a Dict of one grid of indices, Boxes of its size and flat Boxes,
        encoded together; any other Dict of these, entry by entry.
      config: widths, channels, how grids of indices are encoded, and whether to divide a flattened
        Box's entries by the bounds it declares.

    Raises:
      ValueError: when the space is none of these.
    """
    _check(space)
    return _encoder(space, config, keeps_flat=False)


def state_encoder(space: Spec, config: NetworkConfig) -> nn.Module:
    """Choose the encoder of privileged states: as of observations, but flat Boxes stay so.

    Arguments and errors are those of `observation_encoder`.
    """
    _check(space)
    return _encoder(space, config, keeps_flat=True)


def _encoder(space: Spec, config: NetworkConfig, keeps_flat: bool) -> nn.Module:
    features = config.embedding_size
    if isinstance(space, spaces.Discrete):
        return Embedding(space.n, features)
    if isinstance(space, spaces.Dict):
        if _is_one_grid(space):
            return DictGridEncoder(space, config)
        return DictEncoder(space, config, keeps_flat)
    if is_index_grid(space):
        return BoxGridEncoder(space, config)
    if is_image(space):
        return ImageEncoder(space, features, config.conv_channels)
    if keeps_flat:
        return Identity(space, config.scale_boxes)
    return FlatEncoder(space, features, config.scale_boxes)


def _check(space: Spec) -> None:
    if not _is_known(space):
        raise ValueError(
            f"no encoder for the space {space!r}; there are those of Discrete, Box, and Dicts of "
            f"these"
        )
    for leaf in leaves(space):
        if is_index_grid(leaf):
            num_indices(leaf)  # or there is no embedding of them


def _is_known(space: Spec) -> bool:
    if isinstance(space, spaces.Dict):
        return bool(space.spaces) and all(map(_is_known, space.spaces.values()))
    return isinstance(space, spaces.Discrete | spaces.Box)


def _is_one_grid(space: spaces.Dict) -> bool:
    """Whether there is one grid of indices, and all else are its channels, or flat."""
    entries = list(space.spaces.values())
    grids = [entry for entry in entries if is_index_grid(entry)]
    return len(grids) == 1 and all(
        isinstance(entry, spaces.Box)
        and (len(entry.shape) == 1 or tuple(entry.shape) == tuple(grids[0].shape[:2]))
        for entry in entries
        if entry is not grids[0]
    )
