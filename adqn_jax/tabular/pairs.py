"""A finite POMDP and somebody's memory as one chain: who visits what, and what that earns.

An expert sees the state s, a trainee what it remembers, h: a history, the last observation, or any
other finite memory that each action and observation updates. Both are functions of the pair (h, s).

Axes: P pairs, N memories, S states, A actions, O observations. A policy of pairs is [P, A].
"""

import dataclasses

import numpy as np

from adqn_jax.tabular.types import Array, Histories, Model, goes_on


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of memory and state that can be reached."""

    memory: Array  # [P] int, of each pair
    state: Array  # [P] int
    transition: Array  # [P, A, P] Pr(the pair reached, and the episode goes on | pair, a)
    reward: Array  # [P, A]
    start: Array  # [P]
    memories: int
    """N."""
    states: int
    """S."""
    discount: float


def last_observations(model: Model) -> Array:
    """Return the memory of the last observation, as `successor` of `make_pairs`, [O + 1, A, O].

    Memory 0 stands for nothing seen yet, o + 1 for observation o.
    """
    seen = model.observation.shape[2]
    return np.broadcast_to(np.arange(seen) + 1, (seen + 1, model.reward.shape[1], seen))


def make_pairs(model: Model, memory: Array | Histories) -> Pairs:
    """Enumerate the pairs that can be reached.

    Args:
      model: the POMDP.
      memory: the memory that follows each, by action and observation, int [N, A, O]; the first is
        what episodes begin with. Or a belief graph.

    Raises:
      ValueError: when histories end before the episode does, as those of a tree do.
    """
    successor = memory.successor if isinstance(memory, Histories) else memory
    onwards = goes_on(model)
    begin = [(0, int(state)) for state in np.flatnonzero(model.start)]
    known = {pair: number for number, pair in enumerate(begin)}
    found, rows = list(begin), []
    for before, state in found:  # grows while it is read
        # One by one: all at once, [S, A, O, S], take more memory than there may be.
        for action, after in np.argwhere(onwards[state] > 0.0):
            shown = model.observation[action, after]
            for seen in np.flatnonzero(shown):
                pair = (int(successor[before, action, seen]), int(after))
                if pair[0] >= len(successor):
                    raise ValueError(
                        "memories must follow each other for ever: these histories are a tree, "
                        "which ends at its depth; give a belief graph"
                    )
                if pair not in known:
                    known[pair] = len(found)
                    found.append(pair)
                chance = onwards[state, action, after] * shown[seen]
                rows.append((known[before, state], action, known[pair], chance))
    transition = np.zeros((len(found), model.reward.shape[1], len(found)))
    for left, action, reached, chance in rows:
        transition[left, action, reached] += chance
    remembered, states = np.array(found).T
    start = np.where(np.arange(len(found)) < len(begin), model.start[states], 0.0)
    return Pairs(
        remembered, states, transition, model.reward[states], start, len(successor),
        len(model.start), model.discount,
    )  # fmt: skip


def visits(pairs: Pairs, policy: Array) -> Array:
    """Return the expected discounted number of visits to each pair, Σ_t γ^t Pr(h_t, s_t), [P]."""
    moves = _moves(pairs, policy)
    return np.linalg.solve(np.eye(len(moves)) - pairs.discount * moves.T, pairs.start)


def values(pairs: Pairs, policy: Array) -> Array:
    """Return V^π(h, s), [P]: the discounted return from each pair."""
    moves = _moves(pairs, policy)
    rewards = (policy * pairs.reward).sum(-1)
    return np.linalg.solve(np.eye(len(moves)) - pairs.discount * moves, rewards)


def expected_return(pairs: Pairs, policy: Array, steps: int) -> float:
    """Return the expected undiscounted return of an episode of at most so many steps."""
    moves, rewards = _moves(pairs, policy), (policy * pairs.reward).sum(-1)
    value = np.zeros_like(rewards)
    for _ in range(steps):
        value = rewards + moves @ value
    return float(pairs.start @ value)


def state_values(model: Model, sweeps: int = 10_000) -> Array:
    """Return Q*(s, a) of who sees the state, [S, A], by value iteration.

    Raises:
      ValueError: when so many sweeps do not converge.
    """
    onwards, q = goes_on(model), np.zeros_like(model.reward)
    for _ in range(sweeps):
        q, before = model.reward + model.discount * onwards @ q.max(-1), q
        if np.abs(q - before).max() < 1e-12:
            return q
    raise ValueError(f"no optimal value after {sweeps} sweeps: lower the discount")


def over_memories(pairs: Pairs, weight: Array, x: Array) -> Array:
    """Average what pairs have, [P, K], over those of each memory, [N, K]; NaN without weight."""
    return _average(pairs.memory, pairs.memories, weight, x)


def over_states(pairs: Pairs, weight: Array, x: Array) -> Array:
    """Average what pairs have, [P, K], over those of each state, [S, K]; NaN without weight."""
    return _average(pairs.state, pairs.states, weight, x)


def _average(index: Array, count: int, weight: Array, x: Array) -> Array:
    total, weighted = np.zeros(count), np.zeros((count, x.shape[1]))
    np.add.at(total, index, weight)
    np.add.at(weighted, index, weight[:, None] * x)
    known = total > 0.0
    return np.where(known[:, None], weighted / np.where(known, total, 1.0)[:, None], np.nan)


def _moves(pairs: Pairs, policy: Array) -> Array:
    moves: Array = np.einsum("pa,paq->pq", policy, pairs.transition)
    return moves
