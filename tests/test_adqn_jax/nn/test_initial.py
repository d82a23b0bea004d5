"""Initial parameters have the distributions that they say, and are drawn once, all together."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from adqn_jax.nn import initial
from adqn_jax.nn.linear import Linear

INPUT, WIDTH = 60, 90
UNIFORM = scipy.stats.uniform(-0.3, 0.6)


class Network(nn.Module):
    """A layer of ours, and one of flax's, with an initialiser of its own."""

    kernel_init: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [INPUT] to [1]."""
        return nn.Dense(1)(Linear(WIDTH, self.kernel_init)(x))


def kernels(kernel_init: Any, key: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of both layers."""
    params = initial.init(Network(kernel_init), jax.random.key(key), jnp.zeros(INPUT))["params"]
    return np.asarray(params["Linear_0"]["kernel"]), np.asarray(params["Dense_0"]["kernel"])


@pytest.mark.parametrize(
    ("initializer", "distribution"),
    [
        (initial.normal(0.2), scipy.stats.norm(0, 0.2)),
        (initial.uniform(0.3), UNIFORM),
        (initial.xavier_relu, scipy.stats.norm(0, (2 / 75) ** 0.5)),
        (initial.scaled(initial.normal(2.0), 0.1), scipy.stats.norm(0, 0.2)),
    ],
    ids=["normal", "uniform", "xavier", "scaled"],
)
def test_distributions(initializer: Any, distribution: Any) -> None:
    """As scipy has them, by the test of Kolmogorov and Smirnov on 5,400 weights."""
    weights = kernels(initializer)[0]
    assert weights.shape == (INPUT, WIDTH)
    assert scipy.stats.kstest(weights.ravel(), distribution.cdf).pvalue > 0.01
    assert len(np.unique(weights)) > 5_000


def test_a_convolution_counts_its_window() -> None:
    """A unit sums over 3 x 3 x 20 numbers: the spread is that of as many inputs and outputs."""
    drawn = initial.xavier_relu(jax.random.normal(jax.random.key(0), (3, 3, 20, 40)))
    np.testing.assert_allclose(drawn.std(), (2 / (9 * 30)) ** 0.5, rtol=0.02)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    """Of rows or columns those that are fewer are orthonormal."""
    x = initial.orthogonal(jax.random.normal(jax.random.key(0), shape))
    assert x.shape == shape
    few = x if shape[0] <= shape[1] else x.T
    np.testing.assert_allclose(few @ few.T, np.eye(min(shape)), atol=1e-5)


def test_second_gate_raised() -> None:
    """Its biases alone are higher."""
    x = jax.random.normal(jax.random.key(0), (12,))
    raised = initial.second_gate_raised(initial.uniform(0.3), 4, 2.0)(x)
    np.testing.assert_allclose(raised - initial.uniform(0.3)(x), [0] * 4 + [2] * 4 + [0] * 4)


def test_parameters_are_independent_of_each_other_and_of_other_keys() -> None:
    """No two are given the same numbers, flax's own initialisers neither."""
    ours, theirs = kernels(initial.normal(1.0))
    other, other_theirs = kernels(initial.normal(1.0), key=1)
    drawn = np.concatenate([np.ravel(x) for x in (ours, theirs, other, other_theirs)])
    assert len(np.unique(drawn)) > 0.99 * drawn.size  # of 8 million numbers some come twice
    assert theirs.std() == pytest.approx(WIDTH**-0.5, rel=0.3)  # LeCun's, of nn.Dense


def test_one_draw_serves_all() -> None:
    """XLA compiles each on its own: a network of any depth makes one, beside those of flax."""

    class Deep(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for _ in range(5):
                x = Linear(8, initial.xavier_relu)(x)
            return x

    program = jax.make_jaxpr(lambda key: initial.init(Deep(), key, jnp.zeros(8)))(jax.random.key(0))
    assert str(program).count("random_bits[") == 1


def test_what_is_not_drawn_is_seen() -> None:
    """A module's own `init` leaves NaN."""
    params = nn.meta.unbox(Linear(3, initial.normal(1.0)).init(jax.random.key(0), jnp.zeros(2)))
    assert np.isnan(params["params"]["kernel"]).all()
    assert (params["params"]["bias"] == 0).all()
