"""Tables of made-up runs, whose numbers are known by hand."""

import csv
import pathlib

import pytest

import table
from runs import call, write_run


def made_up(path: str, returns: list[float], failed: int = 0) -> None:
    """Write a run whose first seeds fail, and the others end at these returns."""
    rows = [
        {"seed": seed, "timesteps": timesteps, "eval_return": value, "failed": int(seed < failed)}
        | {"training_seconds": timesteps / 10}
        for timesteps in (100, 200)
        for seed, value in enumerate(returns)
    ]
    write_run(pathlib.Path(path), rows)


def test_table(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1, 0 and 0.5 are 0.5 +- 0.5 / sqrt(3); a failed seed is counted and left out."""
    monkeypatch.chdir(tmp_path)
    made_up("carflag/adqn/one", [float("nan"), 1, 0, 0.5], failed=1)
    made_up("carflag/dqn/one", [float("nan")] * 2, failed=2)
    words = ("carflag/adqn/one", "carflag/dqn/one", "--to")
    done = call(table.main, *words, "t.csv")
    assert done.code == 0, done.err
    with pathlib.Path("t.csv").open(newline="") as file:
        dqn, adqn = csv.DictReader(file)  # in the order of the algorithms
    assert adqn == {
        "env": "carflag", "algo": "adqn", "run": "one", "seeds": "3", "failed": "1",
        "timesteps": "200", "final": "0.500", "low": "0.211", "high": "0.789", "seconds": "20",
    }  # fmt: skip
    assert (dqn["seeds"], dqn["failed"], dqn["final"]) == ("0", "2", "")

    assert call(table.main, *words, "t.md").code == 0
    head, rule, *rows = pathlib.Path("t.md").read_text().splitlines()
    assert head == f"| {' | '.join(adqn)} |"
    assert set(rule) == set("| -")
    assert rows[1] == f"| {' | '.join(adqn.values())} |"


def test_bad_input(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, exit code 2, and no table."""
    monkeypatch.chdir(tmp_path)
    made_up("carflag/dqn/one", [1.0])
    for words, message in {
        "": "name at least one run folder",
        "carflag/dqn/one --to t.txt": "--to must end in .csv or .md, got t.txt",
        "carflag/dqn": "carflag/dqn holds no run",
        "carflag/dqn/one --metric joy": "has no metric 'joy'",
    }.items():
        refused = call(table.main, *words.split())
        assert (refused.code, message in refused.err) == (2, True), refused
    assert not list(pathlib.Path().glob("t*"))
