"""metrics.csv: a row for each seed and log point."""

import csv
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np


class Records:
    """The metrics of a run so far, kept in memory and in files that are always whole.

    A run has a folder for its results; of a group of a sweep's points, each point has one.
    """

    def __init__(self, folders: Sequence[pathlib.Path], num_seeds: int):
        """Write metrics.csv into each point's folder, from the first row on."""
        self.folders = folders
        self.num_seeds = num_seeds  # of each point
        self.rows: list[dict[str, Any]] = []  # at each log point, those of the first point first

    def add(self, metrics: dict[str, np.ndarray], seconds: float) -> list[str]:
        """Append a log point; it is not written yet.

        Args:
          metrics: an array [all seeds] for each metric, those of the first point first.
          seconds: wall-clock seconds of training so far.

        Returns:
          A sentence for each seed that has failed since the log point before.
        """
        failed_before = {i for i, row in enumerate(self._last_rows()) if row["failed"]}
        for i in range(metrics["timesteps"].size):
            row = {name: values[i].item() for name, values in metrics.items()}
            first = {"seed": i % self.num_seeds, "timesteps": row.pop("timesteps")}
            self.rows.append(first | row | {"training_seconds": round(seconds, 3)})
        return [
            f"seed {row['seed']}{self._of_which(i)} has failed by timestep {row['timesteps']:,}: "
            f"its loss or its parameters are not finite; the other seeds go on"
            for i, row in enumerate(self._last_rows())
            if row["failed"] and i not in failed_before
        ]

    def write(self) -> None:
        """Replace the files by all rows; without rows there are none.

        Raises:
          OSError: when one cannot be written; it stays as it was.
        """
        points = len(self.folders)
        for point, folder in enumerate(self.folders):
            rows = [r for i, r in enumerate(self.rows) if i // self.num_seeds % points == point]
            folder.mkdir(exist_ok=True)
            write(folder / "metrics.csv", rows)

    def last(self, metric: str) -> np.ndarray:
        """Return a metric at the last log point, float [seeds that have not failed]."""
        return np.array([row[metric] for row in self._last_rows() if not row["failed"]])

    def mean(self, metric: str) -> float:
        """Average a metric at the last log point over seeds that have not failed; perhaps NaN."""
        values = self.last(metric)
        return float(values.mean()) if values.size else float("nan")

    def _last_rows(self) -> list[dict[str, Any]]:
        return self.rows[-len(self.folders) * self.num_seeds :]

    def _of_which(self, i: int) -> str:
        point = self.folders[i // self.num_seeds].name
        return f" of {point}" if len(self.folders) > 1 else ""


def write(path: pathlib.Path, rows: Sequence[dict[str, Any]]) -> None:
    """Replace a table by these rows, whole or not at all; without rows there is none.

    Raises:
      OSError: when it cannot be written; it stays as it was.
    """
    if not rows:
        path.unlink(missing_ok=True)
        return
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)


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
    return {name: np.array([row[name] for row in rows]).reshape(-1, seeds) for name in rows[0]}
