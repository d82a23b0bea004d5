"""API, AAVI and value iteration against brute force and known optima."""

import itertools

import numpy as np
import pytest

from adqn_jax.envs.pomdp import LISTEN, POMDP, heavenhell, random_pomdp, tiger
from adqn_jax.tabular import (
    Histories,
    action_value_iteration,
    belief_graph,
    bellman_q,
    enumerate_policies,
    expectation,
    expected_length,
    history_tree,
    optimal_values,
    policy_iteration,
    supported,
)


def brute_force(model: POMDP, tree: Histories) -> np.ndarray:
    """Return max over all policies of Q^π(h_0, ·), by recursion over everything that can happen."""

    def value(policy: tuple[int, ...], history: int, state: int) -> float:
        if history == tree.count:
            return 0.0
        action = policy[history]
        total = float(model.reward[state, action])
        for after, seen in itertools.product(range(model.num_states), range(2)):
            p = model.transition[state, action, after] * model.observation[action, after, seen]
            following = value(policy, tree.successor[history, action, seen], after)
            total += model.discount * p * following
        return total

    best = np.full(model.num_actions, -np.inf)
    for policy in itertools.product(range(model.num_actions), repeat=tree.count):
        of_state = [value(policy, 0, state) for state in range(model.num_states)]
        best[policy[0]] = max(best[policy[0]], model.start @ of_state)
    return best


@pytest.mark.parametrize("seed", range(3))
def test_everything_agrees_with_brute_force(seed: int) -> None:
    """32 policies over two steps."""
    model = random_pomdp(seed, states=2)
    tree = history_tree(model, 2)
    best = brute_force(model, tree)
    zero = np.zeros((tree.count, *model.reward.shape))
    for q in (
        enumerate_policies(model, tree),
        optimal_values(model, tree).q[0],
        policy_iteration(model, tree).q[0],
        action_value_iteration(model, tree, zero, 2).q[0],
    ):
        np.testing.assert_allclose(q, best, atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_policy_iteration(seed: int) -> None:
    """Each policy is better than the last, everywhere, and the last is optimal, everywhere."""
    model = random_pomdp(seed, states=4, actions=3)
    tree = history_tree(model, 3)
    solved, optimum = policy_iteration(model, tree), optimal_values(model, tree)
    assert len(solved.q_iterates) > 1
    # Q^π_k+1(h, π_k+1(h)) >= Q^π_k(h, π_k(h)) implies the same of every Q(h, a).
    assert (np.diff(solved.q_iterates, axis=0) >= -1e-10).all()
    np.testing.assert_allclose(solved.q, optimum.q, atol=1e-8)
    np.testing.assert_allclose(solved.u, optimum.u, atol=1e-8)
    np.testing.assert_allclose(expectation(tree, optimum.u), optimum.q, atol=1e-8)


@pytest.mark.parametrize("model", [tiger(), heavenhell(2)], ids=["tiger", "heavenhell-2"])
def test_without_a_horizon(model: POMDP) -> None:
    """API and AAVI find the fixed point of B on the graph of beliefs too."""
    graph = belief_graph(model)
    optimum = optimal_values(model, graph)
    np.testing.assert_allclose(policy_iteration(model, graph).q, optimum.q, atol=1e-8)
    zero = np.zeros((graph.count, *model.reward.shape))
    np.testing.assert_allclose(
        action_value_iteration(model, graph, zero, 500).q, optimum.q, atol=1e-8
    )


@pytest.mark.parametrize("seed", range(5))
def test_action_value_iteration_is_value_iteration(seed: int) -> None:
    """Q_k = B^k Q_0 at every k, from any U_0."""
    model = random_pomdp(seed, states=4, actions=3)
    tree = history_tree(model, 3)
    u = np.random.default_rng(seed).normal(size=(tree.count, *model.reward.shape))
    iterates = action_value_iteration(model, tree, u * supported(tree)[..., None], 5).q_iterates
    assert np.abs(np.diff(iterates[:4], axis=0)).max((1, 2)).min() > 1e-3, "it moves for 3 steps"
    for before, after in itertools.pairwise(iterates):
        np.testing.assert_allclose(after, bellman_q(model, tree, before), atol=1e-12)


@pytest.mark.parametrize(
    ("n", "value", "steps"), [(1, 0.9415, 7), (3, 0.8687, 15), (4, 0.8345, 19)]
)
def test_heavenhell_optimum(n: int, value: float, steps: int) -> None:
    """The start values and lengths known of the optimal policy, at discount 0.99."""
    model = heavenhell(n)
    graph = belief_graph(model)
    optimum = optimal_values(model, graph)
    assert optimum.q[0].max() == pytest.approx(0.99 ** (steps - 1), abs=1e-12)
    assert optimum.q[0].max() == pytest.approx(value, abs=5e-5)
    assert expected_length(graph, optimum.policy) == steps


def test_tiger_optimum() -> None:
    """The value 19.37 known from the literature (discount 0.95), and listening."""
    model = tiger()
    graph = belief_graph(model)
    optimum = optimal_values(model, graph)
    assert optimum.q[0].max() == pytest.approx(19.3714, abs=1e-4)
    assert optimum.policy[0] == LISTEN
    assert (optimum.u[0].argmax(-1) != LISTEN).all(), "whoever knew the state would not listen"


def test_what_does_not_end_is_refused() -> None:
    """Endless episodes have no length, and endless rewards no undiscounted value."""
    model = tiger(discount=1.0)
    graph = belief_graph(model)
    with pytest.raises(ValueError, match="have not ended"):
        expected_length(graph, np.zeros(graph.count, int))
    model = random_pomdp(0, actions=3)
    with pytest.raises(ValueError, match="policies are more than 100"):
        enumerate_policies(model, history_tree(model, 2), most=100)
