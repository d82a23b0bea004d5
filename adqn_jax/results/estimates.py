"""What a few seeds say about all seeds: point estimates with intervals.

Statistics are taken over the last axis, that of the seeds.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from adqn_jax.extras import extra

with extra("results"):
    from scipy import stats

Statistic = Literal["mean", "iqm"]
Interval = Literal["stderr", "bootstrap"]

CONFIDENCE = 0.95
#: Chance may give a difference this often, and it still counts as shown.
LEVEL = 0.05
_RESAMPLES = 2_000


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval, arrays [...]; of one seed, the interval is a point."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interquartile_mean(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Average the middle half: a quarter of the seeds, rounded down, is cut off at either end.

    Source: Agarwal et al., "Deep RL at the Edge of the Statistical Precipice" (NeurIPS 2021).
    """
    return np.asarray(stats.trim_mean(x, 0.25, axis=axis))


def estimate(
    x: np.ndarray, statistic: Statistic = "mean", interval: Interval | None = None
) -> Estimate:
    """Estimate what seeds have in common.

    Args:
      x: a number for each seed, float [..., S].
      statistic: the mean, or the interquartile mean.
      interval: mean +- its standard error, sd / sqrt(S) with S - 1 degrees of freedom; or the 95 %
        percentile bootstrap over seeds. By default the former for the mean, else the latter.

    Returns:
      The estimate, arrays [...].

    Raises:
      ValueError: when the standard error is asked for of anything but the mean.
    """
    interval = interval or ("stderr" if statistic == "mean" else "bootstrap")
    if (statistic, interval) == ("iqm", "stderr"):
        raise ValueError(
            "the standard error is that of the mean; with iqm use --interval bootstrap"
        )
    function = np.mean if statistic == "mean" else interquartile_mean
    value = function(x, axis=-1)
    if x.shape[-1] == 1:
        return Estimate(value, value, value)
    if interval == "stderr":
        error = stats.sem(x, axis=-1)
        return Estimate(value, value - error, value + error)
    return Estimate(value, *_bootstrap((x,), function))


def standard_error(x: np.ndarray) -> float:
    """Return the standard error of the mean over seeds, [S]; NaN of fewer than two."""
    return float(stats.sem(x)) if x.size > 1 else float("nan")


def mean_and_error(x: np.ndarray) -> str:
    """Say mean and standard error over seeds, [S]; of one seed, that seed's number alone."""
    return f"{x.mean():.3f}" + (f" +- {standard_error(x):.3f}" if x.size > 1 else "")


def probability_of_improvement(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Estimate:
    """Estimate how probably a seed of one algorithm beats a seed of another; a tie is half a win.

    Args:
      pairs: for each environment the numbers of one algorithm's seeds, float [S], and of the
        other's, float [S']; the probabilities are averaged over the environments.

    Returns:
      The Mann-Whitney statistic U / (S S'), and its 95 % percentile bootstrap over the seeds of
      each algorithm and environment. Source: as of `interquartile_mean`.
    """

    def probability(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        assert axis == -1, "scipy moves the seeds there"
        both = zip(samples[::2], samples[1::2], strict=True)
        wins = [np.sign(x[..., :, None] - y[..., None, :]).mean((-2, -1)) for x, y in both]
        return 0.5 + 0.5 * np.mean(wins, axis=0)

    samples = [sample for pair in pairs for sample in pair]
    value = probability(*samples)
    if min(sample.size for sample in samples) == 1:
        return Estimate(value, value, value)
    return Estimate(value, *_bootstrap(samples, probability))


def chance_of_more(one: np.ndarray, other: np.ndarray) -> float:
    """Return how probably chance sets one mean over seeds so far above the other, [S] and [S'].

    A permutation test, exact or, of many seeds, sampled; 1 where one side is a single seed.
    """
    if min(one.size, other.size) < 2:
        return 1.0
    test = stats.permutation_test(
        (one, other), lambda x, y, axis: x.mean(axis) - y.mean(axis), alternative="greater",
        vectorized=True, n_resamples=9_999, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(test.pvalue)


def mean_difference(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Estimate by how much the mean over seeds [S] lies above that over others, [S'].

    Returns:
      The difference, and its 95 % percentile bootstrap over the seeds of each.
    """

    def difference(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(x.mean(axis) - y.mean(axis))

    value = difference(x, y)
    if min(x.size, y.size) == 1:
        return Estimate(value, value, value)
    return Estimate(value, *_bootstrap((x, y), difference))


def resampled_interval(
    sizes: Sequence[int], function: Callable[..., np.ndarray]
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap of what is no mean over seeds, such as a time.

    Args:
      sizes: how many seeds each side has.
      function: takes places of seeds, int [R, S] for each side, and returns numbers, [R], perhaps
        infinite.

    Returns:
      The ends of the interval, each of them among the numbers.
    """
    rng = np.random.default_rng(0)
    numbers = function(*(rng.integers(size, size=(_RESAMPLES, size)) for size in sizes))
    outside = (1 - CONFIDENCE) / 2
    # No means of two numbers, of which one may be infinite.
    low = np.quantile(numbers, outside, method="lower")
    return float(low), float(np.quantile(numbers, 1 - outside, method="higher"))


def _bootstrap(samples: Sequence[np.ndarray], function: Any) -> tuple[np.ndarray, np.ndarray]:
    """Resample the seeds; the same numbers give the same interval."""
    interval = stats.bootstrap(
        samples, function, axis=-1, n_resamples=_RESAMPLES, confidence_level=CONFIDENCE,
        method="percentile", vectorized=True, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return interval.low, interval.high
