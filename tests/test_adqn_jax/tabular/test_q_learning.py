"""AQL on a small problem, with U in the target or without, with one table or two."""

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
from adqn_jax.tabular.q_learning import _Rule, _Step, _Tables, _updater

MODEL = random_pomdp(0)
TREE = history_tree(MODEL, 2)
OPTIMUM = optimal_values(MODEL, TREE)


@functools.cache
def learned(update: Any, bootstrap: Any = "u", double: bool = False) -> Learned:
    """Run three seeds."""
    return q_learning(
        MODEL, TREE, np.arange(3), episodes=30_000, snapshots=3, q_update=update,
        bootstrap=bootstrap, double=double, exponent=1.0,
    )  # fmt: skip


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(
    ("update", "bootstrap"), [("printed", "u"), ("consistent", "u"), ("printed", "q")]
)
def test_finds_the_optimum(update: Any, bootstrap: Any, double: bool) -> None:
    """Q is within 0.05 on every seed, U too where it is in the target, and errors shrink."""
    found = learned(update, bootstrap, double)
    np.testing.assert_array_equal(found.episodes, [10_000, 20_000, 30_000])
    assert found.q.dtype == np.float64
    errors = np.abs(found.q - OPTIMUM.q).max((2, 3))
    assert (errors[:, -1] < 0.05).all(), errors
    assert errors[:, -1].mean() < errors[:, 0].mean()
    assert (np.abs(found.u[:, -1] - OPTIMUM.u) < 0.05).all() == (bootstrap == "u")
    assert np.ptp(found.q[:, -1], axis=0).max() > 0, "seeds differ"
    assert jnp.ones(1).dtype == np.float32, "the global setting is as it was"


@pytest.mark.parametrize("double", [False, True])
def test_the_factor_keeps_q_and_u_consistent(double: bool) -> None:
    """With Pr(s|h) on U's step Q = E U throughout; as printed there is a gap."""
    for update, low, high in (("consistent", 0.0, 1e-12), ("printed", 1e-4, 0.05)):
        found = learned(update, double=double)
        for q, u in zip(found.q[:, -1], found.u[:, -1], strict=True):
            assert low <= np.abs(q - expectation(TREE, u)).max() <= high


def test_the_factor_on_q_is_biased() -> None:
    """It weights states by Pr(s|h)²: at the horizon Q tends to that average of R."""
    square = TREE.belief[1:] ** 2
    biased = square @ MODEL.reward / square.sum(-1, keepdims=True)
    assert np.abs(OPTIMUM.q[1:] - biased).max() > 0.15
    assert np.abs(learned("weighted").q[:, -1, 1:] - biased).max() < 0.08


@pytest.mark.parametrize("double", [False, True])
def test_without_a_state_u_is_q(double: bool) -> None:
    """Where there is one state only, AQL is Q-learning; two tables are not one."""
    model = random_pomdp(1, states=1, actions=3, observations=2)
    tree = history_tree(model, 3)
    runs = [
        q_learning(model, tree, np.arange(2), episodes=50, bootstrap=bootstrap, double=double)
        for bootstrap in ("u", "q")
    ]
    np.testing.assert_array_equal(runs[0].q, runs[1].q)
    np.testing.assert_array_equal(runs[0].u[:, :, :, 0], runs[0].q)
    other = q_learning(model, tree, np.arange(2), episodes=50, double=not double)
    assert np.abs(runs[0].q - other.q).max() > 0.0


@pytest.mark.parametrize(
    ("bootstrap", "double", "target"),
    [("q", False, 100.0), ("u", False, 300.0), ("q", True, 1.0), ("u", True, 3.0)],
)
def test_one_table_selects_and_the_other_evaluates(
    bootstrap: Any, double: bool, target: float
) -> None:
    """A step worked out by hand: what moves, and to which target."""
    tables = 2 if double else 1
    q = jnp.zeros((tables, TREE.count + 1, 2)).at[0, 1].set(jnp.array([90.0, 100.0]))
    u = jnp.zeros((tables, TREE.count + 1, 3, 2)).at[0, 1, 2].set(jnp.array([270.0, 300.0]))
    if double:  # its own best is another action
        q = q.at[1, 1].set(jnp.array([2.0, 1.0]))
        u = u.at[1, 1, 2].set(jnp.array([4.0, 3.0]))
    model = random_pomdp(0, discount=1.0)
    update = _updater(model, TREE, _Rule("printed", bootstrap, tables, 1.0))
    before = _Tables(q, u, jnp.zeros_like(q), jnp.zeros_like(u))
    step = _Step(*map(jnp.asarray, (0, 1, 1, 0.5, 1, 2)))
    after = update(before, step, 0)
    for now, then, at in ((after.q, q, (0, 0, 1)), (after.u, u, (0, 0, 1, 1))):
        np.testing.assert_allclose(now, then.at[at].set(0.5 + target), rtol=1e-6)
    np.testing.assert_array_equal(after.q_visits, jnp.zeros_like(q).at[0, 0, 1].set(1.0))


@pytest.mark.parametrize("double", [False, True])
def test_ends_are_not_bootstrapped(double: bool) -> None:
    """Where every action ends the episode, Q is the reward."""
    model = POMDP(
        MODEL.transition, MODEL.observation, MODEL.reward, MODEL.start, 0.9,
        np.ones_like(MODEL.reward, bool),
    )  # fmt: skip
    tree = history_tree(model, 2)
    assert tree.count == 1
    found = q_learning(
        model, tree, np.arange(2), episodes=20_000, snapshots=1, exponent=1.0, double=double
    )
    np.testing.assert_allclose(found.u[:, 0, 0], [MODEL.reward] * 2, atol=1e-12)
    np.testing.assert_allclose(found.q[:, 0, 0], [MODEL.start @ MODEL.reward] * 2, atol=0.02)


def test_bad_arguments() -> None:
    """Each has its sentence."""
    options: dict[str, Any]
    for options, message in (
        ({"q_update": "other"}, "q_update must be one of printed, consistent, weighted, got other"),
        ({"bootstrap": "v"}, "bootstrap must be one of u, q, got v"),
        ({"exponent": 0.5}, "exponent must be greater than 0.5 and at most 1, got 0.5"),
        ({"episodes": 0}, "episodes and snapshots must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            q_learning(MODEL, TREE, np.arange(1), **{"episodes": 1, **options})
    with pytest.raises(ValueError, match="needs a history_tree"):
        q_learning(tiger(), belief_graph(tiger()), np.arange(1), episodes=1)
    assert not jax.config.jax_enable_x64
