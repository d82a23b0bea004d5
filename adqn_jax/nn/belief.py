"""How well an encoded history tells the privileged state.

The belief Pr(s|h) is all that a history says about what is to come. Asking the encoded history for
it, where the state is known, gives it that to hold, whatever rewards have taught so far; nothing is
asked once it acts. (Nguyen et al., 2020, "Belief-grounded networks", ask for a belief that is
given; here a state drawn from it stands for it, and entries are told one by one.)
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from gymnax.environments import spaces

from adqn_jax.nn.linear import linear
from adqn_jax.spaces import bounds, leaves, units
from adqn_jax.types import Array, Inputs, Spec

#: Integers of a Box are told as so many probabilities at most; beyond, as a number.
_MOST_VALUES = 64


class Belief(nn.Module):
    """What an encoded history says of each entry of the state, linear in it.

    Of a Discrete the log odds of its values, up to a constant; so of each entry of a Box of
    integers from 0 to 63 at most, and where it is of bits the log odds of 1. Of other Boxes a mean,
    in units in which -1 and 1 are the bounds, if there are any; it errs with variance 1.
    """

    space: Spec
    """Of states."""

    @nn.compact
    def __call__(self, h: Array) -> Array:
        """Map encoded histories, [..., H], to N numbers, [..., N]."""
        zeros, numbers = nn.initializers.zeros, sum(map(_numbers, leaves(self.space)))
        kernel = self.param("kernel", zeros, (h.shape[-1], numbers), jnp.float32)
        return linear(h, kernel, self.param("bias", zeros, (numbers,), jnp.float32))

    def loss(self, told: Array, inputs: Inputs) -> Array:
        """Return -Σ_i log p(s_i|h) over entries of the state, in nats, [T, B]; told is [T, B, N].

        Of a mean it is half the square of the error: the constant is left out.
        """
        entries = leaves(self.space)
        ends = np.cumsum([_numbers(of) for of in entries])[:-1].tolist()
        parts = jnp.split(told, ends, axis=-1)
        of_entries = zip(entries, parts, jax.tree.leaves(inputs.state), strict=True)
        return jnp.sum(jnp.stack([_untold(*of) for of in of_entries]), axis=0)


def _numbers(space: Spec) -> int:
    """Return how many numbers say what a Discrete or a Box may be."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    values = _values(space)
    return math.prod(space.shape) * (values if values > 2 else 1)


def _untold(space: Spec, told: Array, state: Array) -> Array:
    """Return what [..., N] numbers do not tell of states, [..., *shape], in nats, [...]."""
    if isinstance(space, spaces.Discrete):
        return optax.softmax_cross_entropy_with_integer_labels(told, state)
    values, entries = _values(space), (*told.shape[:-1], math.prod(space.shape))
    if values > 2:
        found = state.reshape(entries).astype(jnp.int32)
        log_odds = told.reshape(*entries, values)
        return optax.softmax_cross_entropy_with_integer_labels(log_odds, found).sum(-1)
    if values:
        return optax.sigmoid_binary_cross_entropy(told, state.reshape(entries)).sum(-1)
    centre, half = units(space)
    found = (state - centre) / np.where(half > 0, half, np.float32(1.0))  # some never change
    return 0.5 * jnp.square(told - found.reshape(entries)).sum(-1)


def _values(space: spaces.Box) -> int:
    """Return how many values an entry may have, from 0 on; 0: it is told as a number."""
    low, high = bounds(space)
    few = low.size and low.min() >= 0 and high.max() < _MOST_VALUES
    return int(high.max()) + 1 if few and not jnp.issubdtype(space.dtype, jnp.floating) else 0
