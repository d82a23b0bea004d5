"""The grid of the paper's figure, made to fit."""

import csv
import dataclasses
import pathlib
import shutil
import subprocess
import sys
import time

import matplotlib.image
import pytest

import figure1
from adqn_jax import Config, envs, make_trainer
from adqn_jax.value.plan import plan_of
from runs import call, script
from support import paper, presets
from support.shorten import shorten

ARGS = figure1.Args(envs=("heavenhell-1",), algos=("dqn",), seeds=1, fraction=0.001)
WORDS = (*("--envs", "heavenhell-1", "--seeds", "1", "--fraction", "0.001", "--algos", "dqn"),)


@pytest.mark.parametrize("preset", presets.PRESETS[Config])
@pytest.mark.parametrize("fraction", [0.001, 0.02, 0.3])
def test_every_pair_can_be_shortened(preset: str, fraction: float) -> None:
    """What is left can be run, is about as long as asked for, and keeps the proportions."""
    for env in paper.ENVS:
        params = envs.make(env)[1]
        whole = presets.preset(preset, env, "adqn")
        short = shorten(whole, fraction, params.max_steps_in_episode)
        plan = plan_of(short, int(params.max_steps_in_episode))
        least = 2 * 4 * (plan.longest_episode + 1)  # warm-up of four environments, and as much
        asked = fraction * whole.train.total_timesteps
        log_point = plan.iterations_per_log * plan.timesteps_per_iteration
        assert asked <= plan.total_timesteps <= max(asked, least) + log_point
        assert short.hyper.epsilon_timesteps == pytest.approx(
            fraction * whole.hyper.epsilon_timesteps, abs=1
        )
        assert short.train.replay_ratio == whole.train.replay_ratio
        assert plan.log_points >= 2


@pytest.mark.parametrize("fraction", [0.001, 0.3])
@pytest.mark.parametrize("algo", ["reinforce", "ppo-asym"])
def test_what_has_no_replay_can_be_shortened(algo: str, fraction: float) -> None:
    """What falls with time falls sooner; an iteration is the least."""
    env, params = envs.make("carflag")
    whole = presets.preset("fast", "carflag", algo)
    short = shorten(whole, fraction, params.max_steps_in_episode)
    plan = make_trainer(short, env, params).plan
    asked = fraction * whole.train.total_timesteps
    assert asked <= plan.total_timesteps <= 2 * asked + 2 * plan.timesteps_per_iteration
    entropy = short.parts["hyper"].entropy_timesteps
    assert entropy == pytest.approx(fraction * whole.hyper.entropy_timesteps, abs=1)


def test_nothing_is_shortened_at_one() -> None:
    """The whole grid is that of the presets."""
    pairs = figure1.grid(figure1.Args())
    assert len(pairs) == 25
    assert len({pair.folder for pair in pairs}) == 25
    for pair in pairs:
        assert pair.experiment.config == presets.preset(
            "fast", pair.experiment.env, pair.experiment.config.algorithm
        )
        assert pair.experiment.seeds == 20


def test_bounds_are_two_more_runs() -> None:
    """One without history, one that sees the state, in folders of their own."""
    pairs = figure1.grid(figure1.Args(envs=("carflag",), algos=("dqn",), bounds=True))
    assert [pair.experiment.config.network.history for pair in pairs] == ["gru", "none", "gru"]
    assert [pair.experiment.observe for pair in pairs] == ["observation", "observation", "state"]
    assert len({pair.folder for pair in pairs}) == 3
    (_, memoryless, _) = figure1.grid(
        figure1.Args(envs=("memory-four-rooms-7x7",), algos=("dqn",), bounds=True)
    )
    assert not memoryless.experiment.config.network.remembers, "no bits, either"


