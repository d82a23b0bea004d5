"""The theory of asymmetric DQN on finite POMDPs, executable and exact.

Histories as a tree or as a graph of beliefs; the Bellman operators on Q(h,a) and U(h,s,a); API,
AAVI and AQL; the optimum; and learned values compared with exact ones. Imitation of an expert that
sees the state, and its adaptation (A2D). docs/theory.md explains.
"""

from adqn_jax.tabular.comparison import Comparison, make_comparison
from adqn_jax.tabular.histories import belief_graph, history_tree, update_beliefs
from adqn_jax.tabular.imitation import (
    Adapted,
    Advantage,
    adapt,
    divergence,
    identifiable,
    imitate,
    implicit_policy,
)
from adqn_jax.tabular.iteration import (
    Solution,
    action_value_iteration,
    enumerate_policies,
    evaluate_policy,
    expected_length,
    optimal_values,
    policy_iteration,
)
from adqn_jax.tabular.operators import (
    bellman_q,
    bellman_u,
    bellman_u_greedy,
    consistency_gap,
    expectation,
    greedy,
    supported,
)
from adqn_jax.tabular.pairs import (
    Pairs,
    expected_return,
    last_observations,
    make_pairs,
    state_values,
    values,
    visits,
)
from adqn_jax.tabular.q_learning import Learned, q_learning
from adqn_jax.tabular.types import Histories, Model

__all__ = [
    "Adapted",
    "Advantage",
    "Comparison",
    "Histories",
    "Learned",
    "Model",
    "Pairs",
    "Solution",
    "action_value_iteration",
    "adapt",
    "belief_graph",
    "bellman_q",
    "bellman_u",
    "bellman_u_greedy",
    "consistency_gap",
    "divergence",
    "enumerate_policies",
    "evaluate_policy",
    "expectation",
    "expected_length",
    "expected_return",
    "greedy",
    "history_tree",
    "identifiable",
    "imitate",
    "implicit_policy",
    "last_observations",
    "make_comparison",
    "make_pairs",
    "optimal_values",
    "policy_iteration",
    "q_learning",
    "state_values",
    "supported",
    "update_beliefs",
    "values",
    "visits",
]
