"""Returns on hand-checkable arrays and as sums written out, alone and under jit."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.returns import lambda_returns, n_step_returns

VARIANTS: dict[str, Callable] = {"plain": lambda f: f, "jit": jax.jit}
REWARD = jnp.array([1.0, 0.0, 2.0, -1.0])
DISCOUNT = jnp.array([0.5, 0.5, 0.0, 0.5])  # an episode ends with the third step
VALUE = jnp.array([4.0, 8.0, 100.0, 6.0])
ON = jnp.ones(4)


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
    function = VARIANTS[variant](lambda_returns)
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
    returns = n_step_returns(REWARD, DISCOUNT, VALUE, ON, n)
    np.testing.assert_allclose(returns, expected, rtol=1e-6)


def test_n_step_returns_stop_where_cut() -> None:
    """A trace of 0 bootstraps at once."""
    trace = jnp.array([0.0, 1.0, 1.0, 1.0])
    returns = n_step_returns(REWARD, DISCOUNT, VALUE, trace, 3)
    np.testing.assert_allclose(returns, [3.0, 1.0, 2.0, 2.0], rtol=1e-6)


def test_one_step_returns_agree() -> None:
    """Lambda 0 and n 1 are the same target."""
    keys = jax.random.split(jax.random.key(0), 3)
    reward, value = (jax.random.normal(k, (5, 9)) for k in keys[:2])
    discount = jax.random.uniform(keys[2], (5, 9))
    by_lambda = jax.vmap(lambda_returns)(reward, discount, value, jnp.zeros((5, 9)))
    n_step = jax.vmap(lambda *a: n_step_returns(*a, n=1))
    by_n = n_step(reward, discount, value, jnp.ones((5, 9)))
    np.testing.assert_allclose(by_lambda, by_n, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_lambda, reward + discount * value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mixing", [0.0, 0.3, 0.95, 1.0])
def test_advantages_are_sums_of_td_errors(mixing: float) -> None:
    """Return minus value is Σ_k (γλ)^k δ_{t+k}, the double sum; λ 0 and 1 are its known ends."""
    rng = np.random.default_rng(1)
    steps, discount = 12, 0.9
    reward, value = rng.normal(size=steps), rng.normal(size=steps + 1)
    goes_on = np.ones(steps)
    goes_on[[4, -1]] = 0.0  # an episode ends within, and one with the row
    returns = lambda_returns(
        *map(jnp.float32, (reward, discount * goes_on, value[1:], np.full(steps, mixing)))
    )
    delta = reward + discount * goes_on * value[1:] - value[:-1]
    ends = [4] * 5 + [steps - 1] * (steps - 5)
    exact = [
        sum((discount * mixing) ** (k - t) * delta[k] for k in range(t, ends[t] + 1))
        for t in range(steps)
    ]
    np.testing.assert_allclose(returns - value[:-1], exact, atol=1e-5)
    if mixing == 0.0:
        np.testing.assert_allclose(returns - value[:-1], delta, atol=1e-5)
    if mixing == 1.0:
        monte_carlo = [
            sum(discount ** (k - t) * reward[k] for k in range(t, ends[t] + 1))
            for t in range(steps)
        ]
        np.testing.assert_allclose(returns, monte_carlo, atol=1e-5)
