"""Weights, divergence and surrogates of imitation, by hand and by enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adqn_jax.imitation import losses
from adqn_jax.surrogates import clipped_surrogate

logits = hnp.arrays(np.float32, 4, elements=st.floats(-2, 2, width=32))


@given(logits, logits, logits, st.floats(0, 1, width=32))
def test_weights_are_unbiased(
    of_expert: np.ndarray, of_student: np.ndarray, worth: np.ndarray, beta: float
) -> None:
    """Σ_a π_β(a) w(a) f(a) = Σ_a π_θ(a) f(a) over all actions, whatever β; at β = 1, w = 1."""
    expert, student = (jax.nn.log_softmax(jnp.asarray(x)) for x in (of_expert, of_student))
    weigh = jax.vmap(losses.importance_weight, (0, 0, None))
    mixture = beta * jnp.exp(expert) + (1.0 - beta) * jnp.exp(student)
    weighted = jnp.sum(mixture * weigh(expert, student, jnp.float32(beta)) * worth)
    np.testing.assert_allclose(weighted, jnp.exp(expert) @ worth, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(weigh(expert, student, jnp.float32(1.0)), 1.0, rtol=1e-5)


def test_divergence() -> None:
    """By hand; its gradient is the cross-entropy's, finite where the expert never goes."""
    expert, student = jnp.log(jnp.array([0.5, 0.5, 0.0])), jnp.log(jnp.array([0.25, 0.5, 0.25]))
    assert losses.forward_kl(expert, student) == pytest.approx(0.5 * np.log(2.0))
    assert losses.forward_kl(student, student) == pytest.approx(0.0, abs=1e-7)

    def loss(x: jax.Array) -> jax.Array:
        return losses.forward_kl(expert, jax.nn.log_softmax(x))

    np.testing.assert_allclose(jax.grad(loss)(student), [-0.25, 0.0, 0.25], atol=1e-6)


def test_surrogates() -> None:
    """Ratio times advantage; clipped where it would gain more; at the old policy its gradient."""
    half, third = jnp.log(0.5), jnp.log(1 / 3)
    assert losses.surrogate(half, third, jnp.float32(2.0)) == pytest.approx(3.0)
    for advantage, expected in ((2.0, 2.4), (-2.0, -3.0)):
        clipped = clipped_surrogate(half, third, jnp.float32(advantage), 0.2)
        assert clipped == pytest.approx(expected)
    slope = jax.grad(losses.surrogate)(third, third, jnp.float32(2.0))
    assert slope == pytest.approx(2.0)
