"""Exact solutions: asymmetric policy iteration and value iteration, and what they must agree with.

API and AAVI are Algorithms 1 and 2 of Baisero, Daley, Amato (UAI 2022).
"""

import dataclasses
import itertools

import numpy as np

from adqn_jax.tabular.operators import bellman_q, bellman_u, expectation, greedy
from adqn_jax.tabular.types import Array, Histories, Model, goes_on

#: Sweeps after which an iteration that has not converged is given up.
_MOST_SWEEPS = 200_000


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """Action values, the policy that is greedy in them, and how they were reached."""

    q: Array  # [N, A]
    u: Array  # [N, S, A]
    policy: Array  # [N] int
    q_iterates: Array  # [K, N, A]


def evaluate_policy(
    model: Model, histories: Histories, policy: Array, *, tolerance: float = 1e-12
) -> Array:
    """Return U^π, the fixed point of B_π, [N, S, A], to a tolerance in each entry.

    Raises:
      ValueError: when the sweeps do not converge, which needs a discount of 1.
    """
    u = np.zeros((*histories.belief.shape, model.reward.shape[1]))
    for _ in range(_MOST_SWEEPS):
        u, before = bellman_u(model, histories, u, policy), u
        if _close(u, before, model.discount, tolerance):
            return u
    raise ValueError(f"the policy has no value after {_MOST_SWEEPS} steps: lower the discount")


def policy_iteration(model: Model, histories: Histories, *, tolerance: float = 1e-12) -> Solution:
    """Solve by API: U^π, then Q^π = E U^π, then the policy greedy in Q^π, until it is stable.

    An action is given up only for one that is better by more than rounding, so ties end.

    Raises:
      ValueError: when a policy's evaluation does not converge.
    """
    policy = np.zeros(histories.count, int)
    iterates = []
    while True:
        u = evaluate_policy(model, histories, policy, tolerance=tolerance)
        q = expectation(histories, u)
        iterates.append(q)
        current = np.take_along_axis(q, policy[:, None], axis=1)[:, 0]
        improved = np.where(q.max(-1) > current + 1e3 * tolerance, greedy(q), policy)
        if (improved == policy).all():
            return Solution(q, u, policy, np.array(iterates))
        policy = improved


def action_value_iteration(
    model: Model, histories: Histories, u: Array, iterations: int
) -> Solution:
    """Run AAVI: U_k+1 = B_g(Q_k) U_k and Q_k+1 = E U_k+1, from a U_0 and its Q_0 = E U_0.

    Returns:
      The last values; `q_iterates` holds Q_0 to Q_K, K = `iterations`.
    """
    q = expectation(histories, u)
    iterates = [q]
    for _ in range(iterations):
        u = bellman_u(model, histories, u, greedy(q))
        q = expectation(histories, u)
        iterates.append(q)
    return Solution(q, u, greedy(q), np.array(iterates))


def optimal_values(model: Model, histories: Histories, *, tolerance: float = 1e-12) -> Solution:
    """Return Q*, the fixed point of B, and U*, the values of the policy greedy in Q*.

    It never looks at U on its way to Q*: value iteration over the beliefs, as for any POMDP. In a
    tree that is backward induction.

    Raises:
      ValueError: when it does not converge, which needs a discount of 1.
    """
    q = np.zeros((histories.count, model.reward.shape[1]))
    for _ in range(_MOST_SWEEPS):
        q, before = bellman_q(model, histories, q), q
        if _close(q, before, model.discount, tolerance):
            u = evaluate_policy(model, histories, greedy(q), tolerance=tolerance)
            return Solution(q, u, greedy(q), q[None])
    raise ValueError(f"no optimal value after {_MOST_SWEEPS} steps: lower the discount")


def expected_length(histories: Histories, policy: Array) -> float:
    """Return the expected number of steps of an episode in which a policy [N] acts.

    Raises:
      ValueError: when episodes may go on for ever.
    """
    nodes = np.arange(histories.count)
    probability, successor = (
        x[nodes, policy] for x in (histories.probability, histories.successor)
    )  # [N, O]
    weight = np.eye(1, histories.count)[0]  # Pr(the episode has come to h), [N]
    length = 0.0
    for _ in range(_MOST_SWEEPS):
        length += weight.sum()
        onwards = (weight[:, None] * probability).ravel()
        weight = np.bincount(successor.ravel(), onwards, histories.count + 1)[:-1]
        if weight.sum() < 1e-15:
            return float(length)
    raise ValueError(f"episodes of this policy have not ended after {_MOST_SWEEPS} steps")


def enumerate_policies(model: Model, histories: Histories, *, most: int = 100_000) -> Array:
    """Return Q*(h_0, ·), [A], as the best over all A^N deterministic policies of a tree.

    Each policy is evaluated forwards, by the probabilities of all that can happen: neither beliefs
    nor operators are used, so that they can be checked against it.

    Raises:
      ValueError: when there are more than `most` policies.
    """
    actions = model.reward.shape[1]
    if actions**histories.count > most:
        raise ValueError(f"{actions}^{histories.count} policies are more than {most}")
    policies = np.array(list(itertools.product(range(actions), repeat=histories.count)))  # [P, N]
    values = np.zeros(len(policies))
    kernel = np.einsum("sat,ato->saot", goes_on(model), model.observation)
    weight = np.zeros((len(policies), histories.count, len(model.start)))  # γ^t Pr(h_t, s_t)
    weight[:, 0] = model.start
    while weight.any():
        values += np.einsum("pns,pns->p", weight, model.reward.T[policies])
        joint = model.discount * np.einsum(
            "pns,pnsot->pnot", weight, kernel.swapaxes(0, 1)[policies]
        )
        successor = histories.successor[np.arange(histories.count), policies]  # [P, N, O]
        weight = np.zeros((len(policies), histories.count + 1, len(model.start)))
        np.add.at(weight, (np.arange(len(policies))[:, None, None], successor), joint)
        weight = weight[:, :-1]
    return np.array([values[policies[:, 0] == action].max() for action in range(actions)])


def _close(now: Array, before: Array, discount: float, tolerance: float) -> bool:
    """Whether the limit of a contraction is within the tolerance of `now` (Banach's bound)."""
    change = np.abs(now - before).max()
    return bool(change * discount <= tolerance * (1.0 - discount)) or bool(change == 0.0)
