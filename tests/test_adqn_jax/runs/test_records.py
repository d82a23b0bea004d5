"""The metrics of a run so far."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from adqn_jax.results import metrics
from adqn_jax.runs.records import Records

POINTS, SEEDS = 2, 3


def found(at: int, failed: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    """Make what an evaluation finds: a return that says when and whose it is."""
    places = np.arange(POINTS * SEEDS)
    returns = (100 * at + places).astype(np.float32)
    return {
        "timesteps": np.full(places.size, 10 * at, np.int32),
        "eval_return": np.where(np.isin(places, failed), np.float32(np.nan), returns),
        "failed": np.isin(places, failed).astype(np.int32),
    }


@pytest.fixture
def records(tmp_path: pathlib.Path) -> Records:
    """Two points of three seeds, two log points; at the second, two seeds have failed."""
    kept = Records([tmp_path / "one", tmp_path / "two"], SEEDS)
    assert kept.add(found(1), 1.23456) == []
    assert kept.add(found(2, failed=(2, 4)), 2.5) == [
        f"seed {seed} of {name} has failed by timestep 20: its loss or its parameters are not "
        f"finite; the other seeds go on"
        for seed, name in ((2, "one"), (1, "two"))
    ]
    return kept


def test_rows_are_each_point_s(records: Records) -> None:
    """A row for each log point and seed; seed and timesteps come first."""
    rows = records.rows(1)
    assert [(row["seed"], row["timesteps"]) for row in rows] == [
        (seed, timesteps) for timesteps in (10, 20) for seed in range(SEEDS)
    ]
    assert [row["eval_return"] for row in rows[:3]] == [103.0, 104.0, 105.0]
    assert [row["training_seconds"] for row in rows] == [1.235] * 3 + [2.5] * 3
    assert list(rows[0])[:2] == ["seed", "timesteps"]
    assert records.rows() == records.rows(0)


def test_a_seed_s_failure_is_told_once(records: Records) -> None:
    """Those that have failed before are not named again; means leave them out."""
    (told,) = records.add(found(3, failed=(2, 3, 4)), 3.0)
    assert told.startswith("seed 0 of two has failed by timestep 30:")
    np.testing.assert_array_equal(records.last("eval_return"), [300, 301, 305])
    assert records.mean("eval_return") == 302.0
    records.add(found(4, failed=tuple(range(6))), 4.0)
    assert np.isnan(records.mean("eval_return"))


def test_a_single_point_is_not_named(tmp_path: pathlib.Path) -> None:
    """Its seeds are."""
    records = Records([tmp_path], POINTS * SEEDS)
    (told,) = records.add(found(1, failed=(4,)), 0.0)
    assert told.startswith("seed 4 has failed by timestep 10:")


def test_the_log_survives_json(records: Records, tmp_path: pathlib.Path) -> None:
    """As a checkpoint keeps it: what is restored gives the same rows, and goes on as before."""
    again = Records(records.folders, SEEDS)
    again.log = json.loads(json.dumps(records.log))
    for kept in (records, again):
        kept.add(found(3, failed=(2, 4)), 3.0)
    assert json.dumps(again.rows(1)) == json.dumps(records.rows(1))
    for name in ("one", "two"):
        again.write()
        written = (tmp_path / name / "metrics.csv").read_bytes()
        records.write()
        assert (tmp_path / name / "metrics.csv").read_bytes() == written


def test_files_hold_the_rows(records: Records, tmp_path: pathlib.Path) -> None:
    """One in each folder, read back as arrays [log points, seeds]; without rows there is none."""
    records.write()
    columns = metrics.read(tmp_path / "two" / "metrics.csv")
    np.testing.assert_array_equal(columns["timesteps"], np.repeat([[10], [20]], SEEDS, 1))
    np.testing.assert_array_equal(columns["eval_return"], [[103, 104, 105], [203, np.nan, 205]])
    records.log.clear()
    records.write()
    assert files(tmp_path) == []
    assert records.last("eval_return").size == 0
    assert np.isnan(records.mean("eval_return"))


def files(folder: pathlib.Path) -> list[Any]:
    """List all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_solved(tmp_path: pathlib.Path) -> None:
    """95 of 100 greedy episodes are enough, and 94 are not, computed as evaluations are."""
    kept = Records([tmp_path], 2)
    for at, wins in enumerate(((94, 95), (95, 95), (96, 95))):
        won = np.array(wins, np.float32) / np.float32(100)
        seen = {"timesteps": np.full(2, at), "failed": np.zeros(2, np.int32), "eval_success": won}
        kept.add(seen, 1.0)
    assert [kept.solved_for(points) for points in range(4)] == [False, True, True, False]
