"""Derived counts keep what was asked for, and refuse what cannot be."""

from typing import Any

import pytest

import envs
from adqn_jax import Config
from adqn_jax.plan import Plan
from adqn_jax.value import plan as plans
from adqn_jax.value.plan import RATIO_TOLERANCE

LONGEST = int(envs.make("carflag")[1].max_steps_in_episode)


def plan_of(**train: Any) -> Plan:
    """Plan the authors' settings on Car-Flag, with changes."""
    return plans.plan_of(Config().replace(**train), LONGEST)


def test_authors_settings() -> None:
    """Eight timesteps are trained on per timestep simulated; rows hold the longest episode."""
    plan = plan_of()
    assert (plan.row_length, plan.longest_episode) == (160, 160)
    assert plan.updates_per_iteration * 160 == 8 * plan.timesteps_per_iteration
    assert plan.timesteps(0) == 50_000
    assert 2_000_000 <= plan.total_timesteps < 2_000_000 + 1.05 * 20_000 + 80


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.7, 10.0, 40.0])
@pytest.mark.parametrize("rows", [1, 4, 7])
def test_replay_ratio_is_kept(ratio: float, rows: int) -> None:
    """A whole number of updates, within the tolerance."""
    plan = plan_of(replay_ratio=ratio, batch_rows=rows)
    trained = plan.updates_per_iteration * rows * plan.row_length
    assert trained / plan.timesteps_per_iteration == pytest.approx(ratio, rel=RATIO_TOLERANCE)


@pytest.mark.parametrize("log_every", [1, 80, 500, 1000, 12_345])
def test_log_points_are_on_time(log_every: int) -> None:
    """An interval is rounded up to whole iterations, and by at most 5 percent for the chunks."""
    plan = plan_of(log_every=log_every)
    interval = plan.iterations_per_log * plan.timesteps_per_iteration
    assert log_every <= interval <= 1.05 * log_every + 1.05 * plan.timesteps_per_iteration


def test_impossible_ratio_names_a_possible_one() -> None:
    """The sentence of a refusal can be followed."""
    with pytest.raises(ValueError, match=r"with replay_ratio 10 it is 1$"):
        plan_of(steps_per_iteration=1, replay_ratio=9.0)
    assert plan_of(steps_per_iteration=1, replay_ratio=10.0).updates_per_iteration == 1
