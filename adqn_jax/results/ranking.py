"""Which point of a sweep is best: final performance first, then stability."""

from collections.abc import Sequence

import numpy as np

from adqn_jax.results.estimates import standard_error
from adqn_jax.results.load import Result


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


def mean(values: np.ndarray) -> float:
    """Average over seeds; -inf where there are none, or no numbers."""
    value = values.mean() if values.size else -np.inf
    return float(np.nan_to_num(value, nan=-np.inf, neginf=-np.inf))


def error(values: np.ndarray) -> float:
    """Return the standard error of the mean over seeds; 0 of less than two, or without numbers."""
    return float(np.nan_to_num(standard_error(values)))
