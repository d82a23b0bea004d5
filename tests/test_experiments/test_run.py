"""The command line, as a user calls it."""

import json
import pathlib

import matplotlib.image
import pytest

import run
from adqn_jax import ALGORITHMS, load_policy
from runs import call, rows_of, script
from support import players

ROWS = ("--row-length", "20")  # for environments with longer episodes
SHORT = (
    *("--total-timesteps", "600", "--warmup-timesteps", "400", "--buffer-timesteps", "2000"),
    *("--num-envs", "2", "--replay-ratio", "8", "--batch-rows", "1", "--log-every", "60"),
    *("--eval-episodes", "2", "--embedding-size", "4", "--history-size", "8"),
    *("--head-sizes", "8"),
)

pytestmark = pytest.mark.usefixtures("own_folder")


def test_trains_and_leaves_everything(tmp_path: pathlib.Path) -> None:
    """A short run writes all of its files."""
    env, algo = "carflag", "adqn-vr"
    done = script("run.py", "--env", env, "--algo", algo, "--seeds", "3", *SHORT, cwd=tmp_path)
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
    for words in ("last return", "compiling", "training", "timesteps"):
        assert words in done.stdout
    assert "it/s" not in done.stderr, "progress bars are for terminals"


def test_any_gymnax_environment(tmp_path: pathlib.Path) -> None:
    """Position-only CartPole trains by name."""
    done = call(run.main, "--env", "gymnax:CartPole-v1:0,2", *SHORT, *ROWS)
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "gymnax_CartPole-v1_0,2" / "adqn-vr" / "default"
    params = load_policy(folder / "policy" / "seed-019.npz").params
    observation = params["q"]["history"]["params"]["observation"]["Linear_0"]["kernel"]
    assert observation.shape[0] == 2
    assert params["u"]["head"]["params"]["Linear_0"]["kernel"].shape[0] == 8 + 4


def test_existing_folder_is_kept(tmp_path: pathlib.Path) -> None:
    """A folder that holds a run is refused, unless one says how to go on."""
    folder = tmp_path / "runs" / "carflag" / "adqn-vr" / "default"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("mine")
    refused = call(run.main, *SHORT)
    assert refused.code == 2
    assert "--resume" in refused.err
    assert "--overwrite" in refused.err
    assert [file.name for file in folder.iterdir()] == ["config.json"]
    assert (folder / "config.json").read_text() == "mine"


def test_dry_run(tmp_path: pathlib.Path) -> None:
    """The table of a run's memory, and what each option needs that is not read: no defaults."""
    words = ("--n-step", "5", "--trust-alpha", "1", "--target-tau", "0.3", "--dry-run")
    done = call(run.main, "--env", "heavenhell-1", *SHORT, *ROWS, *words)
    assert done.code == 0, done.err
    for words in ("replay", "optimiser", "a seed", "20 seeds", "seeds fit"):
        assert words in done.out
    assert not (tmp_path / "runs").exists()
    notes = [line for line in done.out.splitlines() if line.startswith("note: ")]
    assert sorted(notes) == [
        "note: --n-step is not read; it needs --returns n-step",
        "note: --trust-alpha is not read; it needs --bootstrap trust-region",
    ]


def test_too_many_seeds_are_refused(tmp_path: pathlib.Path) -> None:
    """A run that cannot fit says how many seeds would, before it allocates anything."""
    large = ("--buffer-timesteps", "4000000000", "--seeds", "4")
    done = call(run.main, *SHORT, *large)
    assert done.code == 2
    assert "at most 0 seeds fit" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_far_too_many_seeds_are_refused_at_once(tmp_path: pathlib.Path) -> None:
    """By arithmetic: nothing is compiled, let alone allocated."""
    done = script("run.py", *SHORT, *ROWS, "--seeds", "100000000", cwd=tmp_path)
    assert done.returncode == 2
    assert "100000000 seeds need" in done.stderr
    assert "compiled" not in done.stdout
    assert not list(tmp_path.iterdir())


def test_bad_input_leaves_no_traceback(tmp_path: pathlib.Path) -> None:
    """As a user sees it."""
    done = script("run.py", "--env", "carflags", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown environment 'carflags'")
    assert len(done.stderr.splitlines()) == 1


def test_help_names_defaults_and_units(tmp_path: pathlib.Path) -> None:
    """Every option is explained, with the defaults of the preset chosen."""
    done = call(run.main, "--preset", "paper", "--help")
    assert done.code == 0
    for words in ("--target-period", "Simulated timesteps", "1000000", "--seeds", "2000000"):
        assert words in done.out


def test_parameters_of_the_environment(tmp_path: pathlib.Path) -> None:
    """A shorter time limit is obeyed, recorded, compared on resume, and known to the policy."""
    words = ("--env", "heavenhell-1", "--algo", "dqn", "--seeds", "1", "--history", "none", *SHORT)
    limit = ("--env-param", "max_steps_in_episode=7")
    done = call(run.main, *words, *limit)
    assert done.code == 0, done.err
    assert "1 x 7 timesteps" in done.out, "a row holds the longest episode"
    folder = tmp_path / "runs" / "heavenhell-1" / "dqn" / "memoryless"
    config = json.loads((folder / "config.json").read_text())
    assert config["run"]["env_params"] == {"max_steps_in_episode": 7}
    other = call(run.main, *words, "--resume")
    assert other.code == 2
    assert "env_params.max_steps_in_episode 7, not None" in other.err
    player = players.find(None, folder / "policy" / "seed-000.npz")
    assert player.env_params.max_steps_in_episode == 7
