"""The paper's claims on made-up seeds whose verdicts are known by hand."""

import collections
import pathlib

import numpy as np
import pytest

import claims
from adqn_jax import families
from claims import assess, table
from runs import call, write_run
from support.paper import CLAIMS, Statement, statements


def made_up(folder: pathlib.Path, returns: list[float]) -> pathlib.Path:
    """Write a run whose seeds end at these returns, and win as often."""
    rows = [
        {"seed": seed, "timesteps": 100, "eval_return": value, "eval_success": value}
        for seed, value in enumerate(returns)
    ]
    return write_run(folder / "x", rows)


def test_solving() -> None:
    """Five of five: a fair coin does so in 1 of 32 cases; the interval is Clopper-Pearson's."""
    solves = Statement("a", "heavenhell-3", "adqn", "solves")
    tested = assess(solves, {}, {"adqn": np.ones(5)})
    assert tested.p == pytest.approx(1 / 32)
    assert (tested.effect, tested.high) == (1.0, 1.0)
    assert tested.low == pytest.approx(0.025 ** (1 / 5))
    assert claims.verdict(tested.p, tested.p_opposite) == "holds"

    does_not = Statement("a", "heavenhell-3", "adqn", "does not solve")
    assert assess(does_not, {}, {"adqn": np.full(5, 0.9)}).p == pytest.approx(1 / 32)
    opposite = assess(does_not, {}, {"adqn": np.ones(8)})
    assert opposite.p == pytest.approx(1.0)
    assert opposite.p_opposite == pytest.approx(1 / 256)
    assert claims.verdict(opposite.p, opposite.p_opposite) == "opposite"


def test_ending_above() -> None:
    """Three seeds above three others: 1 of the 20 ways to divide six is as extreme."""
    above = Statement("c", "carflag", "adqn", "ends above", "dqn")
    final = {"adqn": np.array([1.0, 0.9, 0.8]), "dqn": np.array([0.1, 0.2, 0.3])}
    tested = assess(above, final, {})
    assert tested.effect == pytest.approx(0.7)
    assert tested.p == pytest.approx(1 / 20)
    assert 0.5 < tested.low < tested.effect < tested.high < 0.9
    below = assess(Statement("c", "carflag", "dqn", "ends above", "adqn"), final, {})
    assert below.p == pytest.approx(1.0)
    assert below.p_opposite == pytest.approx(1 / 20)
    assert claims.verdict(below.p, below.p_opposite) == "opposite"
    one_seed = assess(above, {"adqn": np.ones(1), "dqn": np.zeros(3)}, {})
    assert claims.verdict(one_seed.p, one_seed.p_opposite) == "not shown"


def test_not_ending_below() -> None:
    """The margin is a twentieth of the larger mean: 0.05 here, given to the first."""
    statement = Statement("f", "carflag", "a2c-asym", "does not end below", "a2c")
    equal = {"a2c-asym": np.full(5, 1.0), "a2c": np.full(5, 1.0)}
    tested = assess(statement, equal, {})
    assert tested.effect == 0.0
    assert tested.p == pytest.approx(1 / 252)
    below = assess(statement, equal | {"a2c-asym": np.full(5, 0.9)}, {})
    assert below.effect == pytest.approx(-0.1)
    assert below.p_opposite == pytest.approx(1 / 252)
    assert claims.verdict(below.p, below.p_opposite) == "opposite"


def test_correction() -> None:
    """Holm's by hand: smallest p times 3, next times 2, and never less than the one before."""
    assert claims._holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert claims._holm([0.9, 0.8]) == [1.0, 1.0]


def test_statements() -> None:
    """5 on each Heaven-Hell, 6 on Car-Flag and Cleaner, 8 on the rooms; 7 of critics."""
    count = collections.Counter(s.claim for s in statements())
    assert count == {"a": 5, "b": 5, "c": 6, "d": 6, "e": 8, "f": 7, "g": 7}
    assert "".join(count) == CLAIMS
    assert {s.algo for s in statements()} <= {*families.algorithms()}


def test_table(tmp_path: pathlib.Path) -> None:
    """Only what the runs are about is tested, each claim corrected for its own statements."""
    folders = [
        made_up(tmp_path / "carflag" / "adqn", [1.0] * 6),
        made_up(tmp_path / "carflag" / "dqn", [0.5] * 5 + [0.4]),
        made_up(tmp_path / "heavenhell-3" / "adqn", [1.0] * 6),
    ]
    solves, above = table(folders, "eval_return")
    assert (solves["statement"], solves["verdict"]) == ("adqn solves", "holds")
    assert (above["statement"], above["verdict"]) == ("adqn ends above dqn", "holds")
    assert above["p"] == pytest.approx(1 / 924, rel=0.05)  # 12 over 6; rounded


def test_failed_seeds_have_not_solved(tmp_path: pathlib.Path) -> None:
    """Of ten seeds six solve the task and four diverge: six of ten, not six of six."""
    folder = made_up(tmp_path / "heavenhell-3" / "adqn", [1.0] * 10)
    path = folder / "metrics.csv"
    head, *rows = path.read_text().splitlines()
    rows = [f"{row},{int(seed >= 6)}" for seed, row in enumerate(rows)]
    path.write_text("\n".join([head + ",failed", *rows]) + "\n")
    (solves,) = table([folder], "eval_return")
    assert (solves["seeds"], solves["effect"], solves["verdict"]) == ("10", 0.6, "not shown")


def test_command(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints and writes the table; bad input is refused in a sentence."""
    monkeypatch.chdir(tmp_path)
    made_up(tmp_path / "carflag" / "adqn", [1.0] * 6)
    made_up(tmp_path / "carflag" / "dqn", [0.5] * 6)
    made_up(tmp_path / "again" / "carflag" / "dqn", [0.5] * 6)
    done = call(claims.main, "carflag/adqn/x", "carflag/dqn/x")
    assert done.code == 0, done.err
    assert "adqn ends above dqn" in done.out
    assert len(pathlib.Path("claims.csv").read_text().splitlines()) == 2
    pathlib.Path("claims.csv").unlink()
    for words, message in {
        "": "name at least one run folder",
        "carflag/dqn/x": "none of the papers' claims is about these runs",
        "carflag/dqn/x again/carflag/dqn/x": "name one run of dqn on carflag, not several",
        "carflag/dqn/x --metric joy": "has no metric 'joy'",
    }.items():
        refused = call(claims.main, *words.split())
        assert (refused.code, message in refused.err) == (2, True), refused
        assert not pathlib.Path("claims.csv").exists()
