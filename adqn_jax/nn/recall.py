"""How well an encoded history tells what its episode has shown so far.

A memory learns from rewards only what it happens to hold already. Asking it for all that it has
been shown gives it something to hold, before anything depends on it.
"""

import flax.linen as nn
import jax.numpy as jnp
import optax

from adqn_jax.nn.linear import linear
from adqn_jax.nn.shown import num_bits, shown
from adqn_jax.types import Array, Inputs, Spec

#: Log odds at first: most of what there is has not been shown.
_UNLIKELY = -4.0


class Recall(nn.Module):
    """The log odds that an episode has shown something, linear in its encoded history."""

    space: Spec
    """Of observations."""

    @nn.compact
    def __call__(self, h: Array) -> Array:
        """Map encoded histories, [..., H], to a number for each of N bits, [..., N]."""
        zeros, bits = nn.initializers.zeros, num_bits(self.space, "recall_weight")
        kernel = self.param("kernel", zeros, (h.shape[-1], bits), jnp.float32)
        return linear(h, kernel, self.param("bias", zeros, (bits,), jnp.float32)) + _UNLIKELY

    def loss(self, log_odds: Array, inputs: Inputs) -> Array:
        """Return what a history does not tell, in nats, [T, B]; `log_odds` are [T, B, N]."""
        bits = shown(self.space, inputs.observation, inputs.start).astype(log_odds.dtype)
        return jnp.sum(optax.sigmoid_binary_cross_entropy(log_odds, bits), axis=-1)


def make_recall(space: Spec) -> Recall:
    """Ask for what observations of a space show.

    Raises:
      ValueError: when nothing in them is counted: neither a Discrete nor a grid of indices.
    """
    num_bits(space, "recall_weight")
    return Recall(space)
