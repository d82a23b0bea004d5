"""What a policy draws actions from: probabilities of discrete ones, a Gaussian of continuous ones.

Both have the same functions. `outputs` are those of the head, whose shape it chooses; `read` makes
of them what the policy *says*, and the other functions tell of that. All take leading axes [...].
"""

import dataclasses
from typing import Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.spaces import Box

from adqn_jax import discrete
from adqn_jax.config import NetworkConfig
from adqn_jax.nn.heads import GaussianHead, Head
from adqn_jax.spaces import units
from adqn_jax.types import Array, Spec

#: Initial log standard deviation, where half the width of the bounds is 1: that of Spinning Up
#: (Achiam, 2018).
LOG_STD = -0.5


class Distribution(Protocol):
    """A family of distributions over the actions of a space."""

    def head(self, config: NetworkConfig) -> nn.Module:
        """Return the head that chooses among them, [..., F] -> outputs."""

    def read(self, outputs: Array) -> Array:
        """Return what the outputs say of actions."""

    def sample(self, key: Array, outputs: Array) -> Array:
        """Draw actions; `key` is consumed."""

    def mode(self, outputs: Array) -> Array:
        """Return the most probable actions."""

    def log_prob(self, said: Array, action: Array) -> Array:
        """Return log π(a|h), float [...]; of continuous actions a density."""

    def entropy(self, said: Array) -> Array:
        """Return the entropy, float [...]; of continuous actions the differential one."""

    def look(self, said: Array) -> dict[str, Array]:
        """Name what a person may want to see of it, each [..., A] or [...]."""


@dataclasses.dataclass(frozen=True)
class Categorical:
    """Probabilities of `number` discrete actions; it says log π(.|h), float [..., A]."""

    number: int

    def head(self, config: NetworkConfig) -> nn.Module:
        """Return a head of logits, [..., A]."""
        return Head(config.head_sizes, self.number, config.output_scale)

    def read(self, outputs: Array) -> Array:
        """Normalise logits to log π(.|h), float [..., A]."""
        return jax.nn.log_softmax(outputs)

    def sample(self, key: Array, outputs: Array) -> Array:
        """Draw actions, int [...]; `key` is consumed."""
        return jax.random.categorical(key, outputs)

    def mode(self, outputs: Array) -> Array:
        """Return the most probable actions, int [...]."""
        return outputs.argmax(-1)

    def log_prob(self, said: Array, action: Array) -> Array:
        """Return log π(a|h) of actions, int [...]; float [...]."""
        return discrete.taken(said, action)

    def entropy(self, said: Array) -> Array:
        """Return H = - Σ_a π(a|h) log π(a|h), float [...]."""
        return discrete.entropy(said)

    def look(self, said: Array) -> dict[str, Array]:
        """Show "pi(a|h)", [..., A]."""
        return {"pi(a|h)": jnp.exp(said)}


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """Independent Gaussians, one for each entry of a flat Box; it says μ and log σ, [..., 2, N].

    The head's numbers are in units of the bounds: μ = centre + half-width x output, and σ likewise.
    Actions are not bounded: the environment clips them (`spaces.executed`), and π is the density
    of what was drawn.
    """

    space: Box

    def head(self, config: NetworkConfig) -> nn.Module:
        """Return a head of means, and of deviations that are parameters, [..., 2, N]."""
        (entries,) = self.space.shape
        return GaussianHead(Head(config.head_sizes, entries, config.output_scale), LOG_STD)

    def read(self, outputs: Array) -> Array:
        """Bring means and log standard deviations, [..., 2, N], to the units of actions."""
        centre, half = units(self.space)
        mean, log_std = outputs[..., 0, :], outputs[..., 1, :]
        return jnp.stack([centre + half * mean, np.log(half) + log_std], axis=-2)

    def sample(self, key: Array, outputs: Array) -> Array:
        """Draw actions, float [..., N]; `key` is consumed."""
        mean, log_std = _parts(self.read(outputs))
        return mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape, mean.dtype)

    def mode(self, outputs: Array) -> Array:
        """Return the means, float [..., N]."""
        return self.read(outputs)[..., 0, :]

    def log_prob(self, said: Array, action: Array) -> Array:
        """Return log π(a|h) = Σ_i -(a_i - μ_i)² / 2σ_i² - log σ_i - log √2π, float [...].

        Args:
          said: μ and log σ, float [..., 2, N].
          action: as it was drawn, float [..., N].
        """
        mean, log_std = _parts(said)
        deviation = (action - mean) * jnp.exp(-log_std)
        return jnp.sum(-0.5 * jnp.square(deviation) - log_std - _LOG_ROOT_2_PI, axis=-1)

    def entropy(self, said: Array) -> Array:
        """Return H = Σ_i 1/2 + log √2π + log σ_i, float [...]."""
        return jnp.sum(0.5 + _LOG_ROOT_2_PI + said[..., 1, :], axis=-1)

    def look(self, said: Array) -> dict[str, Array]:
        """Show "mu(h)" and "sigma(h)", [...] each; of several entries "mu_0(h)" and so on."""
        mean, log_std = _parts(said)
        entries = mean.shape[-1]
        numbers = [f"_{i}" for i in range(entries)] if entries > 1 else [""]
        return {
            f"{name}{number}(h)": x[..., i]
            for name, x in (("mu", mean), ("sigma", jnp.exp(log_std)))
            for i, number in enumerate(numbers)
        }


def distribution_of(space: Spec) -> Distribution:
    """Choose the distribution over a space of actions."""
    return Gaussian(space) if isinstance(space, Box) else Categorical(space.n)


def _parts(said: Array) -> tuple[Array, Array]:
    """Return mean and log standard deviation, [..., N] each."""
    return said[..., 0, :], said[..., 1, :]


_LOG_ROOT_2_PI = 0.5 * float(np.log(2.0 * np.pi))
