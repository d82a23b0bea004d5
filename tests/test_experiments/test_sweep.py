"""Sweeps: the numbers of single runs, whatever trains side by side and however often it stops."""

import copy
import csv
import dataclasses
import errno
import functools
import itertools
import json
import math
import os
import pathlib
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import run
import sweep
from adqn_jax import SeedRunner, load_policy, runs
from adqn_jax.results import figures, metrics
from adqn_jax.runs import memory, pace
from runs import WORDS, Ended, Hooks, after, call, compile_quickly, files_of, hooked, rows_of
from support import options, presets
from support.grid import candidates

SEEDS = 2
SHORT = (*WORDS, "--algo", "dqn", "--seeds", str(SEEDS), "--checkpoint-minutes", "60")
GRID = ("--grid", "learning-rate=3e-3,3e-2", "target-tau=0.02,0.5")
POINTS = {
    f"learning-rate={rate},target-tau={tau}": ("--learning-rate", rate, "--target-tau", tau)
    for rate, tau in itertools.product(("3e-3", "3e-2"), ("0.02", "0.5"))
}
SWEEP = pathlib.Path("runs", "sweep")

#: What was compiled so far, by what is static and the numbers of points and seeds.
PROGRAMS: dict[Any, SeedRunner] = {}


def train(main: Callable[..., None], *words: str, hooks: Hooks | None = None) -> Ended:
    """Call a script that trains; a compiled program takes any traced numbers."""
    make_runner = functools.partial(_runner, hooks or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "curve", lambda folder: (folder / "curve.png").touch())
        patch.setattr(pace, "CHUNK_SECONDS", 0.0)  # an iteration in each
        return call(functools.partial(main, make_runner), *SHORT, *words)


def run_alone(make_runner: Callable[..., SeedRunner]) -> None:
    """Train what the command line says, as run.py does."""
    run.train(options.parse(sys.argv[1:]), make_runner)


def _runner(hooks: Hooks, points: Sequence[runs.Point], *env: Any) -> SeedRunner:
    fresh = runs.make_runner(points, *env)
    key = (dataclasses.replace(fresh.trainer.config, hyper=None), len(points))
    if key not in PROGRAMS:
        PROGRAMS[key] = fresh
        compile_quickly(fresh)
    runner = copy.copy(PROGRAMS[key])
    runner.trainer, runner.hyper = fresh.trainer, fresh.hyper
    vars(runner).pop("hyper_of_seeds", None)
    return hooked(runner, hooks)


pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A sweep that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    compiled = len(PROGRAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ended = train(sweep.main, *GRID)
    assert ended.code == 0, ended.err
    assert len(PROGRAMS) == compiled + 1, "one program for all four points"
    return folder / SWEEP


def table_of(folder: pathlib.Path) -> list[dict[str, str]]:
    """Read sweep.csv."""
    with (folder / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def assert_same_results(folder: pathlib.Path, whole: pathlib.Path) -> None:
    """Compare tables, metrics but for the clock's columns, and policies."""
    assert (folder / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()
    for label in POINTS:
        assert rows_of(folder / label) == rows_of(whole / label)
        assert files_of(folder / label / "policy") == files_of(whole / label / "policy")


def assert_close(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> None:
    """Compare tables of numbers; a program of more seeds may round differently."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        a, b = ([float(value) for value in row.values()] for row in (one, other))
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def test_points_are_single_runs(whole: pathlib.Path) -> None:
    """What a sweep leaves of each point is what run.py leaves, but for rounding."""
    for label, words in POINTS.items():
        ended = train(run_alone, *words, "--name", label)
        assert ended.code == 0, ended.err
        alone = pathlib.Path("runs", "heavenhell-1", "dqn", label)
        assert_close(rows_of(whole / label), rows_of(alone))
        ours, theirs = (
            json.loads((folder / "config.json").read_text())["run"]
            for folder in (whole / label, alone)
        )
        assert ours == theirs
        seed = load_policy(whole / label / "policy" / "seed-001.npz")
        assert seed.config.hyper.learning_rate == float(words[1])
        assert seed.about["seed_index"] == 1
    losses = {rows_of(whole / label)[-1]["loss_q"] for label in POINTS}
    assert len(losses) == len(POINTS), "every point must matter"


def test_table_is_tidy(whole: pathlib.Path) -> None:
    """A row for each point and seed, with the final performance that plot.py shows."""
    table = table_of(whole)
    assert list(table[0]) == [
        *("env", "algo", "learning_rate", "target_tau", "seed"),
        *("final_performance", "stability", "failed"),
    ]
    named = [(row["learning_rate"], row["target_tau"], row["seed"]) for row in table]
    assert named == list(itertools.product(("3e-3", "3e-2"), ("0.02", "0.5"), ("0", "1")))
    for row in table:
        label = f"learning-rate={row['learning_rate']},target-tau={row['target_tau']}"
        of_seed = [r for r in rows_of(whole / label) if r["seed"] == row["seed"]]
        values = np.array([float(r["eval_return"]) for r in of_seed])
        assert len(values) == 3, "a tenth is one log point"
        assert float(row["final_performance"]) == values[-1]
        drops = [values[: i + 1].max() - value for i, value in enumerate(values)]
        np.testing.assert_allclose(float(row["stability"]), -np.mean(drops))


def test_what_no_point_reads_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """As run.py says it; what only some points read is no mistake."""
    words = ("--env", "heavenhell-1", "--algo", "dqn", "--n-step", "5", "--value-atoms", "4")
    points = [options.parse((*words, *more)) for more in ((), ("--returns", "n-step"))]
    options.print_unread(*points)
    assert capsys.readouterr().out.splitlines() == [
        "note: --value-atoms is not read; it needs --values categorical or quantile or "
        "implicit-quantile or particles"
    ]


def test_stopped_and_resumed(whole: pathlib.Path) -> None:
    """It goes on to the same bits; what is finished is skipped; other points are refused."""
    stop = functools.partial(signal.raise_signal, signal.SIGTERM)
    ended = train(sweep.main, *GRID, hooks={"iterate": after(5, stop)})
    assert ended.code == 143, ended.err
    assert "--resume goes on" in ended.err
    assert not (SWEEP / "sweep.csv").exists()
    before = files_of(SWEEP)
    for words, message in (
        (GRID, "already holds a run: --resume goes on with it"),
        ((*GRID, "--resume", "--discount", "0.5"), "hyper.discount 0.97, not 0.5"),
        ((*GRID[:2], "--resume"), "the run to resume has"),
        (("--grid", "learning-rate=3e-2,3e-3", GRID[2], "--resume"), "the run to resume has order"),
    ):
        ended = train(sweep.main, *words)
        assert ended.code == 2
        assert message in ended.err
    assert files_of(SWEEP) == before
    assert train(sweep.main, *GRID, "--resume").code == 0
    assert_same_results(SWEEP, whole)
    again = train(sweep.main, *GRID, "--resume", hooks={"iterate": after(1, stop)})
    assert again.code == 0
    assert "points 0 to 3 of 4: finished before" in again.out


def test_solved_before_the_end(whole: pathlib.Path) -> None:
    """Points that stopped when all were solved are finished, for whoever asks for no more."""

    def evaluate(method: Any, states: Any) -> Any:
        return method(states) | {"eval_success": np.ones(4 * SEEDS, np.float32)}

    words = (*GRID, "--stop-when-solved", "1")
    ended = train(sweep.main, *words, hooks={"evaluate": evaluate})
    assert ended.code == 0, ended.err
    assert len(rows_of(SWEEP / next(iter(POINTS)))) < len(rows_of(whole / next(iter(POINTS))))
    ended = train(sweep.main, *words, "--resume")
    assert "points 0 to 3 of 4: finished before" in ended.out
    ended = train(sweep.main, *GRID, "--resume")
    assert ended.code == 0, ended.err
    assert (SWEEP / "sweep.csv").read_bytes() == (whole / "sweep.csv").read_bytes()


def test_disk_full_at_the_table(whole: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of it is so: all points are trained, and --resume writes it."""
    shutil.copytree(whole, SWEEP)
    (SWEEP / "sweep.csv").unlink()

    def fails(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(metrics, "write", fails)
        ended = train(sweep.main, *GRID, "--resume")
    assert ended.code == 74
    assert ended.err == (
        "could not write sweep.csv (No space left on device): all points are trained; when that "
        "is mended, the same command with --resume writes it\n"
    )
    assert "try again" not in ended.out
    ended = train(sweep.main, *GRID, "--resume")
    assert ended.code == 0
    assert "points 0 to 3 of 4: finished before" in ended.out
    assert_same_results(SWEEP, whole)


def test_what_does_not_fit_is_split(whole: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into parts of points that do; where not even one does, nothing is changed."""
    (together,) = (runner for (_, points), runner in PROGRAMS.items() if points == 4)
    needed = memory.Memory.of(together)
    available = [needed.shared + (needed.total + needed.saving - needed.shared) // 3]
    monkeypatch.setattr(memory, "_host_memory", lambda: available[0])
    ended = train(sweep.main, *GRID)
    assert ended.code == 0, ended.err
    assert "points 0 to 3 of 4:" in ended.out
    assert "do not fit into memory together, at most 1 of them do" in ended.out
    assert {path.name for path in SWEEP.glob("points-*")} == {
        f"points-{i:03d}-{i:03d}" for i in range(4)
    }
    for label in POINTS:
        assert_close(rows_of(SWEEP / label), rows_of(whole / label))

    # With more memory what was begun in parts goes on in parts, and what is finished is kept.
    available[0] = math.inf
    first, *others = (SWEEP / label for label in POINTS)
    (first / "curve.png").unlink()
    before = [files_of(folder) for folder in others]
    ended = train(sweep.main, *GRID, "--resume")
    assert ended.code == 0, ended.err
    assert "points 0 to 0 of 4:\n" in ended.out
    assert "points 1 to 1 of 4: finished before" in ended.out
    assert not (SWEEP / "points-000-003").exists()
    assert [files_of(folder) for folder in others] == before
    assert (first / "curve.png").exists()

    available[0] = 1000
    before = files_of(pathlib.Path("runs"))
    for words in (("--overwrite",), ("--name", "other")):
        ended = train(sweep.main, *GRID, *words)
        assert ended.code == 2
        assert "at most 0 seeds fit" in ended.err
        assert len(ended.err.splitlines()) == 1
    assert files_of(pathlib.Path("runs")) == before


def test_a_program_whose_seeds_all_fail(whole: pathlib.Path) -> None:
    """It is a result like any other: the sweep goes on, and says so in its table."""

    def init(method: Callable[[Any], Any], key: Any) -> Any:
        states = method(key)
        spoilt = jax.tree.map(lambda x: x * jnp.nan, states.agent.params)
        return states.replace(agent=states.agent.replace(params=spoilt))

    ended = train(sweep.main, *GRID, hooks={"init": init})
    assert ended.code == 0, ended.err
    assert {row["failed"] for row in table_of(SWEEP)} == {"1"}
    assert "nan" not in ended.out


def test_parts_are_few_and_equal() -> None:
    """By hand."""
    assert sweep.parts(0, 3, 3) == [(0, 1), (2, 3)]
    assert sweep.parts(4, 10, 3) == [(4, 6), (7, 9), (10, 10)]
    assert sweep.parts(2, 4, 1) == [(2, 2), (3, 3), (4, 4)]


def test_static_options_are_successive_programs(whole: pathlib.Path) -> None:
    """A program for each static value, each point the run that its words say."""
    compiled = len(PROGRAMS)
    words = ("--target-tau", "0.02", "--grid", "eval-params=online,target", "learning-rate=3e-3")
    ended = train(sweep.main, *words, "--name", "static")
    assert ended.code == 0, ended.err
    assert "2 points x 2 seeds, programs: 2" in ended.out
    assert len(PROGRAMS) == compiled + 1, "the other is that of a single run"
    folder = SWEEP.with_name("static")
    assert [row["eval_params"] for row in table_of(folder)] == ["online"] * 2 + ["target"] * 2
    same = "learning-rate=3e-3,target-tau=0.02"
    assert_close(rows_of(folder / "eval-params=target,learning-rate=3e-3"), rows_of(whole / same))


def test_a_sweep_that_is_renamed_while_it_trains() -> None:
    """What is left of it can be resumed, and trains what went with the folder."""
    words = ("--target-tau", "0.02", "--grid", "eval-params=online,target", "learning-rate=3e-3")
    chunks = []

    def iterate(method: Callable[..., Any], *args: Any) -> Any:
        chunks.append(args)
        return method(*args)

    assert train(sweep.main, *words, "--name", "kept", hooks={"iterate": iterate}).code == 0
    move = functools.partial(os.rename, SWEEP, "away")
    ended = train(sweep.main, *words, hooks={"iterate": after(len(chunks), move)})
    assert ended.code == 74, ended.err
    assert "does not hold eval-params=online,learning-rate=3e-3 any more" in ended.err
    assert not (SWEEP / "sweep.csv").exists()
    ended = train(sweep.main, *words, "--resume")
    assert ended.code == 0, ended.err
    assert "points 1 to 1 of 2: finished before" in ended.out
    assert table_of(SWEEP) == table_of(SWEEP.with_name("kept"))


def test_grouped_by_what_is_static() -> None:
    """Points that differ in traced numbers only share a program, whichever option comes first."""
    texts = ("learning-rate=1e-3,1e-4", "algo=dqn,adqn", "env=carflag,heavenhell-3")
    points = candidates((), texts, None, 0)
    assert len(points) == 8
    groups = sweep.by_program(points)
    assert [len(group) for group in groups] == [2, 2, 2, 2]
    for group in groups:
        assert len({(point.args.env, point.args.algo) for point in group}) == 1
    # The other defaults follow the environment, as in run.py.
    for point in points:
        usual = presets.preset("fast", point.args.env, point.args.algo)
        assert point.args.config.train == usual.train
    assert len({point.args.config.train.total_timesteps for point in points}) == 2


def test_parameters_of_environments_are_options() -> None:
    """Time limits fix shapes: a program each."""
    texts = ("env-param=max_steps_in_episode=80,max_steps_in_episode=40", "learning-rate=1e-3,1e-4")
    points = candidates(("--env", "heavenhell-1"), texts, None, 0)
    assert [len(group) for group in sweep.by_program(points)] == [2, 2]
    assert points[0].experiment.env_params == {"max_steps_in_episode": 80}


@pytest.mark.parametrize(
    ("common", "text"),
    [
        (("--runner", "asynchronous"), "max-lag=1,2"),
        ((), "runner=synchronous,asynchronous"),
        ((), "privileged=state,get_state"),
    ],
)
def test_what_the_host_does_is_an_option(common: tuple[str, ...], text: str) -> None:
    """Such points differ, and are trained apart: a runner steps and learns in one way only."""
    lights = ("--env", "gymnasium:simulators:Lights-v0", "--algo", "ppo-asym", "--history", "none")
    points = candidates((*lights, *common), (text, "learning-rate=1e-3,1e-4"), None, 0)
    assert [len(group) for group in sweep.by_program(points)] == [2, 2]
    assert len({str(point.experiment.to_json()) for point in points}) == 4


def test_random_points_differ_and_repeat() -> None:
    """Drawn from the grid without replacement; the same seed draws the same."""
    texts = ("learning-rate=1e-3,1e-4", "batch-rows=1,2,4", "scale-boxes=true,false")
    everything = {point.label for point in candidates((), texts, None, 0)}
    assert len(everything) == 12
    for number in (5, 12):
        drawn = [point.label for point in candidates((), texts, number, 0)]
        assert len(set(drawn)) == number
        assert set(drawn) <= everything
        assert drawn == [point.label for point in candidates((), texts, number, 0)]
        assert drawn != [point.label for point in candidates((), texts, number, 1)]


def test_ranges_are_log_uniform() -> None:
    """Within bounds, and as many below the geometric mean as above."""
    points = candidates((), ("learning-rate=1e-5..1e-1",), 60, 0)
    rates = np.array([point.args.config.hyper.learning_rate for point in points])
    assert len(set(rates)) == 60
    assert (rates >= 1e-5).all()
    assert (rates <= 1e-1).all()
    assert 15 <= (rates < 1e-3).sum() <= 45  # the standard deviation of 30 heads is 4


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--preset", "paper", "--env", "heavenhell-3", "--observe", "state", "--algo", "dqn"),
        ("--no-scale-boxes", "--cut-at-exploration", "--head-sizes", "8", "4", "--seed", "3"),
        ("--learning-rate", "3e-4", "--epsilon-timesteps", "5000", "--target", "periodic"),
    ],
)
def test_words_say_what_was_parsed(words: tuple[str, ...]) -> None:
    """So that the words printed of the best point repeat it."""
    args = options.parse(words)
    assert options.parse(options.words(args)) == args
