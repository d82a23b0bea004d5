"""A run's policies act, after loading, as they did when they were evaluated."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import Policy, SeedRunner, TrainState, envs, load_policy, make_trainer, runs
from adqn_jax.results.experiment import Experiment
from adqn_jax.results.metrics import read
from adqn_jax.runs.checkpoint import Checkpoints
from settings import small

ENV = "cleaner:5x5"  # a new maze every episode: returns that differ
SEEDS = 2
ENVIRONMENT, PARAMS = envs.make(ENV)
CONFIG = small(
    "adqn-state-vr", log_every=500, eval_episodes=4, total_timesteps=1100, buffer_timesteps=1100
)
step = jax.jit(ENVIRONMENT.step_env)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A finished run."""
    run = tmp_path_factory.mktemp("run")
    made = Experiment(ENV, ENVIRONMENT.settings, "observation", SEEDS, 3, CONFIG)
    points = [runs.Point(made, run / "x")]
    runner = runs.make_runner(points, ENVIRONMENT, PARAMS)
    runs.train(points, runner, runs.Options(run / "x"))
    return run / "x"


def final_states(folder: pathlib.Path) -> TrainState:
    """Return the states of all seeds at the end of the run."""
    runner = SeedRunner(make_trainer(CONFIG, ENVIRONMENT, PARAMS), SEEDS, CONFIG.hyper)
    checkpoints = Checkpoints(folder / "checkpoints", SEEDS)
    newest = checkpoints.newest()
    assert newest is not None
    return checkpoints.restore(newest.iterations, runner.abstract_states)[0]


def starts_of_evaluation(state: TrainState) -> Any:
    """Return the environments with which one seed was evaluated, leaves [episodes, ...]."""
    key, _ = make_trainer(CONFIG, ENVIRONMENT, PARAMS).evaluation.keys(state)
    keys = jax.random.split(key, CONFIG.train.eval_episodes)
    return jax.vmap(ENVIRONMENT.reset_env, (0, None))(keys, PARAMS)


def play(policy: Policy, act: Any, observation: Any, env_state: Any) -> tuple[float, int]:
    """Play one episode in a plain Python loop; returns its return and length."""
    key = jax.random.key(0)  # greedy, and the environment draws nothing
    carry, total, length, terminated = policy.initial_carry(), 0.0, 0, False
    while not terminated and length < PARAMS.max_steps_in_episode:
        action, carry, _ = act(carry, observation, key)
        observation, env_state, reward, terminated, _ = step(key, env_state, action, PARAMS)
        total, length = total + float(reward), length + 1
    return total, length


def test_acts_as_it_was_evaluated(folder: pathlib.Path) -> None:
    """Episode for episode the returns of the last evaluation, whose means were logged."""
    states = final_states(folder)
    metrics = read(folder / "metrics.csv")
    evaluate = jax.jit(make_trainer(CONFIG, ENVIRONMENT, PARAMS).evaluation.episodes)
    for seed in range(SEEDS):
        policy = load_policy(folder / "policy" / f"seed-{seed:03d}.npz")
        state = jax.tree.map(lambda x, seed=seed: x[seed], states)
        begins = starts_of_evaluation(state)
        act = jax.jit(policy.act)
        played = [
            play(policy, act, *jax.tree.map(lambda x, i=i: x[i], begins))
            for i in range(CONFIG.train.eval_episodes)
        ]
        returns, lengths = np.array(played).T
        evaluated = evaluate(state, CONFIG.hyper)
        assert np.ptp(returns) > 0, "the episodes must differ"
        np.testing.assert_array_equal(returns, evaluated.undiscounted_return)
        np.testing.assert_array_equal(lengths, evaluated.length)
        assert returns.mean() == pytest.approx(metrics["eval_return"][-1, seed], abs=1e-6)
        assert lengths.mean() == pytest.approx(metrics["eval_length"][-1, seed], abs=1e-4)


def test_says_what_it_is(folder: pathlib.Path) -> None:
    """Configuration, spaces and origin come back as they were."""
    policy = load_policy(str(folder / "policy" / "seed-001.npz"))
    assert policy.config == CONFIG
    assert policy.observation_space.shape == (54,)
    assert policy.state_space.shape == (5 * 25,)
    assert policy.action_space.n == 16
    assert policy.about["env"] == ENV
    assert policy.about["seed_index"] == 1
    assert {"jax", "commit", "device"} <= set(policy.about["made_with"])
    assert jnp.all(policy.initial_carry().start)
