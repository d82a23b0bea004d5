"""The command line, as a user calls it."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import jax
import matplotlib.image
import numpy as np
import pytest

import cli
import run
from adqn_jax import ALGORITHMS, load_policy
from benchmarks.flops import count_flops

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


def rows_of(folder: pathlib.Path) -> list[dict[str, str]]:
    """Read metrics.csv without its wall-clock columns."""
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    clock = [c for c in rows[0] if c.endswith(("_seconds", "_per_second"))]
    assert clock
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


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
    policy = load_policy(folder / "policy" / "seed-002.npz")
    assert set(policy.params) == ({"q", "u"} if ALGORITHMS[algo].has_u else {"q"})
    assert (policy.about["env"], policy.about["seed_index"]) == (env, 2)
    for words in ("final greedy return", "compiling", "training", "timesteps"):
        assert words in done.stdout
    assert "it/s" not in done.stderr, "progress bars are for terminals"


def test_any_gymnax_environment(tmp_path: pathlib.Path) -> None:
    """Position-only CartPole trains by name."""
    done = call("run.py", "--env", "gymnax:CartPole-v1:0,2", *SHORT, *ROWS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "gymnax_CartPole-v1_0,2" / "adqn-vr" / "default"
    params = load_policy(folder / "policy" / "seed-019.npz").params
    observation = params["q"]["history"]["params"]["observation"]["Linear_0"]["kernel"]
    assert observation.shape[0] == 2
    assert params["u"]["head"]["params"]["Linear_0"]["kernel"].shape[0] == 8 + 4


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
    ours, theirs = (load_policy(f / "policy" / "seed-001.npz").params for f in folders)
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
    assert not list((tmp_path / "runs" / "carflag" / "adqn-vr" / "default").iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--env nothing", "unknown environment 'nothing'; known are carflag"),
        ("--env cleaner:6x7", "odd sizes of at least 3, got 6 x 7"),
        ("--env cleaner:nowhere.txt", "cannot read a maze from 'nowhere.txt'"),
        ("--env memory-four-rooms-7x7:blue", "two or more different colours"),
        ("--env memory-four-rooms-7x7:blue,pink", "unknown colours ['pink']; known are red"),
        ("--env memory-four-rooms-8x8", "odd size from 5 to 15, got 8"),
        ("--algo sarsa", "unknown algorithm 'sarsa'; known are dqn, adqn"),
        ("--preset slow", "unknown preset 'slow'; known are fast, paper"),
        ("--sedes 3", "--sedes"),
        ("--seeds 0", "seeds must be at least 1, got 0"),
        ("--seeds three", "--seeds"),
        ("--num-envs 0", "num_envs must be at least 1, got 0"),
        ("--total-timesteps -5", "total_timesteps must be at least 1, got -5"),
        ("--discount 1.5", "discount must be at least 0 and at most 1, got 1.5"),
        ("--learning-rate nan", "learning_rate must be greater than 0, got nan"),
        ("--target-tau 0", "target_tau must be greater than 0 and at most 1, got 0"),
        ("--time-limit never", "--time-limit"),
        ("--buffer-timesteps 3000", "need 321, which is"),
        ("--warmup-timesteps 10", "warmup_timesteps must be at least"),
        ("--replay-ratio 0.0001", "raise replay_ratio"),
        ("--steps-per-iteration 1 --replay-ratio 3.3", "no whole number"),
        ("--average episode --row-length 10", "row_length must be at least 160, got 10"),
        ("--resume", "nothing to resume"),
        ("--resume --dry-run --seeds 0", "seeds must be at least 1"),
        ("--resume --overwrite", "exclude each other"),
        ("--checkpoint-minutes 0", "checkpoint_minutes must be greater than 0"),
        ("--out /proc/nowhere", "/proc/nowhere"),
    ],
)
def test_bad_input(
    words: str,
    message: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence on stderr, exit code 2, nothing on disk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py", *words.split()])
    with pytest.raises(SystemExit) as end:
        cli.run(run.main)
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


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
    done = call("benchmark.py", *words, "--json", "rates.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rates = json.loads((tmp_path / "rates.json").read_text())["steps_per_second"]
    assert set(rates) == {"carflag", "cleaner"}
    assert all(rate["2"] > 0 for rate in rates.values())


def test_benchmark_measures_replay(tmp_path: pathlib.Path) -> None:
    """Derived observations take fewer bytes; every time is positive."""
    words = ("replay", "--names", "heavenhell-1", "--seconds", "0.01")
    done = call("benchmark.py", *words, "--json", "replay.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    costs = json.loads((tmp_path / "replay.json").read_text())["replay"]["heavenhell-1"]
    assert costs["bytes_derived"] < costs["bytes_stored"]
    assert min(costs["us_per_row_derived"], costs["us_per_row_stored"]) > 0


def test_benchmark_measures_training(tmp_path: pathlib.Path) -> None:
    """Rates, shares and memory of a small setting, as JSON."""
    words = ("train", "--env", "heavenhell-1", "--algo", "adqn", "--seeds", "3", "--rows", "1")
    words += ("--length", "10", "--num-envs", "16", "--seconds", "0.01", "--json", "train.json")
    done = call("benchmark.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "train.json").read_text())["training"]
    assert (result["seeds"], result["rows"], result["row_length"]) == (3, 1, 10)
    assert all(result[name] > 0 for name in result if name != "share_outside_update")
    assert result["share_of_limit_update"] < 1
    assert result["update_timesteps"] == pytest.approx(10 * result["update_steps"])


def test_flops_are_counted() -> None:
    """Products, batched ones, in loops and in functions that are called; convolutions."""
    x, w = np.zeros((5, 3, 4), np.float32), np.zeros((5, 4, 7), np.float32)
    assert count_flops(lambda x, w: x @ w, x, w) == 2 * 5 * 3 * 4 * 7
    loop = lambda x: jax.lax.scan(lambda c, _: (c @ c, None), x, length=6)[0]  # noqa: E731
    assert count_flops(jax.jit(loop), np.zeros((4, 4), np.float32)) == 6 * 2 * 4**3
    image, kernel = np.zeros((1, 8, 8, 3), np.float32), np.zeros((3, 3, 3, 5), np.float32)
    convolve = lambda x, k: jax.lax.conv_general_dilated(  # noqa: E731
        x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    assert count_flops(convolve, image, kernel) == 2 * 64 * 5 * 27
    unknown = lambda x: jax.lax.while_loop(lambda c: c.sum() < 1, lambda c: c @ c, x)  # noqa: E731
    with pytest.raises(ValueError, match="unknown length"):
        count_flops(unknown, np.zeros((4, 4), np.float32))
