"""Contraction, fixed points and Lemma 4.2."""

import numpy as np
import pytest

from adqn_jax.envs.pomdp import POMDP, heavenhell, random_pomdp, tiger
from adqn_jax.tabular import (
    Histories,
    belief_graph,
    bellman_q,
    bellman_u,
    bellman_u_greedy,
    consistency_gap,
    evaluate_policy,
    expectation,
    greedy,
    history_tree,
    supported,
)

CASES = [
    pytest.param(model, build(model), id=f"{model.name}-{model.discount}")
    for model, build in (
        (random_pomdp(0), lambda m: history_tree(m, 4)),
        (random_pomdp(1, states=4, actions=3, observations=2), lambda m: history_tree(m, 3)),
        (random_pomdp(2, discount=0.5), lambda m: history_tree(m, 4)),
        (heavenhell(2), belief_graph),
        (tiger(), belief_graph),
    )
]


def draw_u(model: POMDP, histories: Histories, seed: int) -> np.ndarray:
    """Return random values where they mean something."""
    u = np.random.default_rng(seed).normal(size=(histories.count, *model.reward.shape))
    return u * supported(histories)[..., None]


@pytest.mark.parametrize(("model", "histories"), CASES)
def test_contraction(model: POMDP, histories: Histories) -> None:
    """B_π and B shrink distances by the discount, and no more than that is lost."""
    rng = np.random.default_rng(0)
    policy = rng.integers(model.num_actions, size=histories.count)
    q = rng.normal(size=(histories.count, model.num_actions))
    u = draw_u(model, histories, 1)
    mask = supported(histories)[..., None]
    for other_q, other_u in (
        (rng.normal(size=q.shape), draw_u(model, histories, 2)),
        (q + 1.0, u + mask),
    ):
        for action in (policy, None):
            change = bellman_q(model, histories, q, action) - bellman_q(
                model, histories, other_q, action
            )
            assert np.abs(change).max() <= model.discount * np.abs(q - other_q).max() + 1e-12
        change = bellman_u(model, histories, u, policy) - bellman_u(
            model, histories, other_u, policy
        )
        assert np.abs(change).max() <= model.discount * np.abs(u - other_u).max() + 1e-12
    # The last pair differed by a constant: the modulus is attained.
    assert np.abs(change).max() == pytest.approx(model.discount)


@pytest.mark.parametrize(("model", "histories"), CASES)
def test_fixed_points_are_consistent(model: POMDP, histories: Histories) -> None:
    """U^π = B_π U^π from the definition alone, and E U^π is the fixed point of B_π on Q."""
    policy = np.random.default_rng(3).integers(model.num_actions, size=histories.count)
    u = evaluate_policy(model, histories, policy)
    np.testing.assert_allclose(bellman_u(model, histories, u, policy), u, atol=1e-10)
    q = expectation(histories, u)
    np.testing.assert_allclose(bellman_q(model, histories, q, policy), q, atol=1e-10)


@pytest.mark.parametrize(("model", "histories"), CASES)
def test_lemma_4_2(model: POMDP, histories: Histories) -> None:
    """E B_g(Q) U = B Q for Q = E U, whatever U; and not for another Q."""
    for seed in range(5):
        u = draw_u(model, histories, seed)
        q = expectation(histories, u)
        assert consistency_gap(histories, q, u) == 0.0
        stepped = bellman_u(model, histories, u, greedy(q))
        np.testing.assert_array_equal(stepped, bellman_u_greedy(model, histories, u))
        np.testing.assert_allclose(
            expectation(histories, stepped), bellman_q(model, histories, q), atol=1e-10
        )
        other = q + np.random.default_rng(seed).normal(size=q.shape)
        stepped = bellman_u(model, histories, u, greedy(other))
        wrong = expectation(histories, stepped) - bellman_q(model, histories, other)
        assert np.abs(wrong).max() > 1e-2


def test_u_by_hand() -> None:
    """One step of Tiger's U: listen, then open on the right whatever was heard."""
    model = tiger(discount=0.5)
    tree = history_tree(model, 2)
    policy = np.full(tree.count, 2)
    u = evaluate_policy(model, tree, policy)
    # Listening costs 1; then the right door pays 10 if the tiger is on the left, else -100.
    np.testing.assert_allclose(u[0, :, 0], [-1 + 0.5 * 10, -1 - 0.5 * 100])
    # A door starts anew, so that the second door pays -45 on average.
    np.testing.assert_allclose(u[0, :, 2], [10 - 0.5 * 45, -100 - 0.5 * 45])
    np.testing.assert_allclose(expectation(tree, u)[0, 0], -1 - 0.5 * 45)
