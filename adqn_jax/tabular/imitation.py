"""Imitating an expert that sees the state, exactly: what is copied, and an expert worth copying.

Source: Warrington et al. (2021), "Robust asymmetric learning in POMDPs" (A2D). An expert is
π_θ(a|s), [S, A]; a trainee π_ψ(a|h), [N, A]; d(h, s) are visits, [P].
"""

import dataclasses
from typing import Literal

import numpy as np

from adqn_jax.tabular.pairs import (
    Pairs,
    expected_return,
    over_memories,
    over_states,
    values,
    visits,
)
from adqn_jax.tabular.types import Array, Histories

#: What an action is worth to the expert: Q(h,a), the state averaged out; r(s,a) + γ V(h'), which
#: leaks the state for one step; or r(s,a) + γ V(h',s'), which leaks all of it.
Advantage = Literal["averaged", "one-step", "state"]

_MOST_ROUNDS = 10_000


def implicit_policy(pairs: Pairs, weight: Array, expert: Array) -> Array:
    """Return Σ_s d(s|h) π_θ(a|s), [N, A]: what a trainee makes of an expert (Theorem 1).

    It is the policy of histories with the least E_d(h,s) KL[π_θ(.|s) || π(.|h)]. Uniform where h is
    never visited.

    Args:
      pairs: the chain.
      weight: visits d, [P].
      expert: π_θ, [S, A].
    """
    average = over_memories(pairs, weight, expert[pairs.state])
    return np.where(np.isnan(average), 1.0 / expert.shape[1], average)


def divergence(pairs: Pairs, weight: Array, expert: Array, trainee: Array) -> float:
    """Return F(ψ) = E_d KL[π_θ(.|s) || π_ψ(.|h)], per visited step; infinite where it must be."""
    p, q = expert[pairs.state], trainee[pairs.memory]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0.0, p * np.log(p / q), 0.0).sum(-1)
    return float(weight @ np.where(weight > 0.0, terms, 0.0) / weight.sum())


def imitate(pairs: Pairs, expert: Array, *, tolerance: float = 1e-12) -> Array:
    """Return what imitation (AIL) converges to, [N, A]: ψ = the implicit policy of ψ's own visits.

    It starts from the uniform policy.

    Raises:
      ValueError: when it does not converge.
    """
    trainee = np.full((pairs.memories, expert.shape[1]), 1.0 / expert.shape[1])
    for _ in range(_MOST_ROUNDS):
        weight = visits(pairs, trainee[pairs.memory])
        trainee, before = implicit_policy(pairs, weight, expert), trainee
        if np.abs(trainee - before).max() <= tolerance:
            return trainee
    raise ValueError(f"imitation has not converged after {_MOST_ROUNDS} rounds")


def identifiable(histories: Histories, best: Array) -> bool:
    """Whether some optimal expert can be imitated without error (Theorem 2).

    It can where at each history that is met, an action is optimal in every state that may be.
    Imitation then reaches the optimum of the POMDP.

    Args:
      histories: a belief graph, or a tree.
      best: which actions are optimal for who sees the state, bool [S, A].
    """
    possible = histories.belief > 0.0
    shared = ~(possible[:, :, None] & ~best).any(1)  # [N, A]
    holds = np.ones(histories.count + 1, bool)
    while True:
        follows = (holds[histories.successor] | (histories.probability == 0.0)).all(-1)
        after = np.append((shared & follows).any(-1), True)
        if (after == holds).all():
            return bool(holds[0])
        holds = after


@dataclasses.dataclass(frozen=True, eq=False)
class Adapted:
    """What exact A2D ends with."""

    expert: Array  # [S, A]
    trainee: Array  # [N, A]
    divergence: float
    """Per step, without discount."""
    undiscounted_return: float
    """Of the trainee, which draws its actions."""


def adapt(
    pairs: Pairs, advantage: Advantage, *, iterations: int = 80, step: float = 0.3,
    floor: float = 1e-3, limit: int = 100,
) -> Adapted:  # fmt: skip
    """Adapt an expert to what its trainee can follow (A2D, with exact visits and values).

    The trainee is the implicit policy of its own visits; the expert moves from the uniform one
    towards what is greedy in the advantages of the trainee's values (Theorem 3 asks for those with
    the state averaged out).

    Args:
      pairs: the chain.
      advantage: what an action is worth.
      iterations: of all.
      step: how far towards the greedy policy the expert moves in each.
      floor: share of uniform actions in what it moves to, so that all stays visited.
      limit: the time limit of the return, in steps.
    """
    actions = pairs.reward.shape[1]
    expert = np.full((pairs.states, actions), 1.0 / actions)
    trainee = np.full((pairs.memories, actions), 1.0 / actions)
    for _ in range(iterations):
        trainee = implicit_policy(pairs, visits(pairs, trainee[pairs.memory]), expert)
        worth = _worth(pairs, trainee, advantage)
        weight = visits(pairs, trainee[pairs.memory])
        # A state that is not visited keeps its policy: nothing is known of it.
        of_state = over_states(pairs, weight, worth)
        greedy = np.eye(actions)[np.nan_to_num(of_state).argmax(-1)]
        target = (1.0 - floor) * greedy + floor / actions
        known = ~np.isnan(of_state).any(-1, keepdims=True)
        expert = np.where(known, (1.0 - step) * expert + step * target, expert)
    trainee = implicit_policy(pairs, visits(pairs, trainee[pairs.memory]), expert)
    plain = dataclasses.replace(pairs, discount=1.0)
    weight = visits(plain, trainee[pairs.memory])
    earned = expected_return(pairs, trainee[pairs.memory], limit)
    return Adapted(expert, trainee, divergence(pairs, weight, expert, trainee), earned)


def _worth(pairs: Pairs, trainee: Array, advantage: Advantage) -> Array:
    """Return what actions are worth to the expert, [P, A]; their mean does not matter."""
    policy = trainee[pairs.memory]
    weight, value = visits(pairs, policy), values(pairs, policy)
    if advantage == "one-step":
        # A memory that is never visited has no value, and is not reached from one that is.
        of_memory = np.nan_to_num(over_memories(pairs, weight, value[:, None])[:, 0])
        value = of_memory[pairs.memory]
    worth: Array = pairs.reward + pairs.discount * pairs.transition @ value
    if advantage == "averaged":
        worth = np.nan_to_num(over_memories(pairs, weight, worth))[pairs.memory]
    return worth
