"""A history's value is its belief's: Q*(h,a) = Q*(b(h),a) (Boehmer, "Advanced DQN", 2023).

Two ways to the same numbers: over histories, where no belief is ever formed, and over beliefs,
where no history is.
"""

import numpy as np

from adqn_jax.envs.pomdp import POMDP, tiger
from adqn_jax.tabular import Histories, belief_graph, bellman_q
from support.theorems import Check

#: Actions left at the first history, and what rounding may do to values of up to 100.
_HORIZON, _BOUND = 6, 1e-9


def check() -> list[Check]:
    """Compare both on all histories of Tiger that are shorter than the horizon."""
    model = tiger()
    graph = belief_graph(model)
    of_histories = history_values(model, _HORIZON)
    of_beliefs = belief_values(model, graph, _HORIZON)
    nodes = follow(graph, _HORIZON)
    pairs = list(zip(of_histories, of_beliefs, nodes, strict=True))
    count, beliefs = sum(map(len, nodes)), len(np.unique(np.concatenate(nodes)))
    error = max(np.abs(q - b[node]).max() for q, b, node in pairs)
    spread = max(np.ptp(q[node == n], axis=0).max() for q, _, node in pairs for n in set(node))
    checked = f"tiger, {_HORIZON} steps: {count} histories, {beliefs} beliefs"
    return [
        Check("Q*(h,a)=Q*(b,a)", checked, float(error), _BOUND),
        Check("Q*(h,a)=Q*(b,a)", "the same: histories with one belief differ by", spread, _BOUND),
    ]


def history_values(model: POMDP, horizon: int) -> list[np.ndarray]:
    """Return Q*(h,a) of the histories of 0 to `horizon` - 1 steps, a [(AO)^d, A] for each length d.

    Forwards Pr(h, s | actions), summed over all sequences of states before s; backwards the
    returns, each weighted by it; at last each history's are divided by Pr(h | actions).
    Every observation must be possible, and no action end the episode. Histories are in the order
    of their first action, first observation, second action, ...
    """
    joints = [model.start[None]]  # [(AO)^d, S]
    for _ in range(horizon - 1):
        joint = np.einsum("ns,sat,ato->naot", joints[-1], model.transition, model.observation)
        joints.append(joint.reshape(-1, model.num_states))
    values: list[np.ndarray] = []
    later = np.zeros((len(joints[-1]), model.num_actions))
    for joint in reversed(joints):
        weighted = joint @ model.reward + model.discount * later  # Pr(h) Q*(h,a)
        values.insert(0, weighted / joint.sum(-1, keepdims=True))
        best = weighted.max(-1)
        if len(best) > 1:  # of hao, summed over o
            later = best.reshape(-1, model.num_actions, model.num_observations).sum(-1)
    return values


def belief_values(model: POMDP, graph: Histories, horizon: int) -> list[np.ndarray]:
    """Return Q*(b,a) with `horizon` to 1 steps left, an [N, A] each, by value iteration."""
    values = [np.zeros((graph.count, model.num_actions))]
    for _ in range(horizon):
        values.insert(0, bellman_q(model, graph, values[0]))
    return values[:-1]


def follow(graph: Histories, horizon: int) -> list[np.ndarray]:
    """Return the beliefs, as nodes, of the histories of `history_values`; each an int [(AO)^d].

    Edges of the graph are the filter, b'(s') ∝ O(o|a,s') Σ_s T(s'|s,a) b(s).
    """
    nodes = [np.zeros(1, int)]
    for _ in range(horizon - 1):
        nodes.append(graph.successor[nodes[-1]].reshape(-1))
    return nodes
