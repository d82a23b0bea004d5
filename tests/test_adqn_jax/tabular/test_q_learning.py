"""AQL on a small problem."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.envs.pomdp import POMDP, random_pomdp, tiger
from adqn_jax.tabular import (
    Learned,
    belief_graph,
    expectation,
    history_tree,
    optimal_values,
    q_learning,
)

MODEL = random_pomdp(0)
TREE = history_tree(MODEL, 2)
OPTIMUM = optimal_values(MODEL, TREE)


@functools.cache
def learned(update: Any) -> Learned:
    """Run three seeds."""
    return q_learning(
        MODEL, TREE, np.arange(3), episodes=30_000, snapshots=3, q_update=update, exponent=1.0
    )


@pytest.mark.parametrize("update", ["printed", "consistent"])
def test_finds_the_optimum(update: Any) -> None:
    """Q is within 0.05 on every seed, U too, and errors shrink."""
    found = learned(update)
    np.testing.assert_array_equal(found.episodes, [10_000, 20_000, 30_000])
    assert found.q.dtype == np.float64
    errors = np.abs(found.q - OPTIMUM.q).max((2, 3))
    assert (errors[:, -1] < 0.05).all(), errors
    assert errors[:, -1].mean() < errors[:, 0].mean()
    assert (np.abs(found.u[:, -1] - OPTIMUM.u) < 0.05).all()
    assert np.ptp(found.q[:, -1], axis=0).max() > 0, "seeds differ"
    assert jnp.ones(1).dtype == np.float32, "the global setting is as it was"


def test_the_factor_keeps_q_and_u_consistent() -> None:
    """With Pr(s|h) on U's step Q = E U throughout; as printed there is a gap."""
    for update, low, high in (("consistent", 0.0, 1e-12), ("printed", 1e-4, 0.05)):
        found = learned(update)
        for q, u in zip(found.q[:, -1], found.u[:, -1], strict=True):
            assert low <= np.abs(q - expectation(TREE, u)).max() <= high


def test_the_factor_on_q_is_biased() -> None:
    """It weights states by Pr(s|h)²: at the horizon Q tends to that average of R."""
    square = TREE.belief[1:] ** 2
    biased = square @ MODEL.reward / square.sum(-1, keepdims=True)
    assert np.abs(OPTIMUM.q[1:] - biased).max() > 0.15
    assert np.abs(learned("weighted").q[:, -1, 1:] - biased).max() < 0.08


def test_ends_are_not_bootstrapped() -> None:
    """Where every action ends the episode, Q is the reward."""
    model = POMDP(
        MODEL.transition, MODEL.observation, MODEL.reward, MODEL.start, 0.9,
        np.ones_like(MODEL.reward, bool),
    )  # fmt: skip
    tree = history_tree(model, 2)
    assert tree.count == 1
    found = q_learning(model, tree, np.arange(2), episodes=20_000, snapshots=1, exponent=1.0)
    np.testing.assert_allclose(found.u[:, 0, 0], [MODEL.reward] * 2, atol=1e-12)
    np.testing.assert_allclose(found.q[:, 0, 0], [MODEL.start @ MODEL.reward] * 2, atol=0.02)


def test_bad_arguments() -> None:
    """Each has its sentence."""
    options: dict[str, Any]
    for options, message in (
        ({"q_update": "other"}, "q_update must be one of printed, consistent, weighted, got other"),
        ({"exponent": 0.5}, "exponent must be greater than 0.5 and at most 1, got 0.5"),
        ({"episodes": 0}, "episodes and snapshots must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            q_learning(MODEL, TREE, np.arange(1), **{"episodes": 1, **options})
    with pytest.raises(ValueError, match="needs a history_tree"):
        q_learning(tiger(), belief_graph(tiger()), np.arange(1), episodes=1)
    assert not jax.config.jax_enable_x64
