"""Which point of a sweep is best."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax.results.load import Result
from adqn_jax.results.ranking import error, mean, rank


def result(*values: list[float], failed: int = 0) -> Result:
    """Make a result of ten log points from the last value of each seed, and what fell before."""
    curves = np.array(values).T
    steps, seeds = np.arange(len(curves)), np.arange(curves.shape[1])
    return Result(pathlib.Path(), "env", "dqn", "agent", steps, curves, seeds, failed)


def test_selection() -> None:
    """Final performance first; within one standard error of the best, stability."""
    best = result([0.0, 1.0, 0.2, 1.0], [0.0, 1.0, 0.2, 0.6])  # 0.8 +- 0.2, drops 0.2 and 0.3
    np.testing.assert_allclose(best.stability, [-0.2, -0.3])
    begun_late = result([float("nan"), 1.0, 0.5])  # no episode had ended at the first log point
    np.testing.assert_allclose(begun_late.stability, [-0.25])
    steady = result([0.0, 0.5, 0.7, 0.7], [0.0, 0.5, 0.7, 0.7])  # 0.7, never falls
    just_equal = result([0.0, 0.0, 0.65, 0.61], [0.0, 0.0, 0.65, 0.61])  # drops 0.01
    worse = result([0.0, 0.1, 0.5, 0.5], [0.0, 0.1, 0.5, 0.5])
    lucky = result([1.0, 1.0, 1.0, 1.0], failed=1)
    lost = dataclasses.replace(lucky, values=np.zeros((4, 0)), seeds=np.zeros(0, int), failed=2)
    points = [worse, lost, best, lucky, just_equal, steady]
    assert rank(points) == [5, 4, 2, 0, 3, 1]
    assert rank([steady]) == [0]
    # Of one seed there is no standard error: nothing counts as equal.
    assert rank([result([0.7, 0.7]), result([0.9, 0.8])]) == [1, 0]


RETURNS = st.floats(-10.0, 10.0) | st.just(float("nan"))


@st.composite
def results(draw: Any) -> Result:
    """Draw a point: curves of up to three seeds, some without numbers; some seeds failed."""
    seeds, failed = draw(st.integers(0, 3)), draw(st.integers(0, 1))
    curves = [draw(st.lists(RETURNS, min_size=4, max_size=4)) for _ in range(seeds)]
    values = np.array(curves).reshape(seeds, 4).T
    return Result(
        pathlib.Path(), "env", "dqn", "agent", np.arange(4), values, np.arange(seeds), failed
    )


@given(st.lists(results(), max_size=5))
def test_every_point_has_a_place(points: list[Result]) -> None:
    """Each once; those with failed seeds last; the first is as good as the best, or nearly."""
    order = rank(points)
    assert sorted(order) == list(range(len(points)))
    failed = [bool(points[i].failed) for i in order]
    assert failed == sorted(failed)
    if order and not failed[0]:
        best = max((p for p in points if not p.failed), key=lambda point: mean(point.final))
        assert mean(points[order[0]].final) >= mean(best.final) - error(best.final)


@given(st.lists(RETURNS, max_size=4))
def test_summaries_are_numbers_to_compare(values: list[float]) -> None:
    """Of no seeds, of one, of NaN: never NaN themselves."""
    numbers = np.array(values)
    assert mean(numbers) == (numbers.mean() if values and np.isfinite(numbers).all() else -np.inf)
    assert error(numbers) >= 0
    assert np.isfinite(error(numbers))
