"""The best of noisy values, estimated once and twice; and Q-learning that plays roulette."""

import numpy as np
import pytest

from adqn_jax.tabular import belief_graph, history_tree, optimal_values
from support import overestimation


@pytest.mark.parametrize(("n", "value"), [(2, 0.5642), (5, 1.1630), (10, 1.5388), (20, 1.8675)])
def test_expected_maximum(n: int, value: float) -> None:
    """The known numbers; of two it is 1/√π."""
    assert overestimation.expected_maximum(n) == pytest.approx(value, abs=5e-5)
    if n == 2:
        assert overestimation.expected_maximum(n) == pytest.approx(np.pi**-0.5, abs=1e-10)
    assert overestimation.expected_maximum(1) == pytest.approx(0.0, abs=1e-10)


def test_estimators() -> None:
    """The single one is as much too high as expected, the double one is right."""
    checks, found = overestimation.estimators()
    assert all(check.holds for check in checks)
    assert all(check.bound is not None for check in checks)
    np.testing.assert_allclose(found.single, [0.5642, 1.1630, 1.5388, 1.8675], atol=0.01)
    np.testing.assert_allclose(found.double, 0.0, atol=0.01)


def test_a_biased_estimator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails where the numbers do not agree."""
    monkeypatch.setattr(overestimation, "expected_maximum", lambda n: 1.0)
    assert not any(check.holds for check in overestimation.estimators()[0][:-1])


def test_roulette_is_worth_nothing() -> None:
    """Every bet, after every history; the state says what it will bring."""
    model = overestimation.roulette(3)
    solved = optimal_values(model, history_tree(model, 3))
    np.testing.assert_array_equal(solved.q, 0.0)
    np.testing.assert_array_equal(solved.u[0], [[1.0] * 3, [-1.0] * 3])
    assert belief_graph(model).count == 1


def test_q_learning_overestimates_and_double_q_learning_does_not() -> None:
    """At the end by known amounts; U knows the coin, and soon does not overestimate either."""
    checks, curves = overestimation.learn()
    assert all(check.holds for check in checks)
    final = {name: curve.mean[-1] for name, curve in curves.items()}
    assert final["Q-learning"] > 0.4
    for name in ("double Q-learning", "double AQL"):
        curve = curves[name]
        assert (np.abs(curve.mean) < 4.0 * curve.error).all()
    assert curves["AQL"].mean.max() > 0.3
    assert final["AQL"] < 0.05
    single, double, asymmetric = checks[-3:]  # in three rounds
    assert single.error > 1.0
    assert double.error > 0.1, "tables that learn from each other are not independent"
    assert asymmetric.error > 0.4, "the next state does not tell of the round after it"
