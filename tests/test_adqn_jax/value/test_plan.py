"""Derived counts keep what was asked for, and refuse what cannot be."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax import Config, envs
from adqn_jax.plan import Plan
from adqn_jax.value import plan as plans
from adqn_jax.value.plan import RATIO_TOLERANCE
from drawn import configs
from refusals import attempt

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
    assert 2_000_000 <= plan.total_timesteps < 2_000_000 + 20_000 + 80


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.7, 10.0, 40.0])
@pytest.mark.parametrize("rows", [1, 4, 7])
def test_replay_ratio_is_kept(ratio: float, rows: int) -> None:
    """A whole number of updates, within the tolerance."""
    plan = plan_of(replay_ratio=ratio, batch_rows=rows)
    trained = plan.updates_per_iteration * rows * plan.row_length
    assert trained / plan.timesteps_per_iteration == pytest.approx(ratio, rel=RATIO_TOLERANCE)


@pytest.mark.parametrize("log_every", [1, 80, 500, 1000, 12_345])
def test_log_points_are_on_time(log_every: int) -> None:
    """An interval is rounded up to whole iterations."""
    plan = plan_of(log_every=log_every)
    interval = plan.iterations_per_log * plan.timesteps_per_iteration
    assert log_every <= interval < log_every + plan.timesteps_per_iteration


def test_impossible_ratio_names_a_possible_one() -> None:
    """The sentence of a refusal can be followed."""
    with pytest.raises(ValueError, match=r"with replay_ratio 10 it is 1$"):
        plan_of(steps_per_iteration=1, replay_ratio=9.0)
    assert plan_of(steps_per_iteration=1, replay_ratio=10.0).updates_per_iteration == 1


@given(configs(), st.integers(1, 500))
def test_whatever_is_asked_for(config: Config, longest: int) -> None:
    """Settings of any kind are refused in one sentence, or planned as they say."""
    assert_planned_or_refused(config, longest)


@st.composite
def runnable(draw: Any) -> tuple[Config, int]:
    """Draw settings that often can be run, and the longest episode."""
    config, longest = draw(configs()), draw(st.integers(1, 300))
    numbers = {
        "total_timesteps": st.integers(1, 10**7), "num_envs": st.integers(1, 200),
        "log_every": st.integers(1, 10**5), "batch_rows": st.integers(1, 16),
        "warmup_timesteps": st.integers(0, 10**5), "replay_ratio": st.floats(0.1, 50.0),
        "steps_per_iteration": st.integers(0, 10), "row_length": st.integers(0, 300),
    }  # fmt: skip
    return config.replace(**{name: draw(of) for name, of in numbers.items()}), longest


@given(runnable())
def test_what_can_be_run_is_what_was_asked_for(drawn: tuple[Config, int]) -> None:
    """The same of settings as users give them; half of them can be run."""
    assert_planned_or_refused(*drawn)


@given(runnable())
def test_refusals_can_be_followed(drawn: tuple[Config, int]) -> None:
    """Whoever does what the sentences say, one after the other, ends with a plan."""
    config, longest = drawn
    for _ in range(8):
        _, refusal = attempt(lambda config=config: plans.plan_of(config, longest))
        if not refusal:
            return
        config = follow(config, refusal)
    plans.plan_of(config, longest)


@given(runnable())
def test_the_shortest_warm_up(drawn: tuple[Config, int]) -> None:
    """It fills a row before the first gradient step; a step of each stream less is refused."""
    config, longest = drawn[0].replace(replay="uniform"), drawn[1]
    plan, refusal = attempt(lambda: plans.plan_of(config.replace(warmup_timesteps=10**6), longest))
    if refusal or plan.steps_per_iteration > plan.row_length:
        return
    steps = plan.row_length + 1 - plan.steps_per_iteration
    fewest = steps * plan.num_envs
    shortest = plans.plan_of(config.replace(warmup_timesteps=fewest), longest)
    assert shortest.warmup_steps == steps
    with pytest.raises(ValueError, match=rf"warmup_timesteps must be at least {fewest}, got"):
        plans.plan_of(config.replace(warmup_timesteps=fewest - plan.num_envs), longest)


def follow(config: Config, sentence: str) -> Config:
    """Change the one setting that a refusal names."""
    for name in ("row_length", "warmup_timesteps"):
        if match := re.search(rf"{name} must be at least (\d+)", sentence):
            return config.replace(**{name: int(match[1])})
    if match := re.search(r"n_step must be at most (\d+)", sentence):
        return config.replace(n_step=int(match[1]))
    if "output_scale must be greater than 0" in sentence:
        return config.replace(output_scale=0.1)
    if match := re.search(
        r"(replay_ratio|average|eval_params|target|history) must be (\w+)", sentence
    ):
        return config.replace(**{match[1]: 1.0 if match[2] == "1" else match[2]})
    if match := re.search(r"with replay_ratio (\S+) it is \d+$", sentence):
        return config.replace(replay_ratio=float(match[1]))
    assert sentence.endswith("raise replay_ratio or num_envs, or lower batch_rows")
    return config.replace(replay_ratio=config.train.replay_ratio * 100)


def assert_planned_or_refused(config: Config, longest: int) -> None:
    """Plan a run; check the plan or the refusal."""
    plan, refusal = attempt(lambda: plans.plan_of(config, longest))
    if refusal:
        assert not refusal.endswith(".")
        return
    train = config.train
    trained = plan.updates_per_iteration * plan.trained_per_update
    ratio = trained / plan.timesteps_per_iteration
    assert ratio == pytest.approx(train.replay_ratio, rel=RATIO_TOLERANCE + 1e-9)
    assert train.steps_per_iteration in (0, plan.steps_per_iteration)
    assert plan.warmup_steps * train.num_envs >= train.warmup_timesteps
    if train.replay == "none":
        assert plan.row_length == plan.steps_per_iteration
        return
    assert plan.row_length == (train.row_length or longest)
    assert plan.warmup_steps + plan.steps_per_iteration >= plan.row_length + 1
    assert plan.updates_per_iteration >= 1
    assert plan.log_points >= 1
    assert plan.total_timesteps >= train.total_timesteps
    interval = plan.iterations_per_log * plan.timesteps_per_iteration
    assert train.log_every <= interval
    if plan.log_points > 1:
        assert plan.total_timesteps - interval < train.total_timesteps
