"""experiments/teachers.py: what policies are worth, exactly, and the command."""

import csv
import hashlib
import json
import pathlib
import types
from typing import Any

import jax
import matplotlib.image
import numpy as np
import pytest

import teachers
from adqn_jax import envs, families, imitation, make_policy, make_trainer, runs, save_policy
from adqn_jax.envs.pomdp import hazard_grid
from adqn_jax.results import experiment, metrics
from adqn_jax.tabular import expected_return, last_observations, make_pairs
from policies import save
from runs import call, compile_quickly
from settings import imitating
from support import chosen, options, taught

WORDS = (
    *("--env", "frozenlake", "--seeds", "1", "--total-timesteps", "80", "--log-every", "40"),
    *("--num-envs", "2", "--steps-per-iteration", "10", "--eval-episodes", "2"),
    *("--embedding-size", "4", "--head-sizes", "8"),
)
GREEDY = {"frozenlake": -80.0 / 3.0, "tigerdoor-1": -42.0}

pytestmark = pytest.mark.usefixtures("own_folder")


def without_weights(path: pathlib.Path, env_name: str, config: imitation.Config) -> pathlib.Path:
    """Write a policy whose weights are 0: it draws uniformly, and prefers the first action."""
    env, params = envs.make(env_name)
    agent = make_trainer(config, env, params).agent
    state = jax.eval_shape(make_trainer(config, env, params).init, jax.random.key(0)).agent
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), agent.deployed(state))
    about = {"env": env_name, "seed_index": 0}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_policy(path, make_policy(config, env, params, zeros, about))
    return path


@pytest.mark.parametrize("env", GREEDY)
def test_worth(env: str, tmp_path: pathlib.Path) -> None:
    """The first action is to the right: across the ice, or through a door, blind."""
    found = taught.worth(without_weights(tmp_path / "zero", env, imitating("a2d")))
    assert found.greedy == pytest.approx(GREEDY[env])
    grid: Any = envs.make(env)[0]
    pairs = make_pairs(model := hazard_grid(grid, 1.0), last_observations(model))
    uniform = np.full((len(pairs.start), 4), 0.25)
    assert found.sampled == pytest.approx(expected_return(pairs, uniform, 100), rel=1e-5)
    cloned, divergence = taught.clone(tmp_path / "zero")
    assert cloned.sampled == pytest.approx(found.sampled), "it knows no more than its clone"
    assert divergence == pytest.approx(0.0, abs=1e-9)


def test_worth_is_of_what_has_no_memory(tmp_path: pathlib.Path) -> None:
    """Nor is it of other environments and families."""
    remembering = imitating("a2d", history="gru", row_length=4)
    with pytest.raises(ValueError, match="zero has a memory"):
        taught.worth(without_weights(tmp_path / "zero", "frozenlake", remembering))
    elsewhere = without_weights(tmp_path / "other", "heavenhell-1", imitating("a2d"))
    for path in (save(tmp_path / "q.npz"), elsewhere):
        with pytest.raises(ValueError, match=r"is no policy of imitation on Frozen Lake"):
            taught.worth(path)


def finish(algo: str) -> pathlib.Path:
    """Write a run that is done and has learnt nothing; return its policy's file."""
    args = options.parse([*WORDS, "--algo", algo])
    folder = chosen.folder(args)
    path = without_weights(folder / "policy" / "seed-000.npz", args.env, args.config)
    experiment.write(folder, chosen.experiment(args, envs.make(args.env)[0]).to_json())
    row = {"seed": 0, "timesteps": 80, "failed": 0, "training_seconds": 1.0}
    row |= dict.fromkeys(("eval_return", "greedy_return", "divergence"), 0.5)
    metrics.write(folder / "metrics.csv", [row])
    (folder / "curve.png").touch()
    return path


