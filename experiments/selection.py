"""Which point of a sweep is best: final performance first, then stability."""

from collections.abc import Sequence

import numpy as np

from estimates import estimate
from results import Result


def rank(points: Sequence[Result]) -> list[int]:
    """Order the points of one environment and algorithm, the best first.

    Points whose mean final performance lies within one standard error of the best one's count as
    equal, and the more stable comes first; then the same among those that are left. Points of
    which a seed has failed come after all others.

    Returns:
      Indices into `points`.
    """
    order: list[int] = []
    for failed in (False, True):
        left = [i for i, point in enumerate(points) if bool(point.failed) == failed]
        while left:
            best = max(left, key=lambda i: mean(points[i].final))
            least = mean(points[best].final) - error(points[best].final)
            equal = [i for i in left if mean(points[i].final) >= least]
            order += sorted(equal, key=lambda i: mean(points[i].stability), reverse=True)
            left = [i for i in left if i not in equal]
    return order


def mean(of_seeds: np.ndarray) -> float:
    """Average over seeds; -inf where there are none, or no numbers."""
    value = of_seeds.mean() if of_seeds.size else -np.inf
    return float(np.nan_to_num(value, nan=-np.inf, neginf=-np.inf))


def error(of_seeds: np.ndarray) -> float:
    """Return the standard error of the mean over seeds; 0 of less than two."""
    if of_seeds.size < 2:
        return 0.0
    of_mean = estimate(of_seeds)
    return float(np.nan_to_num(of_mean.high - of_mean.value))
