"""What is refused in every command alike, before any work: files to write, and seeds."""

import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest

import ahead
import benchmark
import binding
import checkouts
import claims
import courses
import diagnose
import exactness
import figure1
import plot
import render
import report
import returns
import run
import support.benchmarks.ppo
import sweep
import table
import teachers
import theory
from runs import call, files_of, write_run

pytestmark = pytest.mark.usefixtures("own_folder")
RUN = "carflag/dqn/one"
GRID = ("--envs", "heavenhell-1", "--algos", "dqn", "--seeds", "1", "--fraction", "0.001")
#: Commands, and words that name a file whose folder is a file, or that is a folder itself.
OUTPUTS: list[tuple[Callable[[], None], str]] = [
    (plot.main, f"{RUN} --to file/x.png"),
    (plot.main, f"{RUN} --to folder.png"),
    (table.main, f"{RUN} --to file/x.md"),
    (claims.main, f"{RUN} --to file/x.csv"),
    (ahead.main, f"{RUN} --to file/x.csv"),
    (courses.main, f"{RUN} --to file/x.png"),
    (courses.main, f"{RUN} --to table.png"),  # whose table is a folder
    (report.main, f"{RUN} --to file/x.html"),
    (render.main, "--env carflag --to file/x"),
    (render.main, "--env carflag --to folder.gif"),  # the picture is one
    (binding.main, "--to file/x.csv"),
    (returns.main, "--to file/x.png"),
    (returns.main, "--to table.png"),
    (teachers.main, "--to file/x.png"),
    (teachers.main, "--to table.png"),
    (figure1.main, f"{' '.join(GRID)} --to file/x.png"),
    (figure1.main, f"{' '.join(GRID)} --collect file"),
    (theory.main, "--out out"),
    (diagnose.main, RUN),
    (benchmark.main, "draw --json nowhere.json --to file/x.png"),
]
#: Of benchmark.py, and what else they need.
JOBS = {
    "envs": "", "replay": "", "precision": "", "start": "", "train": "", "scaling": "",
    "parts": "", "kernels": "", "reference": "--path .", "peers": "--purejaxrl .",
    "ppo": "--purejaxrl .", "processes": "", "runners": "", "cost": "", "growth": "",
}  # fmt: skip
OUTPUTS += [
    (benchmark.main, f"{job} {words} --json file/x.json")
    for job, words in JOBS.items()
]  # fmt: skip
SEEDS: list[tuple[Callable[[], None], str]] = [
    (run.main, "--seed"),
    (sweep.main, "--grid learning-rate=1e-3,1e-4 --seed"),
    (figure1.main, f"{' '.join(GRID)} --seed"),
    (teachers.main, "--seed"),
    (binding.main, "--seed"),
    (exactness.main, "nowhere.npz --seed"),
    (render.main, "--env carflag --seed"),
    (report.main, f"{RUN} --episode"),
    (benchmark.main, "contender --contender dqn --env carflag --root"),
]


@pytest.fixture
def some_files(own_folder: None) -> None:
    """Files and folders in the way of others, and a run."""
    write_run(pathlib.Path(RUN), [{"seed": 0, "timesteps": n, "eval_return": 1.0} for n in (1, 2)])
    pathlib.Path("file").write_text("mine")
    for name in ("folder.png", "table.csv", "out/table.csv", f"{RUN}/diagnostics.csv"):
        pathlib.Path(name).mkdir(parents=True)
    policy = pathlib.Path(RUN, "policy", "seed-000.npz")
    policy.parent.mkdir()
    policy.touch()


def refused(main: Callable[[], None], words: str) -> str:
    """Return the sentence that refuses something; nothing may have changed."""
    before = files_of(pathlib.Path())
    ended = call(main, *words.split())
    assert (ended.code, ended.out) == (2, ""), ended
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) == 1, ended.err
    assert files_of(pathlib.Path()) == before
    return ended.err


@pytest.mark.usefixtures("some_files")
@pytest.mark.parametrize(("main", "words"), OUTPUTS)
def test_outputs(main: Callable[[], None], words: str) -> None:
    """A file that cannot be written is refused before there is anything to write."""
    assert re.search(r"cannot write \S+: (Not|Is) a directory", refused(main, words))


@pytest.mark.usefixtures("some_files")
@pytest.mark.parametrize(("main", "words"), SEEDS)
@pytest.mark.parametrize("seed", ["-1", "99999999999999999999999"])
def test_seeds(main: Callable[[], None], words: str, seed: str) -> None:
    """A random key is of 32 bits."""
    assert f"must be from 0 to 2^32 - 1, got {seed}" in refused(main, f"{words} {seed}")


@pytest.mark.parametrize("main", [plot.main, courses.main, table.main])
def test_missing_folders_are_made(main: Callable[[], None]) -> None:
    """As those of --out are."""
    rows = [{"seed": 0, "timesteps": n, "eval_return": 1.0} for n in (1, 2)]
    write_run(pathlib.Path(RUN), [row | {"training_seconds": 1.0, "failed": 0} for row in rows])
    to = pathlib.Path("made", "anew", "x.md" if main is table.main else "x.png")
    ended = call(main, RUN, "--to", str(to))
    assert ended.code == 0, ended.err
    assert to.is_file()


PPO_ROW = {
    "ours_steps_per_second": 1.0, "theirs_steps_per_second": 1.0, "ratio": 1.0, "least_ratio": 1.0,
    "largest_ratio": 1.0,
}  # fmt: skip
#: What measures one environment for a job, and what it might say.
MEASURES: dict[str, tuple[Any, str, Any]] = {
    "envs --copies 1": (benchmark, "steps_per_second", 1.0),
    "replay": (benchmark, "replay_costs", {"us": 1.0}),
    "precision": (benchmark, "deviations", {"bfloat16": {"loss": 1.0}}),
    "start --algos dqn": (benchmark, "seconds_to_progress", {"cold": {"compiled": 1.0}}),
    "ppo --purejaxrl checkout --seeds 1": (support.benchmarks.ppo, "compare", PPO_ROW),
}


@pytest.mark.parametrize("job", MEASURES)
def test_what_was_measured_is_kept(job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong name is refused before anything is measured; what fails later loses nothing."""
    checkouts.purejaxrl(pathlib.Path("checkout").resolve())
    module, name, says = MEASURES[job]
    left: list[Any] = []
    monkeypatch.setattr(module, name, lambda *args: left.pop())
    words = f"{job} --json made/anew.json --names heavenhell-1"
    assert "unknown environment 'nothing'" in refused(benchmark.main, f"{words} nothing")
    left.append(says)
    with pytest.raises(IndexError):
        call(benchmark.main, *words.split(), "carflag")
    assert "1.0" in pathlib.Path("made", "anew.json").read_text()
