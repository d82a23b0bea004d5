"""Imitation of an expert that sees the state: the statements and numbers of A2D, exactly.

Source: Warrington et al. (2021), "Robust asymmetric learning in POMDPs".
"""

import dataclasses

import numpy as np

from adqn_jax import envs
from adqn_jax.envs.hazards import GOAL, HAZARD, STEP, HazardGrid
from adqn_jax.envs.pomdp import POMDP, hazard_grid, random_pomdp
from adqn_jax.tabular import (
    Adapted,
    Advantage,
    Pairs,
    adapt,
    belief_graph,
    divergence,
    expected_return,
    history_tree,
    identifiable,
    imitate,
    implicit_policy,
    last_observations,
    make_pairs,
    optimal_values,
    state_values,
    visits,
)
from support.theorems import Check

_LIMIT = 100  # steps of an episode


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Of an environment; returns are undiscounted."""

    with_state: float
    """The optimum of who sees the state."""
    without: float
    """The optimum of who does not."""
    greedy: float
    """Of the imitation of an optimal expert whose ties are uniform, most probable actions."""
    sampled: float
    """The same, actions drawn."""
    divergence: float
    """Its KL, per step."""
    adapted: float
    """Of exact A2D, with the state averaged out; the floor of exploration costs the rest."""


NUMBERS = {
    "frozenlake": Numbers(32 / 3, 4, -80 / 3, -36.144, 0.333, 3.97),
    "tigerdoor": Numbers(6, 2, -54, -66, 0.480, 1.98),
    "tigerdoor-1": Numbers(18, 16, -42, -42, np.log(2), 15.95),
    "tigerdoor-2": Numbers(16, 14, -44, -48, np.log(2), 13.99),
    "tigerdoor-3": Numbers(14, 12, -46, -58, np.log(2), 11.99),
}
#: What leaks of the state, and where it ends then: return and KL.
LEAKS: tuple[tuple[str, Advantage, float, float], ...] = (
    ("tigerdoor-1", "one-step", -41.99, 0.69),
    ("frozenlake", "state", -11.8, 0.258),
)


def check() -> list[Check]:
    """Check all of it."""
    return [*theorem_1(), *theorem_2(), *optima(), *imitation(), *theorem_3()]


def theorem_1() -> list[Check]:
    """Check that what any policy adds to the implicit policy's divergence is its distance to it."""
    errors = []
    for seed in range(10):
        model, rng = random_pomdp(seed), np.random.default_rng(seed)
        pairs = make_pairs(model, last_observations(model))
        expert, other = (rng.dirichlet(np.ones(2), size) for size in (pairs.states, pairs.memories))
        weight = visits(pairs, other[pairs.memory])
        implicit = implicit_policy(pairs, weight, expert)
        excess = divergence(pairs, weight, expert, other) - divergence(
            pairs, weight, expert, implicit
        )
        terms = (implicit * np.log(implicit / other)).sum(-1)[pairs.memory]
        errors.append(abs(excess - weight @ terms / weight.sum()))
    name = "KL(π_θ‖π) - KL(π_θ‖π̂) = KL(π̂‖π) for any π: π̂ is the minimiser"
    return [Check("A2D, Theorem 1", name, max(errors), 1e-12)]


def theorem_2() -> list[Check]:
    """Check that imitation reaches the optimum where expert and trainee are identifiable."""
    found, lost = [], []
    for name, numbers in NUMBERS.items():
        model = _model(name)
        # Two steps tell enough of Frozen Lake, which has thousands of beliefs.
        histories = history_tree(model, 2) if name == "frozenlake" else belief_graph(model)
        found.append(identifiable(histories, _best(model)))
        pairs = _pairs(model)
        seeing = dataclasses.replace(pairs, memory=pairs.state, memories=pairs.states)
        trainee = imitate(seeing, _uniform(_best(model)))
        earned = expected_return(seeing, trainee[seeing.memory], _LIMIT)
        lost.append(abs(earned - numbers.with_state))
    return [
        Check("A2D, Theorem 2", "pairs of five environments that are identifiable", sum(found), 0),
        Check("A2D, Theorem 2", "they are when the trainee sees the state: lost", max(lost), 1e-9),
    ]


