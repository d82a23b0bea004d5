"""What an episode has shown so far, and how well an encoded history tells it.

A memory learns from rewards only what it happens to hold already. Asking it for all that it has
been shown gives it something to hold, before anything depends on it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from gymnax.environments import spaces

from adqn_jax.nn.grids import num_indices, pairs
from adqn_jax.nn.linear import Linear
from adqn_jax.spaces import is_index_grid
from adqn_jax.types import Array, Inputs, PyTree, Spec

#: Log odds at first: most of what there is has not been shown.
_UNLIKELY = -4.0


class Recall(nn.Module):
    """The log odds that an episode has shown something, linear in its encoded history."""

    space: Spec
    """Of observations."""

    @nn.compact
    def __call__(self, h: Array) -> Array:
        """Map encoded histories, [..., H], to a number for each of N bits, [..., N]."""
        return Linear(_size(self.space), nn.initializers.zeros)(h) + _UNLIKELY

    def loss(self, log_odds: Array, inputs: Inputs) -> Array:
        """Return what a history does not tell, in nats, [T, B]; `log_odds` are [T, B, N]."""
        bits = shown(self.space, inputs.observation, inputs.start).astype(log_odds.dtype)
        return jnp.sum(optax.sigmoid_binary_cross_entropy(log_odds, bits), axis=-1)


def make_recall(space: Spec) -> Recall:
    """Ask for what observations of a space show.

    Raises:
      ValueError: when nothing in them is counted: neither a Discrete nor a grid of indices.
    """
    if not _size(space):
        raise ValueError(
            "recall_weight is for observations that are Discrete or grids of indices, or that "
            f"have such entries, got {space!r}"
        )
    return Recall(space)


def shown(space: Spec, observation: PyTree, start: Array) -> Array:
    """Say of every slot what its episode has shown until then.

    Args:
      space: of observations.
      observation: along rows, leaves [T, B, *shape].
      start: where episodes start, bool [T, B]; what was before a row is not known.

    Returns:
      Bits, bool [T, B, N]: of a Discrete observation, which ones there were; of a grid of indices,
      which of them have met in a cell.
    """
    bits = _shows(space, observation)
    ever = jnp.cumsum(bits, axis=0)
    before = jnp.where(start[..., None], ever - bits, 0.0)  # this episode
    return ever > jax.lax.cummax(before, axis=0)


def _shows(space: Spec, observation: PyTree) -> Array:
    """Return 0 or 1 for everything that observations may show, float [..., N]."""
    if isinstance(space, spaces.Dict):
        entries = sorted(space.spaces.items())
        return jnp.concatenate([_shows(of, observation[name]) for name, of in entries], axis=-1)
    if isinstance(space, spaces.Discrete):
        return jax.nn.one_hot(observation, space.n)
    if is_index_grid(space):
        return pairs(observation, num_indices(space))
    return jnp.zeros((*observation.shape[: observation.ndim - len(space.shape)], 0))


def _size(space: Spec) -> int:
    """Return how many bits say what an observation shows."""
    return jax.eval_shape(lambda: _shows(space, _zeros(space))).shape[-1]


def _zeros(space: Spec) -> PyTree:
    if isinstance(space, spaces.Dict):
        return {name: _zeros(of) for name, of in space.spaces.items()}
    return jnp.zeros(space.shape, space.dtype)
