"""The theory of asymmetric DQN on finite POMDPs, executable and exact.

Histories as a tree or as a graph of beliefs; the Bellman operators on Q(h,a) and U(h,s,a); API,
AAVI and AQL; the optimum; and learned values compared with exact ones. docs/theory.md explains.
"""

from adqn_jax.tabular.comparison import Comparison, make_comparison
from adqn_jax.tabular.histories import belief_graph, history_tree, update_beliefs
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
from adqn_jax.tabular.q_learning import Learned, q_learning
from adqn_jax.tabular.types import Histories, Model

__all__ = [
    "Comparison",
    "Histories",
    "Learned",
    "Model",
    "Solution",
    "action_value_iteration",
    "belief_graph",
    "bellman_q",
    "bellman_u",
    "bellman_u_greedy",
    "consistency_gap",
    "enumerate_policies",
    "evaluate_policy",
    "expectation",
    "expected_length",
    "greedy",
    "history_tree",
    "make_comparison",
    "optimal_values",
    "policy_iteration",
    "q_learning",
    "supported",
    "update_beliefs",
]
