"""Run folders as figures and tables read them."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from adqn_jax import families
from adqn_jax.results import experiment, metrics
from adqn_jax.results.experiment import Experiment
from adqn_jax.results.load import by_env, is_done, load, load_all
from runs import write_run

LOG_POINTS, SEEDS = 20, 3


def made_up(folder: pathlib.Path, **more: Any) -> pathlib.Path:
    """Write a run whose return is its log point's number, and a seed's tenth on top of it."""
    rows = [
        {"seed": seed, "timesteps": 10 * t, "eval_return": t + seed / 10} | more
        for t in range(LOG_POINTS)
        for seed in range(SEEDS)
    ]
    return write_run(folder, rows)


def test_a_run_is_read(tmp_path: pathlib.Path) -> None:
    """Curves by log point and seed, and where they come from."""
    folder = made_up(tmp_path / "carflag" / "dqn" / "x", training_seconds=7.5)
    run = load(folder)
    assert (run.folder, run.env, run.algo, run.kind) == (folder, "carflag", "dqn", "agent")
    np.testing.assert_array_equal(run.timesteps, 10 * np.arange(LOG_POINTS))
    np.testing.assert_allclose(run.values[3], [3.0, 3.1, 3.2])
    np.testing.assert_allclose(run.final, np.array([18.5, 18.6, 18.7]))  # of the last two
    np.testing.assert_array_equal(run.stability, 0)
    assert (run.seeds.tolist(), run.failed, run.training_seconds) == ([0, 1, 2], 0, 7.5)


@pytest.mark.parametrize(
    ("algo", "changes", "kind"),
    [
        ("dqn", {"history": "none"}, "memoryless"),
        ("a2d", {}, "agent"),  # without memory, as it is unless one is asked for
        ("a2d", {"history": "gru"}, "agent"),
        ("expert", {"history": "gru"}, "fully observing"),
        ("dagger", {}, "fully observing"),
        ("pre-encoder", {}, "agent"),
    ],
)
def test_kinds(algo: str, changes: dict[str, Any], kind: str, tmp_path: pathlib.Path) -> None:
    """Bounds are told from agents by what a run's algorithm and options let it see."""
    folder = made_up(tmp_path / "carflag" / "dqn" / "x")
    run = experiment.read(folder)
    config = families.family_of(algo).config(algorithm=algo).replace(**changes)
    run = dataclasses.replace(run, config=config)
    experiment.write(folder, run.to_json())
    assert load(folder).kind == kind


def test_what_older_runs_lack(tmp_path: pathlib.Path) -> None:
    """Without a column of failures none has failed; the time is not known."""
    run = load(made_up(tmp_path / "carflag" / "dqn" / "x"), "timesteps")
    assert run.failed == 0
    assert np.isnan(run.training_seconds)
    np.testing.assert_array_equal(run.values[:, 0], run.timesteps)


@pytest.mark.parametrize("missing", ["config.json", "metrics.csv"])
def test_no_run(missing: str, tmp_path: pathlib.Path) -> None:
    """One sentence says which file is missing, or that no folder was named."""
    folder = made_up(tmp_path / "carflag" / "dqn" / "x")
    assert [run.folder for run in load_all([folder])] == [folder]
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=rf"x holds no run: it has no {missing}$"):
        load_all([folder])
    with pytest.raises(ValueError, match="name at least one run folder"):
        load_all([])


def test_columns_that_came_later(tmp_path: pathlib.Path) -> None:
    """Rows of an older version have none of what a newer one measures."""
    old = [{"seed": seed, "timesteps": 1, "eval_return": 0.0} for seed in range(2)]
    new = [row | {"timesteps": 2, "mean_q": 0.5} for row in old]
    metrics.write(tmp_path / "metrics.csv", [*old, *new])
    columns = metrics.read(tmp_path / "metrics.csv")
    np.testing.assert_array_equal(columns["mean_q"], [[np.nan] * 2, [0.5] * 2])


def test_runs_of_other_parameters_are_not_compared(tmp_path: pathlib.Path) -> None:
    """One sentence names both, and what differs."""
    one, other = (load(made_up(tmp_path / "carflag" / algo / "x")) for algo in ("dqn", "adqn"))
    shorter = dataclasses.replace(other, env_params={"max_steps_in_episode": 7})
    assert by_env([one, other])
    with pytest.raises(ValueError, match=r"its parameters are the defaults and max_steps.* 7"):
        by_env([one, shorter])


def test_environments_in_order(tmp_path: pathlib.Path) -> None:
    """Those named first, then as they come; algorithms in the order of the registry."""
    pairs = [("b", "adqn"), ("c", "dqn"), ("a", "adqn"), ("b", "dqn"), ("b", "adqn-vr")]
    results = load_all([made_up(tmp_path / env / algo / "x") for env, algo in pairs])
    panels = by_env(results, first=("a", "unheard of"))
    assert list(panels) == ["a", "c", "b"]  # c has a run of dqn, the first algorithm
    assert [run.algo for run in panels["b"]] == ["dqn", "adqn", "adqn-vr"]


def test_done(tmp_path: pathlib.Path) -> None:
    """The very same run, with all its files, up to its last log point."""
    folder = made_up(tmp_path / "carflag" / "dqn" / "x")
    last = 10 * (LOG_POINTS - 1)

    def asked(total_timesteps: int, **changes: float) -> Experiment:
        """Ask for a run, of the one that the folder then holds."""
        run = experiment.read(folder)
        run = dataclasses.replace(run, config=run.config.replace(total_timesteps=total_timesteps))
        experiment.write(folder, run.to_json())
        return dataclasses.replace(run, config=run.config.replace(**changes))

    assert not is_done(folder, asked(last)), "there is no curve yet"
    assert is_done(folder, asked(last), raw=True)
    (folder / "curve.png").touch()
    assert is_done(folder, asked(last))
    assert is_done(folder, asked(last - 1)), "it was rounded up to whole log points"
    assert not is_done(folder, asked(last + 1))
    assert not is_done(folder, asked(last, discount=0.5))
    assert not is_done(tmp_path, asked(last))
