"""Imitation, exactly: chains of memory and state, the implicit policy, identifiability, A2D."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.envs.pomdp import POMDP, random_pomdp
from adqn_jax.tabular import (
    adapt,
    belief_graph,
    divergence,
    evaluate_policy,
    expected_return,
    history_tree,
    identifiable,
    imitate,
    implicit_policy,
    last_observations,
    make_pairs,
    state_values,
    values,
    visits,
)


def guess(shows: bool) -> POMDP:
    """Build a coin that is looked at, or seems to be, then guessed: 1 for the right side.

    States: the coin is 0 or 1, not looked at; the same, looked at. Actions: say 0, say 1, look.
    """
    moves = np.zeros((4, 3, 4))
    moves[..., :] = np.eye(4)[:, None]
    moves[[0, 1], 2] = np.eye(4)[[2, 3]]
    ends = np.ones((4, 3), bool)
    ends[:, 2] = False
    sees = np.eye(3)[[0, 0, 1, 2 if shows else 1]]
    return POMDP(
        transition=moves, observation=np.repeat(sees[None], 3, axis=0),
        reward=np.array([[1.0, 0, -0.1], [0, 1, -0.1]] * 2), start=np.array([0.5, 0.5, 0, 0]),
        discount=0.9, terminal=ends,
    )  # fmt: skip


def test_chain_of_pairs() -> None:
    """Values over beliefs are those of `evaluate_policy`; visits count what is earned, too."""
    for seed in range(3):
        model = random_pomdp(seed)
        tree = history_tree(model, 3)
        with pytest.raises(ValueError, match=r"these histories are a tree.*give a belief graph"):
            make_pairs(model, tree)
        # A memory of two observations, as a tree whose leaves forget.
        successor = np.where(tree.successor < tree.count, tree.successor, 0)
        pairs = make_pairs(model, successor)
        policy = np.random.default_rng(seed).integers(2, size=tree.count)
        of_pairs = np.eye(2)[policy][pairs.memory]
        earned = (visits(pairs, of_pairs)[:, None] * of_pairs * pairs.reward).sum()
        assert earned == pytest.approx(pairs.start @ values(pairs, of_pairs), abs=1e-10)
    model = guess(shows=True)
    graph = belief_graph(model)
    pairs = make_pairs(model, graph)
    look = np.where(graph.belief[:, :2].sum(-1) > 0.5, 2, graph.belief[:, 3] > 0.5).astype(int)
    exact = evaluate_policy(model, graph, look)[..., :]
    value = values(pairs, np.eye(3)[look][pairs.memory])
    chosen = exact[pairs.memory, pairs.state, look[pairs.memory]]
    np.testing.assert_allclose(value, chosen, atol=1e-10)
    assert pairs.start @ value == pytest.approx(0.9 - 0.1)
    assert expected_return(pairs, np.eye(3)[look][pairs.memory], 1) == pytest.approx(-0.1)


def test_last_observations() -> None:
    """A memory of one observation merges what was before."""
    model = random_pomdp(0)
    pairs = make_pairs(model, last_observations(model))
    assert (pairs.memories, pairs.states) == (3, 3)
    assert len(pairs.memory) == 9
    np.testing.assert_allclose(pairs.transition.sum(-1), 1.0)
    assert visits(pairs, np.full((9, 2), 0.5)).sum() == pytest.approx(10.0)  # 1 / (1 - γ)


def test_projection_s_minimiser_is_the_implicit_policy() -> None:
    """Descending the divergence ends at E_{s|h}[π_θ(a|s)], within 1e-8 (Theorem 1)."""
    model, rng = random_pomdp(1, states=4, actions=3), np.random.default_rng(0)
    pairs = make_pairs(model, last_observations(model))
    expert = rng.dirichlet(np.ones(3), pairs.states)
    weight = visits(pairs, np.full((len(pairs.memory), 3), 1 / 3))
    weight = weight / weight.sum()
    with jax.enable_x64(True):
        labels, counts = jnp.asarray(expert[pairs.state]), jnp.asarray(weight)[:, None]

        def loss(logits: jax.Array) -> jax.Array:
            return -(counts * labels * jax.nn.log_softmax(logits)[pairs.memory]).sum()

        logits = jnp.zeros((pairs.memories, 3), jnp.float64)
        step = jax.jit(lambda x: x - 4.0 * jax.grad(loss)(x))
        for _ in range(2_000):
            logits = step(logits)
        found = np.asarray(jax.nn.softmax(logits))
    implicit = implicit_policy(pairs, weight, expert)
    np.testing.assert_allclose(found[1:], implicit[1:], atol=1e-8)
    assert divergence(pairs, weight, expert, implicit) > 0.01
    unseen = implicit_policy(pairs, np.where(pairs.memory == 1, 0.0, weight), expert)
    np.testing.assert_allclose(unseen[1], 1 / 3)


def test_imitation_guesses_and_a2d_looks() -> None:
    """The expert knows the coin and its clone guesses; A2D's expert looks, and so can be copied."""
    model = guess(shows=True)
    pairs = make_pairs(model, last_observations(model))
    expert = np.eye(3)[state_values(model).argmax(-1)]
    trainee = imitate(pairs, expert)
    assert expected_return(pairs, trainee[pairs.memory], 9) == pytest.approx(0.5)
    assert not identifiable(belief_graph(model), expert > 0.0)
    ended = adapt(pairs, "averaged")
    assert ended.undiscounted_return == pytest.approx(0.9, abs=2e-3)
    assert ended.divergence < 1e-6
    leaks = adapt(pairs, "state")
    assert leaks.undiscounted_return == pytest.approx(0.5, abs=2e-3)
    assert leaks.divergence > 0.6


def test_what_is_seen_is_identifiable() -> None:
    """A trainee that sees the state becomes the expert (Theorem 2); so does one that must look."""
    model = guess(shows=True)
    pairs = make_pairs(model, last_observations(model))
    seeing = dataclasses.replace(pairs, memory=pairs.state, memories=pairs.states)
    expert = np.eye(3)[state_values(model).argmax(-1)]
    np.testing.assert_allclose(imitate(seeing, expert)[:2], expert[:2])
    looks = np.zeros((4, 3), bool)
    looks[[0, 1], 2] = looks[2, 0] = looks[3, 1] = True
    assert identifiable(belief_graph(model), looks)
    assert not identifiable(belief_graph(guess(shows=False)), looks)
