"""What a head's numbers say of the return after an action: its mean, or its distribution.

Chosen by `HeadConfig.values`. A distribution is atoms, all alike in weight or each with a
probability. What Q and U are told apart by stays: an action is chosen by the mean, and where one
regresses on the other, distribution regresses on distribution.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.nn.heads import midpoints
from adqn_jax.types import Array
from adqn_jax.value import losses
from adqn_jax.value.config import HeadConfig, Hyperparameters


@struct.dataclass
class Returns:
    """What a value regresses on."""

    atoms: Array  # [...] a number; or [..., M]
    probabilities: Array | None  # [..., M]; None where all atoms weigh alike

    @property
    def mean(self) -> Array:
        """Expected return, of distributions along the last axis."""
        if self.probabilities is not None:
            return jnp.sum(self.atoms * self.probabilities, axis=-1)
        return self.atoms.mean(-1)


@dataclasses.dataclass(frozen=True)
class Scalar:
    """The expected return, by least squares."""

    shape: ClassVar[tuple[int, ...]] = ()
    """Of the head's numbers for each action."""
    weighted: ClassVar[bool] = False
    """Whether atoms have probabilities of their own."""

    def mean(self, outputs: Array) -> Array:
        """Return the expected return, [...], of outputs [..., *shape]."""
        return outputs

    def returns(self, outputs: Array) -> Returns:
        """Read outputs, [..., *shape], as atoms."""
        return Returns(outputs, None)

    def expected(self, returns: Returns) -> Array:
        """Return the mean of what is regressed on, [...]."""
        return returns.atoms

    def loss(
        self, hyper: Hyperparameters, outputs: Array, fractions: Array | None, returns: Returns
    ) -> Array:
        """Compare one action's outputs, [*shape], with what they regress on; a scalar."""
        return losses.regression_error(outputs, returns.atoms) ** 2

    def error(self, loss: Array) -> Array:
        """Return how far off a value is, for priorities: |TD error|."""
        return jnp.sqrt(loss)


@dataclasses.dataclass(frozen=True)
class _Distribution:
    """Atoms along a last axis."""

    atoms: int
    weighted: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, ...]:
        """One number for each atom."""
        return (self.atoms,)

    def mean(self, outputs: Array) -> Array:
        """Return the mean of the atoms, [...]."""
        return outputs.mean(-1)

    def returns(self, outputs: Array) -> Returns:
        """Read outputs, [..., N], as atoms that weigh alike."""
        return Returns(outputs, None)

    def expected(self, returns: Returns) -> Array:
        """Return the mean of what is regressed on, [...]."""
        return returns.mean

    def error(self, loss: Array) -> Array:
        """Return how far off a distribution is: its loss, which rounding may have put below 0."""
        return jnp.maximum(loss, 0.0)


@dataclasses.dataclass(frozen=True)
class Categorical(_Distribution):
    """Logits of atoms that stand fixed and evenly from `least` to `most`, C51."""

    least: float
    most: float
    weighted = True

    @property
    def support(self) -> Array:
        """Where the atoms stand, float [N]."""
        return jnp.linspace(self.least, self.most, self.atoms, dtype=jnp.float32)

    def mean(self, outputs: Array) -> Array:
        """Return Σ_i p_i z_i, [...]."""
        # A sum, and no product of matrices, whose precision an accelerator may lower.
        return jnp.sum(jax.nn.softmax(outputs) * self.support, axis=-1)

    def returns(self, outputs: Array) -> Returns:
        """Read logits, [..., N], as probabilities of the atoms."""
        return Returns(jnp.broadcast_to(self.support, outputs.shape), jax.nn.softmax(outputs))

    def loss(
        self, hyper: Hyperparameters, outputs: Array, fractions: Array | None, returns: Returns
    ) -> Array:
        """Project what is regressed on, and return the cross-entropy."""
        assert returns.probabilities is not None
        atoms, probabilities = returns.atoms, returns.probabilities
        projected = losses.categorical_projection(atoms, probabilities, self.support)
        return losses.cross_entropy(outputs, projected)


@dataclasses.dataclass(frozen=True)
class Quantiles(_Distribution):
    """Quantiles at the middles of equal shares of probability, QR-DQN."""

    def loss(
        self, hyper: Hyperparameters, outputs: Array, fractions: Array | None, returns: Returns
    ) -> Array:
        """Regress on quantiles; those at `fractions`, [N], where the head was asked there."""
        shares = midpoints(self.atoms) if fractions is None else fractions
        return losses.quantile_huber(outputs, shares, returns.atoms, hyper.kappa)


@dataclasses.dataclass(frozen=True)
class ImplicitQuantiles(Quantiles):
    """Quantiles at fractions drawn anew for each slot, IQN; to act, at those of `Quantiles`."""


@dataclasses.dataclass(frozen=True)
class Particles(_Distribution):
    """Samples, by moment matching, MMDQN."""

    def loss(
        self, hyper: Hyperparameters, outputs: Array, fractions: Array | None, returns: Returns
    ) -> Array:
        """Return the squared distance of the two sets of particles."""
        return losses.moment_matching(outputs, returns.atoms)


Distribution = Scalar | Categorical | Quantiles | ImplicitQuantiles | Particles

#: For each choice: the atoms unless `value_atoms` says how many, and the kind.
_KINDS: dict[str, tuple[int, Callable[[int], Distribution]]] = {
    "quantile": (32, Quantiles),
    "implicit-quantile": (8, ImplicitQuantiles),
    "particles": (16, Particles),
}
_CATEGORICAL_ATOMS = 51


def make_distribution(config: HeadConfig) -> Distribution:
    """Choose what the heads' numbers say.

    Raises:
      ValueError: when a categorical distribution has no range.
    """
    if config.values == "scalar":
        return Scalar()
    if config.values == "categorical":
        if not config.value_least < config.value_most:
            raise ValueError(
                f"values categorical needs the range of discounted returns: value_least must be "
                f"below value_most, got {config.value_least:g} and {config.value_most:g}"
            )
        atoms = config.value_atoms or _CATEGORICAL_ATOMS
        if atoms < 2:
            raise ValueError(f"values categorical needs at least 2 value_atoms, got {atoms}")
        return Categorical(atoms, config.value_least, config.value_most)
    usual, kind = _KINDS[config.values]
    return kind(config.value_atoms or usual)
