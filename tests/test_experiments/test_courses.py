"""Runs compared at equal training time; made-up ones, whose numbers are known by hand."""

import csv
import pathlib

import pytest

import courses
from runs import call, write_curves


def table_of(words: str) -> dict[str, dict[str, str]]:
    """Compare runs; return the table's rows by the runs' names."""
    done = call(courses.main, *words.split())
    assert done.code == 0, done.err
    with pathlib.Path("courses.csv").open(newline="") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


@pytest.fixture
def runs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two runs: one learns as much from a timestep, and takes twice as long."""
    monkeypatch.chdir(tmp_path)
    curve = [[0.0, 0.2], [0.8, 1.0], [0.7, 0.9], [1.0, 1.0]]
    write_curves("carflag/dqn/slow", curve, 10.0)
    write_curves("carflag/dqn/fast", curve, 5.0)
    write_curves("carflag/dqn/alone", [point[:1] for point in curve], 5.0)
    return "carflag/dqn/slow carflag/dqn/fast"


def test_at_equal_time(runs: str) -> None:
    """After the 20 seconds of the shorter run the other one has come half as far."""
    rows = table_of(runs)
    assert rows["fast"] == {
        "env": "carflag", "algo": "dqn", "run": "fast", "seeds": "2", "seconds": "20",
        "timesteps": "400", "final": "1.000", "low": "1.000", "high": "1.000",
        "goal_seconds": "10", "goal_timesteps": "200",
    }  # fmt: skip
    slow = rows["slow"]
    assert (slow["timesteps"], slow["final"], slow["low"]) == ("200", "0.900", "0.800")
    assert (slow["goal_seconds"], slow["goal_timesteps"]) == ("20", "200")
    assert pathlib.Path("courses.png").stat().st_size > 5_000


def test_another_time_and_another_goal(runs: str) -> None:
    """Where no run gets to the goal, nothing is said."""
    rows = table_of(f"{runs} --at 15 --goal 1.5")
    assert [row["timesteps"] for row in rows.values()] == ["100", "300"]
    assert {row["goal_seconds"] for row in rows.values()} == {""}


def test_at_equal_timesteps(runs: str) -> None:
    """These two have learned the same from as many."""
    for words, timesteps in (("", "400"), ("--at 250", "200")):
        rows = table_of(f"{runs} --against timesteps {words}")
        assert {row["timesteps"] for row in rows.values()} == {timesteps}
        assert rows["slow"]["final"] == rows["fast"]["final"]
        assert float(rows["slow"]["seconds"]) == 2 * float(rows["fast"]["seconds"])


def test_bad_input(runs: str) -> None:
    """One sentence, exit code 2, and no figure."""
    for words, message in {
        "": "name at least one run folder",
        f"{runs} --to c.xyz": "--to must end in",
        f"{runs} --metric joy": "has no metric 'joy'",
        f"{runs} --goal nan": "goal must be finite, got nan",
        f"{runs} --at 25": "from 10 to 20 seconds; 25 is outside",
        f"{runs} --at 4": "4 is outside",
        f"{runs} --at 500 --against timesteps": "from 100 to 400 timesteps; 500 is outside",
        f"{runs} carflag/dqn/alone": "only runs of as many seeds",
    }.items():
        refused = call(courses.main, *words.split())
        assert (refused.code, message in refused.err) == (2, True), refused
    assert not list(pathlib.Path().glob("co*"))
