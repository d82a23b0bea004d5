"""The arrays of a finite POMDP: checked, and those of the known ones."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.envs import HeavenHell
from adqn_jax.envs.heavenhell import HeavenHellState
from adqn_jax.envs.pomdp import POMDP, heavenhell, random_pomdp, tiger

EVEN = np.full((2, 1, 2), 0.5)
GOOD: dict[str, Any] = {
    "transition": EVEN,
    "observation": np.full((1, 2, 3), 1 / 3),
    "reward": np.zeros((2, 1)),
    "start": [0.5, 0.5],
    "discount": 0.9,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transition": EVEN * 0.9}, r"transition\[0, 0\] must sum to 1, it sums to 0.9"),
        ({"start": [0.5, 0.4]}, r"start must sum to 1, it sums to 0.9"),
        ({"start": [1.5, -0.5]}, r"start\[1\] is no probability: -0.5"),
        ({"observation": np.full((1, 2, 3), np.nan)}, r"observation\[0, 0, 0\] is no probability"),
        ({"observation": np.ones((2, 2, 1))}, r"observation must have shape \[1, 2, O\]"),
        ({"transition": np.full((2, 1, 3), 1 / 3)}, r"transition must have shape \[2, 1, 2\]"),
        ({"terminal": [True, False]}, r"terminal must have shape \[2, 1\]"),
        ({"reward": np.zeros(2)}, r"reward must have a shape \[S, A\]"),
        ({"reward": [[0.0], [np.inf]]}, r"reward\[1, 0\] is not finite"),
        ({"discount": 1.5}, "discount must be at least 0 and at most 1, got 1.5"),
        ({"discount": float("nan")}, "discount must be"),
    ],
)
def test_what_is_no_pomdp_is_refused(change: dict[str, Any], message: str) -> None:
    """Each fault has its sentence."""
    model = POMDP(**GOOD)
    assert (model.num_states, model.num_actions, model.num_observations) == (2, 1, 3)
    with pytest.raises(ValueError, match=message):
        POMDP(**GOOD | change)


def test_arrays_cannot_be_changed() -> None:
    """What was checked stays so, whatever becomes of the caller's arrays."""
    reward = np.zeros((2, 1))
    model = POMDP(**GOOD | {"reward": reward})
    reward[0] = np.nan
    assert (model.reward == 0).all()
    with pytest.raises(ValueError, match="read-only"):
        model.reward[0] = 1.0


@pytest.mark.parametrize("n", [1, 3])
def test_heavenhell_is_the_environment(n: int) -> None:
    """States, moves, observations, rewards and ends are those of the simulator, everywhere."""
    env, model = HeavenHell(n), heavenhell(n)
    params = env.default_params
    cells = jnp.arange(env.num_cells)
    cell, side, action = (
        x.ravel() for x in jnp.meshgrid(cells, jnp.arange(2), jnp.arange(4), indexing="ij")
    )
    states = HeavenHellState(
        cell=cell.astype(jnp.int16), side=side.astype(jnp.int8), time=jnp.ones_like(cell)
    )
    step = jax.vmap(env.step_env, (None, 0, 0, None))
    seen, after, reward, terminated, _ = step(jax.random.key(0), states, action, params)
    before, after = (jax.vmap(env.privileged_state, (0, None))(x, params) for x in (states, after))
    np.testing.assert_array_equal(model.reward[before, action], reward)
    assert model.terminal is not None
    np.testing.assert_array_equal(model.terminal[before, action], terminated)
    on = ~np.asarray(terminated)
    np.testing.assert_array_equal(model.transition[before, action, after][on], 1.0)
    np.testing.assert_array_equal(model.observation[action, after, seen][on], 1.0)
    assert env.observation_space(params).n == model.num_observations + 1, "and the reset's symbol"
    assert env.privileged_state_space(params).n == model.num_states


def test_random_models_follow_their_seed() -> None:
    """The same seed gives the same model, another seed another."""
    one, same, other = random_pomdp(1), random_pomdp(1), random_pomdp(2)
    np.testing.assert_array_equal(one.transition, same.transition)
    assert not np.allclose(one.transition, other.transition)


def test_tiger_restarts_unnoticed() -> None:
    """A door pays by the tiger's side, and what follows is as good as new."""
    model = tiger()
    np.testing.assert_array_equal(model.reward, [[-1, -100, 10], [-1, 10, -100]])
    np.testing.assert_array_equal(model.transition[:, 0], np.eye(2))
    np.testing.assert_array_equal(model.transition[:, 1:], 0.5)
    np.testing.assert_array_equal(model.observation[1:], 0.5)
