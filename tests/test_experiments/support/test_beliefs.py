"""Values of histories and of beliefs, which come about in different ways."""

import numpy as np
import pytest

from adqn_jax.envs.pomdp import LISTEN, OPEN_LEFT, tiger
from adqn_jax.tabular import belief_graph
from support import beliefs


def test_histories_and_beliefs_agree() -> None:
    """Both rows hold, far within what the lecture's numbers are told to."""
    checks = beliefs.check()
    assert len(checks) == 2
    assert all(check.holds and check.error < 1e-6 for check in checks)


@pytest.mark.parametrize("which", ["histories", "beliefs"])
def test_values_worked_out_by_hand(which: str) -> None:
    """With three steps left: listen twice, and open a door if both times the same was heard."""
    model = tiger()
    if which == "histories":
        values = [q[0] for q in (beliefs.history_values(model, n)[0] for n in (1, 2, 3))]
    else:
        values = [q[0] for q in reversed(beliefs.belief_values(model, belief_graph(model), 3))]
    right, wrong = 0.85**2, 0.15**2
    opened = (right * 10.0 - wrong * 100.0) + (1.0 - right - wrong) * -1.0
    expected = [-1.0, -1.0 - 0.95, -1.0 - 0.95 + 0.95**2 * opened]
    np.testing.assert_allclose([q[LISTEN] for q in values], expected, atol=1e-12)
    assert values[0][OPEN_LEFT] == pytest.approx(-45.0)


def test_a_history_follows_the_filter() -> None:
    """Heard left twice: Pr(left) = 0.85² / (0.85² + 0.15²); a door opened: 1/2."""
    graph = belief_graph(tiger())
    nodes = beliefs.follow(graph, 3)
    assert [len(x) for x in nodes] == [1, 6, 36]
    heard_left = 0  # the first action, and the first observation
    twice = graph.belief[nodes[2][heard_left * 6 + heard_left]]
    assert twice[0] == pytest.approx(0.85**2 / (0.85**2 + 0.15**2))
    left_then_right = heard_left * 6 + 1
    assert nodes[2][left_then_right] == nodes[0][0]
    assert (nodes[1][2:] == nodes[0][0]).all()


def test_a_wrong_filter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails when histories are taken for those of other beliefs."""
    follow = beliefs.follow
    monkeypatch.setattr(
        beliefs, "follow", lambda graph, horizon: [x * 0 for x in follow(graph, horizon)]
    )
    assert not any(check.holds for check in beliefs.check())
