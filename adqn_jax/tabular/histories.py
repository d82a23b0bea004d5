"""Reachable histories of a finite POMDP: the tree up to a horizon, and the graph of beliefs."""

import numpy as np

from adqn_jax.tabular.types import Array, Histories, Model, goes_on

#: Decimals to which two beliefs must agree to count as one.
_DECIMALS = 12


def update_beliefs(model: Model, belief: Array) -> tuple[Array, Array]:
    """Filter beliefs by every action and observation (Bayes' rule).

    Args:
      model: the POMDP.
      belief: [N, S] Pr(s | h).

    Returns:
      Pr(o and the episode goes on | h, a), [N, A, O], and Pr(s | hao), [N, A, O, S], which is 0
      where the former is.
    """
    predicted = np.einsum("ns,sat->nat", belief, goes_on(model))
    joint = np.einsum("nat,ato->naot", predicted, model.observation)
    probability = joint.sum(-1)
    reachable = probability > 0.0
    return probability, joint / np.where(reachable, probability, 1.0)[..., None]


def history_tree(model: Model, horizon: int, *, most: int = 1_000_000) -> Histories:
    """Enumerate the histories that can be reached before each of `horizon` actions.

    Raises:
      ValueError: when the horizon is less than 1, or there are more than `most` histories.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, got {horizon}")
    levels, probabilities, reached = [model.start[None]], [], []
    for _ in range(horizon):
        probability, posterior = update_beliefs(model, levels[-1])
        probabilities.append(probability)
        reached.append(probability > 0.0)
        levels.append(posterior[reached[-1]])
        if sum(map(len, levels[:-1])) > most:
            raise ValueError(f"more than {most} histories within {horizon} steps: lower horizon")
    reached[-1][:] = False  # what the last action leads to lies beyond the horizon
    reachable = np.concatenate(reached)
    belief = np.concatenate(levels[:-1])
    successor = np.full(reachable.shape, len(belief))
    successor[reachable] = np.arange(1, len(belief))  # levels follow one another in this order
    return Histories(belief, np.concatenate(probabilities), successor)


def belief_graph(model: Model, *, most: int = 10_000) -> Histories:
    """Enumerate the reachable beliefs, for models that have finitely many.

    Beliefs that agree to 12 decimals are one, which may close a graph that a limit of beliefs
    would keep open (Tiger's), at an error of that order.

    Raises:
      ValueError: when there are more than `most`.
    """
    belief, frontier = model.start[None], model.start[None]
    probabilities, successors = [], []
    while len(frontier):
        probability, posterior = update_beliefs(model, frontier)
        reached = probability > 0.0
        known = len(belief)
        belief, index = _merge(np.concatenate([belief, posterior[reached]]))
        successor = np.full(reached.shape, -1)
        successor[reached] = index[known:]
        probabilities.append(probability)
        successors.append(successor)
        frontier = belief[known:]
        if len(belief) > most:
            raise ValueError(
                f"more than {most} beliefs can be reached, perhaps infinitely many: build a "
                f"history_tree up to a horizon instead"
            )
    successor = np.concatenate(successors)
    successor[successor < 0] = len(belief)
    return Histories(belief, np.concatenate(probabilities), successor)


def _merge(belief: Array) -> tuple[Array, Array]:
    """Return the different rows in the order of their first appearance, and which is which."""
    _, first, index = np.unique(
        belief.round(_DECIMALS), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    rank = np.argsort(order)
    return belief[first[order]], rank[index.reshape(-1)]
