"""metrics.csv, a row for each seed and log point: its only writer and reader."""

import csv
import io
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from adqn_jax.results import files

METRICS = "metrics.csv"
#: Share of greedy episodes that a seed must win to have solved a task.
SOLVED = 0.95


def solved(success: Any) -> Any:
    """Say which shares of greedy episodes won, [...], mean that the task is solved, bool [...].

    They are float32 where they are computed, and stay so here: 95 of 100 is enough.
    """
    return np.asarray(success, np.float32) >= np.float32(SOLVED)


def all_solved(success: Any, failed: Any) -> bool:
    """Whether every seed had solved the task at every log point of these, [...], or has failed."""
    return bool((solved(success) | (np.asarray(failed) > 0)).all())


def write(path: pathlib.Path, rows: Sequence[dict[str, Any]]) -> None:
    """Replace a table by these rows, whole or not at all; without rows there is none.

    A column that some rows lack, as those of an older version may, is NaN there.

    Raises:
      OSError: when it cannot be written; it stays as it was.
    """
    if not rows:
        path.unlink(missing_ok=True)
        return
    table = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(table, columns, restval="nan", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, table.getvalue())


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Read a metrics.csv.

    Returns:
      A float array [log points, seeds] for each column.

    Raises:
      ValueError: when it is no such file, has no rows, or not the same log points for every seed.
    """
    try:
        with path.open(newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} must be a table of numbers, as run.py writes it") from error
    missing = {"seed", "timesteps", "eval_return"} - set(rows[0] if rows else ())
    if rows and missing:
        raise ValueError(f"{path} must have the columns of run.py: {', '.join(missing)} is missing")
    seeds = len({row["seed"] for row in rows})
    if not rows or len(rows) % seeds:
        raise ValueError(
            f"{path} must hold a row for each seed at each log point, it has {len(rows)}"
        )
    table = {name: np.array([row[name] for row in rows]).reshape(-1, seeds) for name in rows[0]}
    if np.ptp(table["timesteps"], axis=1).any() or np.ptp(table["seed"], axis=0).any():
        raise ValueError(
            f"{path} must hold the same log points for every seed, one after the other"
        )
    return table
