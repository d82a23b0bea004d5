"""The paper's statements, each checked by numbers on finite POMDPs."""

import dataclasses
from typing import Any

import numpy as np

from adqn_jax.envs.pomdp import LISTEN, OPEN_RIGHT, POMDP, heavenhell, random_pomdp, tiger
from adqn_jax.tabular import (
    Histories,
    Learned,
    action_value_iteration,
    belief_graph,
    bellman_q,
    bellman_u,
    bellman_u_greedy,
    enumerate_policies,
    evaluate_policy,
    expectation,
    expected_length,
    greedy,
    history_tree,
    optimal_values,
    policy_iteration,
    q_learning,
    supported,
)
from adqn_jax.tabular.q_learning import QUpdate

#: The models that the identities are checked on: this many random ones, to this horizon.
_MODELS, _HORIZON = 10, 4
#: The Q-updates of AQL, as tables and pictures call them.
_UPDATES: dict[QUpdate, str] = {
    "printed": "as printed",
    "consistent": "with Pr(s|h) on U's step",
    "weighted": "with Pr(s|h) on Q's step",
}


@dataclasses.dataclass(frozen=True)
class Check:
    """A row of the table; it holds if the error is at most the bound, None: only reported."""

    statement: str
    checked: str
    error: float
    bound: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the error is within its bound."""
        return self.bound is None or self.error <= self.bound


def _random_trees() -> list[tuple[POMDP, Histories, np.random.Generator]]:
    models = [random_pomdp(seed) for seed in range(_MODELS)]
    return [(m, history_tree(m, _HORIZON), np.random.default_rng(i)) for i, m in enumerate(models)]


def _draw_u(histories: Histories, model: POMDP, rng: np.random.Generator) -> np.ndarray:
    u = rng.normal(size=(histories.count, *model.reward.shape))
    return u * supported(histories)[..., None]


def _norm(x: Any) -> float:
    return float(np.abs(x).max())


def beliefs() -> list[Check]:
    """Compare the filter with sums over all sequences of states."""
    errors = []
    for model, tree, _ in _random_trees():
        t, o = model.transition, model.observation
        joint = np.einsum("i,iaj,ajx,jbk,bky->axbyk", model.start, t, o, t, o, optimize=True)
        joint = joint.reshape(-1, model.num_states)  # Pr(h, s) of the histories of two steps
        width = model.num_actions * model.num_observations
        filtered = tree.belief[1 + width : 1 + width + width**2]
        errors.append(_norm(filtered - joint / joint.sum(-1, keepdims=True)))
    checked = f"filter = enumeration, {_MODELS} random POMDPs"
    return [Check("belief Pr(s|h)", checked, max(errors), 1e-12)]


def operators() -> list[Check]:
    """Check contraction and fixed points (Lemmas 3.1 to 3.3)."""
    ratios, fixed, expected = [], [], []
    for model, tree, rng in _random_trees():
        policy = rng.integers(model.num_actions, size=tree.count)
        u, q = _draw_u(tree, model, rng), rng.normal(size=(tree.count, model.num_actions))
        for other in (rng.normal(size=q.shape), q + 1.0):  # the second attains the modulus
            for action in (policy, None):
                change = bellman_q(model, tree, q, action) - bellman_q(model, tree, other, action)
                ratios.append(_norm(change) / _norm(q - other) / model.discount)
        for other in (_draw_u(tree, model, rng), u + 1.0 * supported(tree)[..., None]):
            change = bellman_u(model, tree, u, policy) - bellman_u(model, tree, other, policy)
            ratios.append(_norm(change) / _norm(u - other) / model.discount)
        value = evaluate_policy(model, tree, policy)
        fixed.append(_norm(bellman_u(model, tree, value, policy) - value))
        q_value = expectation(tree, value)
        expected.append(_norm(bellman_q(model, tree, q_value, policy) - q_value))
    excess = max(ratios) - 1.0
    return [
        Check("Lemmas 3.1-3.3", "B_π, B on Q and B_π on U: ‖Bx-By‖ / γ‖x-y‖ - 1", excess, 1e-12),
        Check("Lemmas 3.1-3.3", "U^π is the fixed point of B_π", max(fixed), 1e-10),
        Check("Lemmas 3.1-3.3", "E U^π is the fixed point of B_π on Q", max(expected), 1e-10),
    ]


def greedy_operator() -> list[Check]:
    """Show that B_g(EU) is no contraction on U where E U has ties, but its expectation is."""
    on_u, on_q = [], []
    for model, tree, rng in _random_trees():
        u = _draw_u(tree, model, rng)
        tied = (u - expectation(tree, u)[:, None]) * supported(tree)[..., None]  # E U = 0
        tips = np.diag([1e-3, 3e-3])  # one action is better by 0.001, or the other by 0.003
        near = [tied + tip * supported(tree)[..., None] for tip in tips]
        distance = _norm(near[0] - near[1])
        change = np.subtract(*(bellman_u_greedy(model, tree, x) for x in near))
        on_u.append(_norm(change) / distance)
        on_q.append(_norm(expectation(tree, change)) / distance / model.discount - 1.0)
    return [
        Check("B_g(EU) on U", "no contraction: smallest ‖Bx-By‖/‖x-y‖ near ties", min(on_u)),
        Check("B_g(EU) on U", "its expectation contracts: ‖E(Bx-By)‖/γ‖x-y‖ - 1", max(on_q), 1e-9),
    ]


def lemma_4_2() -> list[Check]:
    """Check E B_g(Q) U = B Q when Q = E U, and that it fails when not."""
    consistent: list[float] = []
    inconsistent: list[float] = []
    for model, tree, rng in _random_trees():
        u = _draw_u(tree, model, rng)
        for errors, q in (
            (consistent, expectation(tree, u)),
            (inconsistent, rng.normal(size=(tree.count, model.num_actions))),
        ):
            stepped = expectation(tree, bellman_u(model, tree, u, greedy(q)))
            errors.append(_norm(stepped - bellman_q(model, tree, q)))
    return [
        Check("Lemma 4.2", "E B_g(Q) U = B Q, consistent pairs", max(consistent), 1e-10),
        Check("Lemma 4.2", "the same, inconsistent pairs: smallest error", min(inconsistent)),
    ]


def policy_iteration_finds_the_optimum() -> list[Check]:
    """Check API against enumeration, backward induction and value iteration over beliefs."""
    enumerated, induction = [], []
    for model, tree, _ in _random_trees():
        short = history_tree(model, 2)
        best = enumerate_policies(model, short)
        enumerated.append(_norm(policy_iteration(model, short).q[0] - best))
        enumerated.append(_norm(optimal_values(model, short).q[0] - best))
        induction.append(_norm(policy_iteration(model, tree).q - optimal_values(model, tree).q))
    checks = [
        Check("API (Alg. 1)", "= best of all policies, horizon 2", max(enumerated), 1e-8),
        Check("API (Alg. 1)", f"= backward induction, horizon {_HORIZON}", max(induction), 1e-8),
    ]
    for model in (tiger(), heavenhell(3)):
        graph = belief_graph(model)
        solved = policy_iteration(model, graph)
        error = _norm(solved.q - optimal_values(model, graph).q)
        name = f"= optimum of {model.name}, no horizon, {len(solved.q_iterates)} policies"
        checks.append(Check("API (Alg. 1)", name, error, 1e-8))
    return checks


def action_value_iteration_is_value_iteration() -> list[Check]:
    """Check Q_k = B^k Q_0 for every k, and the limit."""
    errors, limits = [], []
    for model, tree, rng in _random_trees():
        solved = action_value_iteration(model, tree, _draw_u(tree, model, rng), _HORIZON)
        q = solved.q_iterates[0]
        for iterate in solved.q_iterates[1:]:
            q = bellman_q(model, tree, q)
            errors.append(_norm(iterate - q))
        limits.append(_norm(solved.q - optimal_values(model, tree).q))
    return [
        Check("AAVI (Alg. 2)", "Q_k = B^k Q_0 at every k, random U_0", max(errors), 1e-10),
        Check("AAVI (Alg. 2)", f"Q_{_HORIZON} = backward induction", max(limits), 1e-8),
    ]


def learn(episodes: int, seeds: int) -> tuple[list[Check], dict[str, tuple[Learned, np.ndarray]]]:
    """Run AQL with every Q-update; the table, and for a picture errors of Q [S', K]."""
    model = random_pomdp(0)
    tree = history_tree(model, 3)
    optimum = optimal_values(model, tree).q
    checks, curves = [], {}
    for update, name in _UPDATES.items():
        learned = q_learning(
            model, tree, np.arange(seeds), episodes=episodes, q_update=update, exponent=1.0
        )
        errors = np.abs(learned.q - optimum).max((2, 3))
        expected = np.einsum("ns,xknsa->xkna", tree.belief, learned.u)
        gaps = np.abs(learned.q - expected).max((2, 3))
        curves[name] = (learned, errors)
        checks += [
            Check("AQL (Alg. 3)", f"{name}: |Q - Q*|, {seeds} seeds", errors[:, -1].max()),
            Check("AQL (Alg. 3)", f"{name}: |Q - E U|", gaps[:, -1].max()),
        ]
    return checks, curves


def known_optima() -> list[Check]:
    """Compare value iteration over beliefs with values known beforehand."""
    checks = []
    for n, value, steps in ((3, 0.99**14, 15), (4, 0.99**18, 19)):
        model = heavenhell(n)
        graph = belief_graph(model)
        optimum = optimal_values(model, graph)
        error = abs(optimum.q[0].max() - value)
        error = max(error, abs(expected_length(graph, optimum.policy) - steps))
        name = f"heavenhell-{n}: {value:.4f} at the start, {steps} steps, {graph.count} beliefs"
        checks.append(Check("exact optimum", name, error, 1e-10))
    return checks


def states_mislead() -> list[Check]:
    """Show that argmax_a U*(h,s,a) is not what to do: in Tiger one would never listen."""
    model = tiger()
    graph = belief_graph(model)
    optimum = optimal_values(model, graph)
    best, by_state = int(optimum.q[0].argmax()), optimum.u[0].argmax(-1)  # at the empty history
    lost = optimum.q[0, LISTEN] - optimum.q[0, OPEN_RIGHT]
    differs = float(best == LISTEN and LISTEN not in by_state)
    name = f"tiger: every state opens a door, argmax Q* listens; opening costs {lost:.2f}"
    return [Check("argmax U* ≠ π*", name, 1.0 - differs, 0)]
