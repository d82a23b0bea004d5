"""Statistics over seeds, against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from adqn_jax.results.estimates import (
    estimate,
    interquartile_mean,
    probability_of_improvement,
)


def test_mean_and_standard_error() -> None:
    """1, 2, 3, 6: mean 3; squared deviations 4 + 1 + 0 + 9 = 14, so sd² = 14/3, over 4 seeds."""
    found = estimate(np.array([[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0]]))
    error = np.sqrt(14 / 3 / 4)
    np.testing.assert_allclose(found.value, [3.0, 5.0])
    np.testing.assert_allclose(found.low, [3.0 - error, 5.0])
    np.testing.assert_allclose(found.high, [3.0 + error, 5.0])


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([9.0], 9.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of three is none
        ([-100.0, 1.0, 2.0, 100.0], 1.5),
        ([8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -7.0], 3.5),  # 2, 3, 4, 5 are left
        ([0.0] * 5 + [1.0] * 5, 0.5),  # two cut off at either end
    ],
)
def test_interquartile_mean(seeds: list[float], expected: float) -> None:
    """The mean of what is left when a quarter, rounded down, is cut off at either end."""
    assert interquartile_mean(np.array(seeds)) == pytest.approx(expected)
    np.testing.assert_allclose(interquartile_mean(np.array([seeds, seeds])), expected)


def test_bootstrap_of_two_seeds() -> None:
    """0 and 1 resample to means 0, 1/2 and 1 with 1/4, 1/2, 1/4: 95 % reach from 0 to 1."""
    found = estimate(np.array([0.0, 1.0]), "mean", "bootstrap")
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_bootstrap_of_many_seeds() -> None:
    """Of 400 normal numbers it is near mean +- 1.96 standard errors, and repeats itself."""
    x = np.random.default_rng(1).normal(size=(2, 400))
    found = estimate(x, "mean", "bootstrap")
    error = 1.96 * x.std(-1, ddof=1) / 20
    np.testing.assert_allclose(found.low, x.mean(-1) - error, atol=0.015)
    np.testing.assert_allclose(found.high, x.mean(-1) + error, atol=0.015)
    np.testing.assert_array_equal(found.low, estimate(x, "mean", "bootstrap").low)


def test_interval_of_the_interquartile_mean() -> None:
    """One outlier of twelve moves the mean's interval, not that of the interquartile mean."""
    x = np.array([1.0] * 11 + [-50.0])
    found = estimate(x, "iqm")
    assert found.value == found.high == 1.0
    assert found.low > 0 > estimate(x, "mean", "bootstrap").low


@pytest.mark.parametrize("statistic", ["mean", "iqm"])
def test_one_seed_has_no_width(statistic: str) -> None:
    """A single seed is a point."""
    found = estimate(np.array([[2.0], [3.0]]), statistic)
    np.testing.assert_array_equal(found.low, [2.0, 3.0])
    np.testing.assert_array_equal(found.high, [2.0, 3.0])


def test_what_does_not_go_together_is_refused() -> None:
    """No standard error of an interquartile mean."""
    with pytest.raises(ValueError, match="use --interval bootstrap"):
        estimate(np.zeros(4), "iqm", "stderr")


def test_probability_of_improvement() -> None:
    """Of the six pairs of {1, 3} and {0, 1, 2} four are won, one is lost and one is a tie."""
    x, y = np.array([1.0, 3.0]), np.array([0.0, 1.0, 2.0])
    assert probability_of_improvement([(x, y)]).value == pytest.approx(4.5 / 6)
    assert probability_of_improvement([(y, x)]).value == pytest.approx(1.5 / 6)
    assert probability_of_improvement([(x, y), (y, x)]).value == pytest.approx(0.5)
    other = probability_of_improvement([(x, x + 10)])
    assert (other.value, other.low, other.high) == (0.0, 0.0, 0.0)


def test_probability_is_that_of_mann_and_whitney() -> None:
    """As SciPy's U statistic, with an interval around it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 1, 20).round(1), rng.normal(0, 1, 15).round(1)
    found = probability_of_improvement([(x, y)])
    assert found.value == pytest.approx(stats.mannwhitneyu(x, y).statistic / 300)
    assert found.low < found.value < found.high
    assert 0.25 < found.high - found.low < 0.5  # sqrt((20 + 15 + 1) / (12 * 300)) * 3.92 = 0.39