def test_trains_what_is_missing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run fails alone; the other is trained, drawn, and skipped when asked for again."""
    folder = tmp_path / "runs" / "heavenhell-1" / "dqn" / "figure1-fast-0.001-1-seeds"
    broken = folder.parents[1] / "adqn" / folder.name
    broken.mkdir(parents=True)
    (broken / "notes.txt").write_text("mine")
    done = script("figure1.py", *WORDS, "adqn", "--collect", "kept", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "1 runs failed: heavenhell-1, adqn" in done.stderr
    assert "holds other files" in done.stderr
    assert (broken / "notes.txt").read_text() == "mine"
    assert "1 of 2 runs" in done.stdout
    assert matplotlib.image.imread(tmp_path / "figure1.png").std() > 0
    (pair,) = figure1.grid(dataclasses.replace(ARGS, out=tmp_path / "runs"))
    assert pair.finished() == folder
    kept = tmp_path / "kept" / folder.relative_to(tmp_path / "runs")
    assert sorted(path.name for path in kept.iterdir()) == ["config.json", "metrics.csv"]

    shutil.rmtree(broken.parent)
    before = (folder / "metrics.csv").stat()
    monkeypatch.chdir(tmp_path)
    again = call(figure1.main, *WORDS)
    assert again.code == 0, again.err
    assert "finished before" in again.out
    assert (folder / "metrics.csv").stat() == before

    # Raw data of a run all of whose seeds failed is none to draw or to keep.
    failed = tmp_path / "failed" / folder.relative_to(tmp_path)
    shutil.copytree(folder, failed)
    columns = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    with (failed / "metrics.csv").open("w") as file:
        rows = csv.DictWriter(file, columns[0])
        rows.writeheader()
        rows.writerows(row | {"failed": "1"} for row in columns)
    again = call(figure1.main, *WORDS, "--out", "failed/runs", "--collect", "other")
    assert (again.code, "finished before" in again.out) == (1, True), again.err
    assert "1 runs failed: heavenhell-1, dqn" in again.err
    assert not (tmp_path / "other").exists()

    # Where the run's folder is gone, what was kept of it will do; but not of another run.
    shutil.rmtree(tmp_path / "runs")
    again = call(figure1.main, *WORDS, "--collect", "kept")
    assert (again.code, "finished before" in again.out) == (0, True), again.err
    assert "1 of 1 runs" in again.out
    assert not (tmp_path / "runs").exists()
    (other,) = figure1.grid(dataclasses.replace(ARGS, seed=1, collect=tmp_path / "kept"))
    assert other.finished() is None
    before = (kept / "metrics.csv").read_bytes()
    refused = call(figure1.main, *WORDS, "--collect", "kept", "--seed", "1", "--name", folder.name)
    assert refused.code == 2
    assert "holds another run, which --collect would overwrite" in refused.err
    assert not (tmp_path / "runs").exists()
    assert (kept / "metrics.csv").read_bytes() == before


def test_hours_are_kept(own_folder: None) -> None:
    """A queue without time left stops as a run does whose time is up."""
    ended = call(figure1.main, *WORDS, "--hours", "1e-9")
    assert ended.code == 75
    assert "--hours reached; the same command goes on" in ended.err


def test_sigterm_reaches_the_run(tmp_path: pathlib.Path) -> None:
    """The run that is at work saves and ends, and says how far it got."""
    words = (*WORDS, "--fraction", "0.9")  # long enough for the signal to come before its end
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, figure1.__file__, *words], cwd=tmp_path, stdout=file, stderr=file
        )
        while "compiled" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        process.terminate()
        assert process.wait(300) == 143, log.read_text()
    assert "SIGTERM received: stopped at timestep" in log.read_text()
    assert "SIGTERM received; the same command goes on" in log.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--fraction 0", "fraction must be more than 0"),
        ("--fraction nan", "fraction must be more than 0"),
        ("--seeds 0", "seeds must be at least 1"),
        ("--envs nothing", "unknown environment 'nothing'"),
        ("--algos dqn sarsa", "unknown algorithm 'sarsa'"),
        ("--preset slow", "unknown preset 'slow'"),
        ("--to figure1.xyz", "--to must"),
        ("--hours -1", "hours must be greater than 0, got -1.0"),
        ("--hours 0", "hours must be greater than 0, got 0.0"),
        ("--hours nan", "hours must be greater than 0, got nan"),
        ("--metric nothing", "--metric"),
    ],
)
def test_bad_input(
    words: str, message: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anything is trained."""
    monkeypatch.chdir(tmp_path)
    ended = call(figure1.main, *words.split())
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert not list(tmp_path.iterdir())