def quickly(points: Any, *world: Any) -> Any:
    """Make what trains, to be compiled in a hurry."""
    runner = runs.make_runner(points, *world)
    usual: Any = types.SimpleNamespace(compile=runner.compile)
    vars(runner)["compile"] = lambda **_: compile_quickly(usual)
    return runner


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--dry-run", "--dry-run is for run.py"),
        ("--history gru --row-length 25", "history none"),
        ("--observe state", "observe must be observation"),
        ("--algo ppo", "this command trains expert, ail, a2d: --algo is for run.py"),
        ("--expert=policy.npz", "this command trains expert, ail, a2d: --expert is for run.py"),
        (
            "--encoder-timesteps 40",
            "nothing reads encoder-timesteps with expert, ail, a2d: it needs the algorithm",
        ),
        ("--buffer-timesteps 5", "the buffer must hold an iteration"),  # of ail and a2d
    ],
)
def test_what_cannot_be_compared(words: str, message: str) -> None:
    """Is refused before anything is trained."""
    ended = call(teachers.main, *WORDS, *words.split())
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert not list(pathlib.Path().iterdir())


def test_another_run_in_a_students_folder() -> None:
    """Is refused before the expert is trained."""
    finish("a2d")
    ended = call(teachers.main, *WORDS, "--num-envs", "4")
    assert (ended.code, "the run to resume has" in ended.err) == (2, True), ended.err
    assert [path.name for path in pathlib.Path("runs/frozenlake").iterdir()] == ["a2d"]


def test_options_are_of_those_that_read_them() -> None:
    """What only who learns from rewards reads, or only a student, changes no other run."""
    usual, asked = (
        {algo: families.settled(args.config) for algo, args in teachers.parse(words).items()}
        for words in ([*WORDS], [*WORDS, "--max-kl", "0.05", "--batch-rows", "2"])
    )
    for algo, (max_kl, batch_rows) in {
        "expert": (0.05, usual["expert"].train.batch_rows),
        "ail": (usual["ail"].hyper.max_kl, 2),
        "a2d": (0.05, 2),
    }.items():
        assert asked[algo] == usual[algo].replace(max_kl=max_kl, batch_rows=batch_rows)


@pytest.mark.parametrize("words", [(), ("--resume",)])
@pytest.mark.parametrize("begun", [False, True])
def test_what_is_not_finished_is_begun_or_gone_on_with(
    words: tuple[str, ...], begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --resume, which a stopped run asks for, or without."""
    asked = teachers.parse([*WORDS, *words])["expert"]
    if begun:
        chosen.folder(asked).mkdir(parents=True)
        experiment.write(chosen.folder(asked), {})
    trained = []
    monkeypatch.setattr(runs, "train", lambda points, runner, how: trained.append(how) or True)
    teachers.train(asked, runs.make_runner)
    assert [how.resume for how in trained] == [begun]


def test_command() -> None:
    """What is missing is trained, by the expert that is there; then a table and a picture."""
    expert = finish("expert")
    finish("a2d")
    words = (*WORDS, "--to", "some/where.png")
    ended = call(lambda: teachers.main(quickly), *words)
    assert ended.code == 0, ended.err
    assert ended.out.count("finished before") == 2
    config = json.loads(pathlib.Path("runs/frozenlake/ail/default/config.json").read_text())
    assert config["run"]["expert"] == hashlib.sha256(expert.read_bytes()).hexdigest()
    with pathlib.Path("some", "where.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["algo"], row["seed"]) for row in rows] == [(a, "0") for a in teachers.ALGORITHMS]
    told = [line.split(" | ") for line in ended.out.splitlines()[-7:-2]]
    assert [line[1] for line in told] == ["exact", "---", "10.67", "-26.67", "4.00"]
    assert [line[2] for line in told[2::2]] == ["-26.67 [-26.67, -26.67]"] * 2
    assert "a perfect clone of the expert of seed 0: greedy " in ended.out
    assert matplotlib.image.imread("some/where.png").std() > 0

    again = call(lambda: teachers.main(quickly), *words)
    assert again.out.count("finished before") == 3
    assert again.out.splitlines()[-7:] == ended.out.splitlines()[-7:]
