"""experiments/returns.py: exact moments of returns, and the command."""

import csv
import itertools
import pathlib
from typing import Any

import jax
import matplotlib.image
import numpy as np
import pytest

import returns
from adqn_jax import envs
from runs import call
from support import multi_step
from support.multi_step import Table, bias_and_variance, moments

DISCOUNT = 0.9
#: Three states, two actions; the last state's second action ends the episode.
TABLE = Table(
    states=None,
    successor=np.array([[1, 2], [2, 0], [0, -1]]),
    reward=np.array([[0.0, 1.0], [-1.0, 2.0], [0.5, 3.0]]),
    start=np.array([1.0, 0.0, 0.0]),
)
POLICY = np.array([[0.3, 0.7], [0.5, 0.5], [0.8, 0.2]])
CRITIC = np.array([1.0, -2.0, 0.5])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_moments_are_those_of_all_paths(n: int) -> None:
    """Mean and variance, by enumerating every sequence of actions."""
    for state in range(3):
        returns_, probabilities = [], []
        for actions in itertools.product(range(2), repeat=n):
            here, total, probability = state, 0.0, 1.0
            for k, action in enumerate(actions):
                if here == -1:  # over: what follows is drawn in vain
                    probability /= 2.0
                    continue
                total += DISCOUNT**k * TABLE.reward[here, action]
                probability *= POLICY[here, action]
                here = TABLE.successor[here, action]
            total += DISCOUNT**n * (CRITIC[here] if here != -1 else 0.0)
            returns_.append(total)
            probabilities.append(probability)
        mean = np.average(returns_, weights=probabilities)
        variance = np.average((np.array(returns_) - mean) ** 2, weights=probabilities)
        found = moments(TABLE, POLICY, CRITIC, DISCOUNT, n)
        np.testing.assert_allclose(found.mean[state], mean, atol=1e-12)
        np.testing.assert_allclose(found.variance[state], variance, atol=1e-12)


def test_a_critic_that_is_right_has_no_bias() -> None:
    """Whatever the length; and with it variance grows."""
    exact = moments(TABLE, POLICY, np.zeros(3), DISCOUNT, 2_000).mean
    rows = bias_and_variance(TABLE, POLICY, exact, DISCOUNT, (1, 2, 5))
    np.testing.assert_allclose([row["bias"] for row in rows], 0.0, atol=1e-9)
    assert (np.diff([row["variance"] for row in rows]) > 0).all()


def test_the_table_is_foraging() -> None:
    """Its start is how often resets come to each state; its steps are the environment's."""
    table = multi_step.foraging()
    env, params = envs.make("foraging")
    _, states = jax.vmap(env.reset_env, (0, None))(
        jax.random.split(jax.random.key(0), 20_000), params
    )

    def index(state: Any) -> np.ndarray:
        item, agent = (
            np.asarray(x)[:, 0].astype(int) @ (8, 1) for x in (state.items, state.agents)
        )
        return item * 64 + agent

    counts = np.bincount(index(states), minlength=4096)
    assert (counts[table.start == 0] == 0).all()
    assert ((counts - 20_000 * table.start) ** 2)[table.start > 0].sum() < 1.1 * 20_000
    actions = jax.random.randint(jax.random.key(1), (20_000,), 0, 6)
    step = jax.vmap(lambda s, a: env.step_env(jax.random.key(0), s, a, params)[1:4])
    after, reward, over = step(states, actions)
    at = (index(states), np.asarray(actions))
    np.testing.assert_array_equal(table.reward[at], reward)
    np.testing.assert_array_equal(table.successor[at], np.where(over, -1, index(after)))


@pytest.mark.usefixtures("own_folder")
def test_command(tmp_path: pathlib.Path) -> None:
    """A row for each seed and length, of which longer returns are less biased; and a picture."""
    done = call(returns.main, "--timesteps", "2000", "--seeds", "2")
    assert done.code == 0, done.err
    with (tmp_path / "returns.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["n"] for row in rows] == 2 * [*map(str, range(1, 11)), "inf"]
    for seed in (rows[:11], rows[11:]):
        assert float(seed[0]["bias"]) > float(seed[9]["bias"]) > float(seed[10]["bias"]) == 0.0
    assert matplotlib.image.imread(tmp_path / "returns.png").std() > 0
    refused = call(returns.main, "--seeds", "0")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: timesteps must be at least 5, and seeds at least 1")
