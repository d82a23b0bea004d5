"""The metrics of a run so far, of all points and seeds that are trained together."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adqn_jax.results import metrics
from adqn_jax.results.metrics import METRICS

Row = dict[str, Any]
NOT_FINITE = "its loss or its parameters are not finite"


class Records:
    """Log points, kept in memory and in files that are always whole.

    A run has a folder for its results; of a group of a sweep's points, each point has one.
    """

    def __init__(self, folders: Sequence[pathlib.Path], num_seeds: int):
        """Write metrics.csv into each point's folder, from the first log point on."""
        self.folders = folders
        self.num_seeds = num_seeds  # of each point
        #: A log point has a table [P][S] for each metric: lists, as JSON can hold them.
        self.log: list[dict[str, list[list[Any]]]] = []

    def add(
        self,
        found: dict[str, np.ndarray],
        seconds: float,
        why: Callable[[], str] | None = None,
    ) -> list[str]:
        """Append a log point; it is not written yet.

        Args:
          found: an array [P * S] for each metric, the seeds of the first point first.
          seconds: wall-clock seconds of training so far.
          why: called when a seed has failed, says why it may have; by default, `NOT_FINITE`.

        Returns:
          A sentence for each seed that has failed since the log point before.
        """
        shape = (len(self.folders), self.num_seeds)
        failed_before = np.array(self.log[-1]["failed"]) if self.log else np.zeros(shape)
        clock = {"training_seconds": np.full(shape, round(seconds, 3))}
        self.log.append({k: v.reshape(shape).tolist() for k, v in (found | clock).items()})
        failed, timesteps = (np.array(self.log[-1][name]) for name in ("failed", "timesteps"))
        new = np.argwhere((failed > 0) & (failed_before == 0))
        reason = why() if why and new.size else NOT_FINITE
        return [
            f"seed {seed}{self._of_which(point)} has failed by timestep "
            f"{timesteps[point, seed]:,}: {reason}; the other seeds go on"
            for point, seed in new
        ]

    def rows(self, point: int = 0) -> list[Row]:
        """Return a point's rows, one for each log point and seed."""
        return [
            {"seed": seed, "timesteps": at["timesteps"][point][seed]}
            | {name: at[name][point][seed] for name in at if name != "timesteps"}
            for at in self.log
            for seed in range(self.num_seeds)
        ]

    def write(self) -> None:
        """Replace the files by all rows; without rows there are none.

        Raises:
          OSError: when one cannot be written; it stays as it was.
        """
        for point, folder in enumerate(self.folders):
            folder.mkdir(exist_ok=True)
            metrics.write(folder / METRICS, self.rows(point))

    def last(self, metric: str) -> np.ndarray:
        """Return a metric at the last log point, float [seeds that have not failed]."""
        if not self.log:
            return np.zeros(0)
        values, failed = (np.array(self.log[-1][name]) for name in (metric, "failed"))
        return np.asarray(values[failed == 0])

    def solved_for(self, log_points: int) -> bool:
        """Whether every seed had solved the task at each of so many last log points; with 0 not.

        See `metrics.all_solved`. Failed seeds do not count.
        """
        if not log_points or len(self.log) < log_points or not self.last("failed").size:
            return False
        return metrics.all_solved(
            *([at[name] for at in self.log[-log_points:]] for name in ("eval_success", "failed"))
        )

    def mean(self, metric: str) -> float:
        """Average a metric at the last log point over seeds that have not failed; perhaps NaN."""
        values = self.last(metric)
        return float(values.mean()) if values.size else float("nan")

    def _of_which(self, point: int) -> str:
        return f" of {self.folders[point].name}" if len(self.folders) > 1 else ""
