"""Runs of one algorithm that differ in what was chosen for it, compared at equal cost."""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from adqn_jax.extras import extra
from adqn_jax.results import files
from adqn_jax.results.estimates import estimate
from adqn_jax.results.load import Result, load_all
from adqn_jax.results.tables import Row

with extra("results"):
    from matplotlib import colormaps
    from matplotlib.figure import Figure

Against = Literal["seconds", "timesteps"]


@dataclasses.dataclass(frozen=True)
class Course:
    """A run, and what it had cost at each log point."""

    run: Result
    seconds: np.ndarray  # [L], training all seeds, without compiling

    @property
    def name(self) -> str:
        """The run's folder."""
        return self.run.folder.resolve().name

    def spent(self, against: Against) -> np.ndarray:
        """Return what each log point had cost, [L]: seconds of training, or timesteps."""
        return self.seconds if against == "seconds" else self.run.timesteps

    def until(self, against: Against, at: float) -> Result:
        """Return the run as it was once so much was spent."""
        points = int((self.spent(against) <= at).sum())
        run = self.run
        return dataclasses.replace(
            run, timesteps=run.timesteps[:points], values=run.values[:points]
        )

    def reaches(self, goal: float) -> int | None:
        """Return the first log point at which the mean over seeds is at least `goal`."""
        points = np.flatnonzero(self.run.values.mean(1) >= goal)
        return int(points[0]) if points.size else None


def load_courses(folders: Sequence[pathlib.Path], metric: str) -> dict[str, list[Course]]:
    """Read run folders, those of one environment and algorithm together, in the order given.

    Raises:
      ValueError: when there are none, or one of them cannot be read or has failed seeds only.
    """
    groups: dict[str, list[Course]] = {}
    times = load_all(folders, "training_seconds")
    for run, time in zip(load_all(folders, metric), times, strict=True):
        run.check_seeds()
        course = Course(run, time.values.max(1))
        groups.setdefault(f"{run.env}, {run.algo}", []).append(course)
    return groups


def compare(
    groups: dict[str, list[Course]], against: Against, goal: float, at: float | None = None
) -> list[Row]:
    """Compare the runs of each group once all of them have spent the same.

    Args:
      groups: as `load_courses` returns them.
      against: what is spent, seconds of training all seeds, or timesteps of a seed.
      goal: of the mean over seeds.
      at: how much; None: what the group's shortest run has spent.

    Returns:
      A row for each run: env, algo, run, seeds, seconds and timesteps (spent by then), final (mean
      over seeds of the last tenth of the log points until then) with the ends low and high of its
      standard error, and the seconds and timesteps until the goal was first reached, or nothing.

    Raises:
      ValueError: when runs of a group cannot be compared: at `at` one has not begun, or is over; or
        they have different numbers of seeds, whose training time is that of all.
    """
    rows = []
    for title, courses in groups.items():
        spent = [course.spent(against) for course in courses]
        least, most = max(x[0] for x in spent), min(x[-1] for x in spent)
        each = most if at is None else at
        if not least <= each <= most:
            raise ValueError(
                f"{title}: all runs have log points from {least:.6g} to {most:.6g} {against}; "
                f"{each:.6g} is outside"
            )
        if len({course.run.seeds.size + course.run.failed for course in courses}) > 1:
            raise ValueError(f"{title}: only runs of as many seeds can be compared")
        rows += [_row(course, course.until(against, each), goal) for course in courses]
    return rows


def _row(course: Course, run: Result, goal: float) -> Row:
    final, reached = estimate(run.final), course.reaches(goal)
    last = len(run.timesteps) - 1
    row: Row = {"env": run.env, "algo": run.algo, "run": course.name, "seeds": run.seeds.size}
    row |= {"seconds": f"{course.seconds[last]:.0f}", "timesteps": int(run.timesteps[last])}
    numbers = {"final": final.value, "low": final.low, "high": final.high}
    row |= {name: f"{number:.3f}" for name, number in numbers.items()}
    if reached is None:
        return row | {"goal_seconds": "", "goal_timesteps": ""}
    seconds, timesteps = course.seconds[reached], course.run.timesteps[reached]
    return row | {"goal_seconds": f"{seconds:.0f}", "goal_timesteps": int(timesteps)}


def draw(groups: dict[str, list[Course]], to: pathlib.Path, against: Against, metric: str) -> None:
    """Draw a panel for each group: mean and standard error over seeds, a colour for each name."""
    names = list(dict.fromkeys(c.name for c in itertools.chain.from_iterable(groups.values())))
    palette = colormaps["tab20" if len(names) > 10 else "tab10"]
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.4 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, courses) in zip(panels, groups.items(), strict=False):
        for course in courses:
            x = course.spent(against)
            mean, colour = estimate(course.run.values), palette(names.index(course.name))
            axes.fill_between(x, mean.low, mean.high, color=colour, alpha=0.15, lw=0)
            axes.plot(x, mean.value, color=colour, lw=1.2, label=course.name)
        axes.set(title=title, xlabel=_LABELS[against], ylabel=metric)
        axes.grid(alpha=0.3)
    for axes in panels[len(groups) :]:
        axes.set_axis_off()
    labelled: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        labelled |= dict(zip(labels, handles, strict=True))
    figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=3 * columns)
    figure.savefig(files.with_folder(to), dpi=110)


_LABELS = {
    "seconds": "seconds of training, all seeds",
    "timesteps": "simulated timesteps per seed",
}