def theorem_3() -> list[Check]:
    """Check what exact A2D ends with, and with which leaks it fails."""
    checks = []
    for name, numbers in NUMBERS.items():
        ended = _adapt(name, "averaged")
        error = abs(ended.undiscounted_return - numbers.adapted) + ended.divergence
        told = f"{name}: {ended.undiscounted_return:.2f}, with the state averaged out"
        checks.append(Check("A2D, Theorem 3", told, error, 0.02))
    for name, advantage, earned, kl in LEAKS:
        ended = _adapt(name, advantage)
        error = abs(ended.undiscounted_return - earned) + abs(ended.divergence - kl)
        told = f"{name}: {ended.undiscounted_return:.2f}, KL {ended.divergence:.2f}"
        told += f", a leak: {advantage}"
        checks.append(Check("A2D, Theorem 3", told, error, 0.03))
    return checks


def optima() -> list[Check]:
    """Check what can be had with the state and without."""
    checks = []
    for name, numbers in NUMBERS.items():
        model = _model(name)
        seen = model.start @ state_values(model).max(-1)
        if name == "frozenlake":
            unseen = blind_lake()
        else:
            unseen = optimal_values(model, belief_graph(model)).q[0].max()
        error = max(abs(seen - numbers.with_state), abs(unseen - numbers.without))
        told = f"{name}: {seen:.4f} with the state, {unseen:.4f} without"
        checks.append(Check("exact optimum", told, error, 1e-9))
    return checks


def imitation() -> list[Check]:
    """Check where imitation ends."""
    checks = []
    for name, numbers in NUMBERS.items():
        model = _model(name)
        pairs, expert = _pairs(model), _uniform(_best(model))
        trainee = imitate(pairs, expert)
        greedy = np.eye(model.num_actions)[trainee.argmax(-1)]
        earned = [expected_return(pairs, p[pairs.memory], _LIMIT) for p in (greedy, trainee)]
        kl = divergence(pairs, visits(pairs, trainee[pairs.memory]), expert, trainee)
        errors = np.subtract([*earned, kl], [numbers.greedy, numbers.sampled, numbers.divergence])
        told = f"{name}: {earned[0]:.3f} greedy, {earned[1]:.2f} sampled, KL {kl:.3f}"
        checks.append(Check("imitation (AIL)", told, float(np.abs(errors).max()), 1e-3))
    return checks


def blind_lake() -> float:
    """Return the optimum of Frozen Lake without the state, undiscounted.

    A belief is a cell and the ice that has held: the weak cell is any of the other ones.
    """
    env = _grid("frozenlake")
    ice, goal = env.hazards.argmax(1), int(env.goals[0].argmax())
    sets, cells = np.arange(2 ** len(ice)), env.n**2
    walked = np.array([bin(held).count("1") for held in sets])
    value = np.zeros((len(sets), cells))
    for _ in range(30):  # more steps than the best way has, from anywhere
        q = np.full((len(sets), cells, env.num_actions), STEP)
        for cell, action in np.ndindex(cells, env.num_actions):
            after = int(env.moves[cell, action])
            later = value[:, after]
            if after in ice:
                bit = 1 << int(np.flatnonzero(ice == after)[0])
                breaks = np.where(sets & bit, 0.0, 1.0 / (len(ice) - np.minimum(walked, 8)))
                later = (1.0 - breaks) * value[sets | bit, after] + breaks * HAZARD
            q[:, cell, action] += GOAL if after == goal else later
        value = q.max(-1)
    return float(value[0, env.index(env.start)])


def _grid(name: str) -> HazardGrid:
    env, _ = envs.make(name)
    assert isinstance(env, HazardGrid)
    return env


def _model(name: str, discount: float = 1.0) -> POMDP:
    return hazard_grid(_grid(name), discount)


def _pairs(model: POMDP) -> Pairs:
    return make_pairs(model, last_observations(model))


def _best(model: POMDP) -> np.ndarray:
    q = state_values(model)
    return np.asarray(q >= q.max(-1, keepdims=True) - 1e-9)


def _uniform(allowed: np.ndarray) -> np.ndarray:
    """Return the policy that draws from what is allowed."""
    return np.asarray(allowed / allowed.sum(-1, keepdims=True))


def _adapt(name: str, advantage: Advantage) -> Adapted:
    return adapt(_pairs(_model(name, 0.995)), advantage)
