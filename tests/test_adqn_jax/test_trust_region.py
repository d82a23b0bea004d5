"""The trust-region step: closed forms, and a bound that is never passed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adqn_jax import trust_region
from adqn_jax.trust_region import TrustRegion

REGION = TrustRegion()
numbers = hnp.arrays(np.float32, 5, elements=st.floats(-3, 3, width=32))


def bandit(logits: Any, worth: Any) -> tuple[Any, Any]:
    """Return the surrogate Σ_a π(a) A(a) and the KL from a softmax policy."""
    old = jax.nn.log_softmax(jnp.asarray(logits))

    def surrogate(x: jax.Array) -> jax.Array:
        return jax.nn.softmax(x) @ worth

    def kl(x: jax.Array) -> jax.Array:
        return jnp.exp(old) @ (old - jax.nn.log_softmax(x))

    return surrogate, kl


@jax.jit
def move(logits: jax.Array, worth: jax.Array, max_kl: jax.Array) -> tuple[jax.Array, Any]:
    """Take a step on a bandit."""
    surrogate, kl = bandit(logits, worth)
    return trust_region.step(surrogate, kl, logits, REGION, max_kl=max_kl, damping=1e-4)


def test_conjugate_gradients_solve() -> None:
    """N steps solve a system of N equations; further ones, and a right side of 0, do no harm."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    matrix = jnp.asarray(root @ root.T + np.eye(6), jnp.float32)
    b = jnp.asarray(rng.normal(size=6), jnp.float32)
    for steps in (6, 40):
        x = trust_region.conjugate_gradients(lambda v: matrix @ v, b, steps)
        np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-3, atol=1e-4)
    assert not trust_region.conjugate_gradients(lambda v: matrix @ v, 0.0 * b, 5).any()


def test_quadratic() -> None:
    """Of a linear surrogate and a quadratic KL: √(2δ / gᵀH⁻¹g) H⁻¹g, in a pytree of two leaves."""
    hessian = jnp.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 4.0]])
    g, start = jnp.array([1.0, -2.0, 3.0]), {"a": jnp.array([1.0]), "b": jnp.array([0.0, -1.0])}

    def flat(x: Any) -> jax.Array:
        return jnp.concatenate([x["a"], x["b"]])

    def kl(x: Any) -> jax.Array:
        moved = flat(x) - flat(start)
        return 0.5 * moved @ hessian @ moved

    after, moved = trust_region.step(
        lambda x: g @ flat(x), kl, start, REGION, max_kl=0.1 * (1 + 1e-5), damping=0.0
    )
    natural = np.linalg.solve(hessian, g)
    expected = np.sqrt(0.2 / (g @ natural)) * natural
    np.testing.assert_allclose(flat(after) - flat(start), expected, rtol=1e-3, atol=1e-5)
    assert float(moved.kl) == pytest.approx(0.1, rel=1e-3)
    assert float(moved.length) == 1.0
    assert float(moved.improvement) == pytest.approx(float(g @ expected), rel=1e-3)


def test_softmax_bandit() -> None:
    """The full step is √(2δ / Var_π A) (A - mean A): the natural gradient of a softmax."""
    logits, worth = jnp.array([0.3, -0.5, 1.0, 0.0]), jnp.array([1.0, 2.0, -1.0, 0.5])
    surrogate, kl = bandit(logits, worth)
    full = trust_region.full_step(
        kl, logits, jax.grad(surrogate)(logits), REGION, max_kl=0.01, damping=0.0
    )
    policy = jax.nn.softmax(logits)
    variance = policy @ (worth - policy @ worth) ** 2
    expected = jnp.sqrt(0.02 / variance) * (worth - worth.mean())
    np.testing.assert_allclose(full, expected, rtol=1e-3)


@given(numbers, numbers, st.floats(1e-4, 1.0))
def test_the_bound_is_never_passed(logits: Any, worth: Any, max_kl: float) -> None:
    """Whatever the bandit, KL ≤ δ, and the surrogate never falls."""
    surrogate, kl = bandit(logits, worth)
    after, moved = move(logits, worth, jnp.float32(max_kl))
    assert float(moved.kl) <= max_kl * (1 + 1e-6)
    assert float(kl(after)) <= max_kl * (1 + 1e-3) + 1e-6
    assert float(surrogate(after)) >= float(surrogate(jnp.asarray(logits))) - 1e-6
    if np.ptp(worth) == 0.0:
        np.testing.assert_allclose(after, logits, atol=1e-3)


def test_many_steps_find_the_best_arm() -> None:
    """Steps of KL 0.05 add up."""
    logits, worth = jnp.zeros(4), jnp.array([0.1, 0.9, 1.0, 0.0])
    for _ in range(60):
        logits, _ = move(logits, worth, jnp.float32(0.05))
    assert float(jax.nn.softmax(logits)[2]) > 0.9


def test_no_good_length_stays() -> None:
    """A surrogate that is not finite anywhere else leaves the parameters as they are."""
    start = jnp.array([0.5, -0.5])

    def cliff(x: jax.Array) -> jax.Array:
        return jnp.where((x == start).all(), x.sum(), jnp.nan)

    after, moved = trust_region.step(
        cliff, lambda x: jnp.sum((x - start) ** 2), start, REGION, max_kl=0.1, damping=0.1
    )
    np.testing.assert_array_equal(after, start)
    assert float(moved.length) == 0.0
    assert float(moved.kl) == 0.0
