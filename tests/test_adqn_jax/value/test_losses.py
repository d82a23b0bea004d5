"""TD errors on hand-checkable arrays, alone, under jit and under vmap."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.value import losses

VARIANTS: dict[str, Callable] = {"plain": lambda f: f, "jit": jax.jit}
REWARD = jnp.array([1.0, 0.0, 2.0, -1.0])
DISCOUNT = jnp.array([0.5, 0.5, 0.0, 0.5])  # an episode ends with the third step
VALUE = jnp.array([4.0, 8.0, 100.0, 6.0])
ON = jnp.ones(4)


def test_bootstrap_value_is_selected_by_the_selector() -> None:
    """The action comes from the selector, its value from the other model."""
    value = losses.bootstrap_value(jnp.array([5.0, 7.0, 9.0]), jnp.array([0.0, 2.0, 1.0]))
    assert value == 7.0


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (0.0 * ON, [3.0, 4.0, 2.0, 2.0]),  # one step: r + γ v
        (ON, [1.5, 1.0, 2.0, 2.0]),  # all rewards of the episode; the row's end bootstraps
        (0.5 * ON, [1.0 + 0.5 * (2.0 + 1.25), 2.5, 2.0, 2.0]),
        (jnp.array([1.0, 0.0, 1.0, 1.0]), [1.0 + 0.5 * 4.0, 4.0, 2.0, 2.0]),  # cut after two
    ],
)
def test_lambda_returns(variant: str, trace: jax.Array, expected: list[float]) -> None:
    """Returns mix, stop at episode ends, and bootstrap where they are cut."""
    function = VARIANTS[variant](losses.lambda_returns)
    np.testing.assert_allclose(function(REWARD, DISCOUNT, VALUE, trace), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [3.0, 4.0, 2.0, 2.0]),
        (2, [1.0 + 0.5 * 4.0, 0.5 * 2.0, 2.0, 2.0]),
        (3, [1.5, 1.0, 2.0, 2.0]),
        (9, [1.5, 1.0, 2.0, 2.0]),
    ],
)
def test_n_step_returns(n: int, expected: list[float]) -> None:
    """N rewards and a bootstrap, fewer at the end of an episode or of the row."""
    returns = losses.n_step_returns(REWARD, DISCOUNT, VALUE, ON, n)
    np.testing.assert_allclose(returns, expected, rtol=1e-6)


def test_n_step_returns_stop_where_cut() -> None:
    """A trace of 0 bootstraps at once."""
    trace = jnp.array([0.0, 1.0, 1.0, 1.0])
    returns = losses.n_step_returns(REWARD, DISCOUNT, VALUE, trace, 3)
    np.testing.assert_allclose(returns, [3.0, 1.0, 2.0, 2.0], rtol=1e-6)


def test_one_step_returns_agree() -> None:
    """Lambda 0 and n 1 are the same target."""
    keys = jax.random.split(jax.random.key(0), 3)
    reward, value = (jax.random.normal(k, (5, 9)) for k in keys[:2])
    discount = jax.random.uniform(keys[2], (5, 9))
    by_lambda = jax.vmap(losses.lambda_returns)(reward, discount, value, jnp.zeros((5, 9)))
    n_step = jax.vmap(lambda *a: losses.n_step_returns(*a, n=1))
    by_n = n_step(reward, discount, value, jnp.ones((5, 9)))
    np.testing.assert_allclose(by_lambda, by_n, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_lambda, reward + discount * value, rtol=1e-6, atol=1e-6)


def test_td_error_moves_the_taken_action_only() -> None:
    """The target is a constant, and only the action taken has a gradient."""
    q, target = jnp.array([1.0, 2.0, 3.0]), jnp.float32(5.0)
    assert losses.td_error(q, jnp.int32(1), target) == 3.0
    by_q, by_target = jax.grad(losses.td_error, (0, 2))(q, 1, target)
    np.testing.assert_array_equal(by_q, [0.0, -1.0, 0.0])
    assert by_target == 0.0


def test_regression_moves_the_value_only() -> None:
    """No gradient reaches U."""
    value, target = jnp.float32(2.0), jnp.float32(5.0)
    assert losses.regression_error(value, target) == 3.0
    assert jax.grad(losses.regression_error, (0, 1))(value, target) == (-1.0, 0.0)


def test_shapes_are_checked() -> None:
    """A wrong rank is an error, not a broadcast."""
    with pytest.raises(AssertionError):
        losses.td_error(jnp.ones((2, 3)), jnp.int32(0), jnp.float32(0))
    with pytest.raises(AssertionError):
        losses.bootstrap_value(jnp.ones(3), jnp.ones(4))
