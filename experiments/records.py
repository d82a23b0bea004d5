"""metrics.csv: a row for each seed and log point."""

import csv
import os
import pathlib
from typing import Any

import numpy as np


class Records:
    """The metrics of a run so far, kept in memory and in a file that is always whole."""

    def __init__(self, path: pathlib.Path):
        """Write to `path` from the first row on."""
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def add(self, metrics: dict[str, np.ndarray], seconds: float) -> list[str]:
        """Append a log point; it is not written yet.

        Args:
          metrics: an array [seeds] for each metric.
          seconds: wall-clock seconds of training so far.

        Returns:
          A sentence for each seed that has failed since the log point before.
        """
        failed_before = {row["seed"] for row in self._last_rows() if row["failed"]}
        for seed in range(metrics["timesteps"].size):
            row = {name: values[seed].item() for name, values in metrics.items()}
            first = {"seed": seed, "timesteps": row.pop("timesteps")}
            self.rows.append(first | row | {"training_seconds": round(seconds, 3)})
        return [
            f"seed {row['seed']} has failed by timestep {row['timesteps']:,}: its loss or its "
            f"parameters are not finite; the other seeds go on"
            for row in self._last_rows()
            if row["failed"] and row["seed"] not in failed_before
        ]

    def write(self) -> None:
        """Replace the file by all rows; without rows there is none.

        Raises:
          OSError: when it cannot be written; the file stays as it was.
        """
        if not self.rows:
            self.path.unlink(missing_ok=True)
            return
        partial = self.path.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(partial, self.path)

    def last(self, metric: str) -> np.ndarray:
        """Return a metric at the last log point, float [seeds that have not failed]."""
        return np.array([row[metric] for row in self._last_rows() if not row["failed"]])

    def mean(self, metric: str) -> float:
        """Average a metric at the last log point over seeds that have not failed; perhaps NaN."""
        values = self.last(metric)
        return float(values.mean()) if values.size else float("nan")

    def _last_rows(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["timesteps"] == self.rows[-1]["timesteps"]]


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
