"""Pedestrian, exactly: what can be had with the state and without, and what a clone earns.

Nothing is random there but the start, which makes it cheap: a belief is a set of states.
"""

import dataclasses

import numpy as np

from adqn_jax.envs.pedestrian import COLLISION
from adqn_jax.envs.pedestrian_model import pedestrian
from adqn_jax.envs.pomdp import POMDP
from adqn_jax.tabular import (
    Advantage,
    adapt,
    divergence,
    expected_return,
    imitate,
    last_observations,
    make_pairs,
    state_values,
    visits,
)
from support.theorems import Check

_LIMIT = 90  # steps of an episode


@dataclasses.dataclass(frozen=True)
class Exact:
    """Undiscounted returns, and collisions among the episodes with a pedestrian."""

    with_state: float
    """The optimum of who sees the state."""
    without: float
    """The optimum of who does not."""
    sampled: float
    """Of the imitation of an optimal expert whose ties are uniform, actions drawn."""
    greedy: float
    """The same, most probable actions."""
    divergence: float
    """Its KL, per step."""
    sampled_collisions: float
    """Share of the former's episodes with a pedestrian that end in a collision."""
    greedy_collisions: float
    """The same of the latter's."""


#: What `check` finds, rounded.
NUMBERS = Exact(57.75, 54.0, 30.763, 28.5, 0.1742, 0.416, 0.5)
#: What exact A2D ends with, return and KL, by what its advantage lets through of the state.
ADAPTED: tuple[tuple[Advantage, float, float], ...] = (
    ("averaged", 53.95, 0.0),
    ("state", 30.51, 0.317),
)


def check() -> list[Check]:
    """Check the optima, where imitation ends, and exact A2D."""
    found = exact()
    errors = np.subtract(dataclasses.astuple(found), dataclasses.astuple(NUMBERS))
    optima = f"{found.with_state:.4f} with the state, {found.without:.4f} without"
    cloned = f"{found.greedy:.3f} greedy, {found.sampled:.2f} sampled, KL {found.divergence:.3f}"
    hit = f"{found.greedy_collisions:.0%} greedy, {found.sampled_collisions:.1%} sampled"
    return [
        Check("exact optimum", f"pedestrian: {optima}", float(np.abs(errors[:2]).max()), 1e-9),
        Check("imitation (AIL)", f"pedestrian: {cloned}", float(np.abs(errors[2:5]).max()), 1e-3),
        Check(
            "imitation (AIL)",
            f"pedestrian: collides with {hit}",
            float(np.abs(errors[5:]).max()),
            1e-3,
        ),
        *_adapted(),
    ]


def exact() -> Exact:
    """Compute all but A2D."""
    model = pedestrian(1.0)
    q = state_values(model)
    best = q >= q.max(-1, keepdims=True) - 1e-9
    expert = best / best.sum(-1, keepdims=True)
    pairs = make_pairs(model, last_observations(model))
    trainee = imitate(pairs, expert)
    greedy = np.eye(model.num_actions)[trainee.argmax(-1)]
    # An expected return whose rewards are 1 for a collision and else 0 is how many there are.
    hits = dataclasses.replace(pairs, reward=(pairs.reward <= COLLISION).astype(float))
    there = 1.0 - model.start[0]
    return Exact(
        with_state=float(model.start @ q.max(-1)),
        without=without_state(model),
        sampled=expected_return(pairs, trainee[pairs.memory], _LIMIT),
        greedy=expected_return(pairs, greedy[pairs.memory], _LIMIT),
        divergence=divergence(pairs, visits(pairs, trainee[pairs.memory]), expert, trainee),
        sampled_collisions=expected_return(hits, trainee[pairs.memory], _LIMIT) / there,
        greedy_collisions=expected_return(hits, greedy[pairs.memory], _LIMIT) / there,
    )


def without_state(model: POMDP) -> float:
    """Return the undiscounted optimum of who sees observations only.

    For a POMDP that is deterministic but for its start: a belief is then the set of states that may
    be, each as probable as the start that leads to it.
    """
    assert model.terminal is not None
    follows, shown = model.transition.argmax(-1), model.observation[0].argmax(-1)
    start = tuple((int(s), float(model.start[s])) for s in np.flatnonzero(model.start))
    numbers, beliefs = {start: 0}, [start]
    paid: list[np.ndarray] = []  # of each belief, by action, weighed by how probable it is
    leads: list[list[list[int]]] = []  # to which beliefs
    for belief in beliefs:  # grows while it is read
        paid.append(sum(weight * model.reward[state] for state, weight in belief))
        leads.append([])
        for action in range(model.num_actions):
            after: dict[int, dict[int, float]] = {}
            for state, weight in belief:
                if not model.terminal[state, action]:
                    reached = int(follows[state, action])
                    same = after.setdefault(int(shown[reached]), {})
                    same[reached] = same.get(reached, 0.0) + weight
            leads[-1].append([])
            for same in after.values():
                found = tuple(sorted(same.items()))
                if found not in numbers:
                    numbers[found] = len(beliefs)
                    beliefs.append(found)
                leads[-1][-1].append(numbers[found])
    value = np.zeros(len(beliefs))
    for _ in range(_LIMIT):
        later = [[sum(value[number] for number in to) for to in each] for each in leads]
        value = (np.array(paid) + later).max(-1)
    return float(value[0])


def _adapted() -> list[Check]:
    model = pedestrian(0.995)
    pairs, checks = make_pairs(model, last_observations(model)), []
    for advantage, earned, kl in ADAPTED:
        ended = adapt(pairs, advantage, iterations=30, limit=_LIMIT)
        error = abs(ended.undiscounted_return - earned) + abs(ended.divergence - kl)
        leak = f"KL {ended.divergence:.2f}, a leak: state"
        how = "with the state averaged out" if advantage == "averaged" else leak
        told = f"pedestrian: {ended.undiscounted_return:.2f}, {how}"
        checks.append(Check("A2D, Theorem 3", told, error, 0.05))
    return checks
