"""TD errors on hand-checkable arrays, alone, under jit and under vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.value import losses


def test_bootstrap_value_is_selected_by_the_selector() -> None:
    """The action comes from the selector, its value from the other model."""
    value = losses.bootstrap_value(jnp.array([5.0, 7.0, 9.0]), jnp.array([0.0, 2.0, 1.0]))
    assert value == 7.0


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
