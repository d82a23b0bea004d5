"""Reachable histories, the belief filter, and what lies beyond."""

import itertools

import numpy as np
import pytest

from adqn_jax.envs.pomdp import POMDP, heavenhell, random_pomdp, tiger
from adqn_jax.tabular import belief_graph, history_tree


def with_ends(seed: int) -> POMDP:
    """A random POMDP, of which some actions end the episode in some states."""
    model = random_pomdp(seed, states=3, actions=2, observations=2)
    terminal = [[False, True], [False, False], [True, False]]
    return POMDP(
        model.transition, model.observation, model.reward, model.start, 0.9, np.array(terminal)
    )


def joint(model: POMDP, actions: tuple[int, ...], seen: tuple[int, ...]) -> np.ndarray:
    """Return Pr(s, seen, not over | actions) by summing over all sequences of states."""
    assert model.terminal is not None
    total = np.zeros(model.num_states)
    for path in itertools.product(range(model.num_states), repeat=len(actions) + 1):
        p = model.start[path[0]]
        for (s, t), a, o in zip(itertools.pairwise(path), actions, seen, strict=True):
            p *= model.transition[s, a, t] * model.observation[a, t, o] * ~model.terminal[s, a]
        total[path[-1]] += p
    return total


@pytest.mark.parametrize("model", [random_pomdp(3), with_ends(4)], ids=["endless", "ends"])
def test_beliefs_are_those_of_enumeration(model: POMDP) -> None:
    """Pr(s|h) and Pr(o|h,a) for every history of up to three steps."""
    tree = history_tree(model, 4)
    visited = 0
    for length in range(4):
        for actions in itertools.product(range(2), repeat=length):
            for seen in itertools.product(range(2), repeat=length):
                history = 0
                for a, o in zip(actions, seen, strict=True):
                    history = tree.successor[history, a, o]
                expected = joint(model, actions, seen)
                np.testing.assert_allclose(
                    tree.belief[history], expected / expected.sum(), atol=1e-14
                )
                for a, o in itertools.product(range(2), repeat=2):
                    following = joint(model, (*actions, a), (*seen, o)).sum()
                    np.testing.assert_allclose(
                        tree.probability[history, a, o], following / expected.sum(), atol=1e-14
                    )
                visited += 1
    assert visited == tree.count == 1 + 4 + 16 + 64


def test_unreachable_histories_are_left_out() -> None:
    """In a maze almost nothing can be seen next; and nothing follows an end or the horizon."""
    model = heavenhell(1)
    tree = history_tree(model, 4)
    # One of the 16 ways to take two actions meets the priest, whose word is one of two. Two of the
    # 17 lead to an exit, where episodes end; four stand before the priest.
    assert tree.count == 1 + 4 + 17 + (15 * 4 + 4)
    reachable = tree.probability > 0
    inside = tree.successor < tree.count
    assert (inside <= reachable).all()
    assert sorted(tree.successor[inside]) == list(range(1, tree.count)), "each has one parent"
    goes_on = tree.probability[:22].sum(-1).min(-1)  # before the third action at the latest
    assert sorted(goes_on.round(12)) == [0.0] * 2 + [1.0] * 20


def test_belief_graphs_close() -> None:
    """Before the priest 2 states per cell, after him one of two; Tiger counts what it heard."""
    graph = belief_graph(heavenhell(3))
    assert graph.count == 13 + 2 * 14
    assert set((graph.belief > 0).sum(-1)) == {1, 2}
    tigers = belief_graph(tiger())
    heard = np.sort(np.log(tigers.belief[:, 0] / tigers.belief[:, 1]) / np.log(0.85 / 0.15))
    middle = heard[np.abs(heard) < 10]
    np.testing.assert_allclose(middle, np.arange(-9, 10), atol=1e-6)


def test_graph_and_tree_agree() -> None:
    """Walking both by the same actions and observations meets the same beliefs."""
    model = tiger()
    tree, graph = history_tree(model, 4), belief_graph(model)
    pairs, seen = [(0, 0)], 0
    while pairs:
        of_tree, of_graph = pairs.pop()
        np.testing.assert_allclose(tree.belief[of_tree], graph.belief[of_graph], atol=1e-12)
        seen += 1
        for a, o in itertools.product(range(3), range(2)):
            if tree.successor[of_tree, a, o] < tree.count:
                pairs.append((tree.successor[of_tree, a, o], graph.successor[of_graph, a, o]))
    assert seen == tree.count


def test_too_much_is_refused() -> None:
    """Trees and graphs that would not fit."""
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        history_tree(tiger(), 0)
    with pytest.raises(ValueError, match="more than 100 histories within 5 steps"):
        history_tree(tiger(), 5, most=100)
    with pytest.raises(ValueError, match="more than 50 beliefs can be reached"):
        belief_graph(random_pomdp(0), most=50)
