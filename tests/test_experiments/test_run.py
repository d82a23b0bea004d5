"""The command line, as a user calls it."""

import json
import os
import pathlib
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from adqn_jax import ALGORITHMS, load_params
from episode import load_policy
from runs import rows_of

ROOT = pathlib.Path(__file__).parents[2]
ROWS = ("--row-length", "20")  # for environments with longer episodes
SHORT = (
    *("--total-timesteps", "600", "--warmup-timesteps", "400", "--buffer-timesteps", "2000"),
    *("--num-envs", "2", "--replay-ratio", "8", "--batch-rows", "1", "--log-every", "60"),
    *("--eval-episodes", "2", "--embedding-size", "4", "--history-size", "8"),
    *("--head-sizes", "8"),
)


def call(script: str, *words: str, cwd: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run a script of experiments/ as a user does; compiled in a hurry, as it runs for seconds."""
    flags = os.environ["XLA_FLAGS"] + " --xla_backend_optimization_level=0"
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments" / script), *words],
        cwd=cwd, capture_output=True, text=True, check=False,
        env=os.environ | {"XLA_FLAGS": flags},
    )  # fmt: skip


@pytest.mark.parametrize("env", ["carflag", "heavenhell-3"])
@pytest.mark.parametrize("algo", ALGORITHMS)
def test_trains_and_leaves_everything(env: str, algo: str, tmp_path: pathlib.Path) -> None:
    """A short run of every algorithm on both environments writes all of its files."""
    done = call("run.py", "--env", env, "--algo", algo, "--seeds", "3", *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / env / algo / "default"
    rows = rows_of(folder)
    assert [int(row["seed"]) for row in rows[:3]] == [0, 1, 2]
    assert len(rows) % 3 == 0
    assert int(rows[-1]["timesteps"]) >= 600
    assert ("loss_u" in rows[0]) == ALGORITHMS[algo].has_u
    config = json.loads((folder / "config.json").read_text())
    assert config["run"]["algorithm"] == algo
    assert {"jax", "commit", "device"} <= set(config["made_with"])
    assert matplotlib.image.imread(folder / "curve.png").std() > 0
    policy = folder / "policy" / "seed-002.npz"
    params, metadata = load_params(policy)
    assert set(params) == ({"q", "u"} if ALGORITHMS[algo].has_u else {"q"})
    assert metadata["env"] == env
    assert load_policy(policy)[1] == env, "whole, and fit to act"
    for words in ("final greedy return", "compiling", "training", "timesteps"):
        assert words in done.stdout
    assert "it/s" not in done.stderr, "progress bars are for terminals"


def test_any_gymnax_environment(tmp_path: pathlib.Path) -> None:
    """Position-only CartPole trains by name."""
    done = call("run.py", "--env", "gymnax:CartPole-v1:0,2", *SHORT, *ROWS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "gymnax_CartPole-v1_0,2" / "adqn-vr" / "default"
    params, _ = load_params(folder / "policy" / "seed-019.npz")
    observation = params["q"]["history"]["params"]["observation"]["Dense_0"]["kernel"]
    assert observation.shape[0] == 2
    assert params["u"]["head"]["params"]["Dense_0"]["kernel"].shape[0] == 8 + 4


def test_resume_continues_exactly(tmp_path: pathlib.Path) -> None:
    """A run that is resumed for more timesteps ends as one that was never interrupted."""
    common = ["--env", "heavenhell-1", "--algo", "adqn", "--seeds", "2", *SHORT]
    longer = ["--total-timesteps", "900"]
    whole = call("run.py", *common, *longer, "--name", "whole", cwd=tmp_path)
    half = call("run.py", *common, "--name", "parts", cwd=tmp_path)
    rest = call("run.py", *common, *longer, "--name", "parts", "--resume", cwd=tmp_path)
    assert (whole.returncode, half.returncode, rest.returncode) == (0, 0, 0), rest.stderr
    folders = [tmp_path / "runs" / "heavenhell-1" / "adqn" / name for name in ("whole", "parts")]
    assert rows_of(folders[0]) == rows_of(folders[1])
    ours, theirs = (load_params(f / "policy" / "seed-001.npz")[0] for f in folders)
    kernel = ("q", "history", "params", "kernel_h")
    for key in kernel:
        ours, theirs = ours[key], theirs[key]
    np.testing.assert_array_equal(ours, theirs)


def test_existing_folder_is_kept(tmp_path: pathlib.Path) -> None:
    """A folder that holds a run is refused, unless one says how to go on."""
    folder = tmp_path / "runs" / "carflag" / "adqn-vr" / "default"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("mine")
    refused = call("run.py", *SHORT, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert [file.name for file in folder.iterdir()] == ["config.json"]
    assert (folder / "config.json").read_text() == "mine"


def test_dry_run_says_what_fits(tmp_path: pathlib.Path) -> None:
    """The table of a run's memory; nothing is written."""
    done = call("run.py", "--env", "cleaner", "--dry-run", *SHORT, *ROWS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("replay", "optimiser", "a seed", "20 seeds", "seeds fit"):
        assert words in done.stdout
    assert not (tmp_path / "runs").exists()


def test_too_many_seeds_are_refused(tmp_path: pathlib.Path) -> None:
    """A run that cannot fit says how many seeds would, before it allocates anything."""
    large = ("--buffer-timesteps", "4000000000", "--seeds", "4")
    done = call("run.py", *SHORT, *large, cwd=tmp_path)
    assert done.returncode == 2
    assert "at most 0 seeds fit" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_plot_draws_several_runs(tmp_path: pathlib.Path) -> None:
    """plot.py puts runs into one picture."""
    for algo, seed in (("a", 0), ("b", 1)):
        folder = tmp_path / "carflag" / algo / "x"
        folder.mkdir(parents=True)
        returns = np.random.default_rng(seed).normal(size=(4, 3))
        lines = ["seed,timesteps,eval_return"]
        lines += [f"{s},{t},{returns[t, s]}" for t in range(4) for s in range(3)]
        (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    done = call("plot.py", "carflag/a/x", "carflag/b/x", "--to", "both.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert matplotlib.image.imread(tmp_path / "both.png").std() > 0


def test_bad_input_leaves_no_traceback(tmp_path: pathlib.Path) -> None:
    """As a user sees it."""
    done = call("run.py", "--env", "carflags", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown environment 'carflags'")
    assert len(done.stderr.splitlines()) == 1


def test_help_names_defaults_and_units(tmp_path: pathlib.Path) -> None:
    """Every option is explained, with the defaults of the preset chosen."""
    done = call("run.py", "--preset", "paper", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for words in ("--target-period", "Simulated timesteps", "1000000", "--seeds", "2000000"):
        assert words in done.stdout


def test_benchmark_measures_environments(tmp_path: pathlib.Path) -> None:
    """Steps per second of every environment asked for, on the screen and as JSON."""
    words = ("envs", "--names", "carflag", "cleaner", "--copies", "2", "--seconds", "0.01")
    done = call("benchmark.py", *words, "--json-file", "rates.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rates = json.loads((tmp_path / "rates.json").read_text())["steps_per_second"]
    assert set(rates) == {"carflag", "cleaner"}
    assert all(rate["2"] > 0 for rate in rates.values())


def test_benchmark_measures_replay(tmp_path: pathlib.Path) -> None:
    """Derived observations take fewer bytes; every time is positive."""
    words = ("replay", "--names", "heavenhell-1", "--seconds", "0.01")
    done = call("benchmark.py", *words, "--json-file", "replay.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    costs = json.loads((tmp_path / "replay.json").read_text())["replay"]["heavenhell-1"]
    assert costs["bytes_derived"] < costs["bytes_stored"]
    assert min(costs["us_per_row_derived"], costs["us_per_row_stored"]) > 0
