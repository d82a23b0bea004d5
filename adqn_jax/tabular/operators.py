"""Bellman operators on Q(h,a) and U(h,s,a), and the expectation E that joins them.

In the paper's notation, with T̄(s,a,s') the probability of moving and going on:

    (B_π Q)(h,a)   = R(h,a) + γ Σ_o Pr(o|h,a) Q(hao, π(hao))
    (B Q)(h,a)     = R(h,a) + γ Σ_o Pr(o|h,a) max_a' Q(hao, a') = (B_g(Q) Q)(h,a)
    (B_π U)(h,s,a) = R(s,a) + γ Σ_s' T̄(s,a,s') Σ_o O(a,s',o) U(hao, s', π(hao))
    (E U)(h,a)     = Σ_s Pr(s|h) U(h,s,a)

A policy is deterministic, an action per history, int [N].
"""

import numpy as np

from adqn_jax.tabular.types import Array, Histories, Model, goes_on


def greedy(q: Array) -> Array:
    """Return g(Q), the first of the best actions, int [N], of values [N, A]."""
    return q.argmax(-1)


def expectation(histories: Histories, u: Array) -> Array:
    """Return E U, [N, A], of U [N, S, A]."""
    return np.einsum("ns,nsa->na", histories.belief, u)


def bellman_q(model: Model, histories: Histories, q: Array, policy: Array | None = None) -> Array:
    """Return B_π Q for a policy [N], or B Q without one; [N, A]."""
    values = _take(q, greedy(q) if policy is None else policy)
    following = np.append(values, 0.0)[histories.successor]  # [N, A, O]
    return histories.belief @ model.reward + model.discount * np.einsum(
        "nao,nao->na", histories.probability, following
    )


def bellman_u(model: Model, histories: Histories, u: Array, policy: Array) -> Array:
    """Return B_π U, [N, S, A]: values of the policy that sees histories, not states."""
    chosen = _take(u, policy)  # [N, S]
    following = np.concatenate([chosen, np.zeros((1, chosen.shape[1]))])[histories.successor]
    next_value = np.einsum("ato,naot->nat", model.observation, following)
    return supported(histories)[..., None] * (
        model.reward + model.discount * np.einsum("sat,nat->nsa", goes_on(model), next_value)
    )


def bellman_u_greedy(model: Model, histories: Histories, u: Array) -> Array:
    """Return B_g(EU) U, [N, S, A]: one step towards the values of acting greedily in E U."""
    return bellman_u(model, histories, u, greedy(expectation(histories, u)))


def supported(histories: Histories) -> Array:
    """Return where U means something, Pr(s|h) > 0, bool [N, S]."""
    return histories.belief > 0.0


def consistency_gap(histories: Histories, q: Array, u: Array) -> float:
    """Return the largest |Q - E U|."""
    return float(np.abs(q - expectation(histories, u)).max())


def _take(values: Array, policy: Array) -> Array:
    """Return values[n, ..., policy[n]]."""
    index = policy.reshape(-1, *(1,) * (values.ndim - 1))
    return np.take_along_axis(values, index, axis=-1)[..., 0]
