"""Runs of one algorithm that differ in what was chosen for it, compared at equal training time."""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from adqn_jax.extras import extra
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

    def until(self, seconds: float) -> Result:
        """Return the run as it was after so many seconds; its first log point at least."""
        points = max(1, int((self.seconds <= seconds).sum()))
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
        if not run.seeds.size:
            raise ValueError(f"all seeds of {run.folder} have failed")
        course = Course(run, time.values.max(1))
        groups.setdefault(f"{run.env}, {run.algo}", []).append(course)
    return groups


def compare(groups: dict[str, list[Course]], goal: float, budget: float | None = None) -> list[Row]:
    """Compare the runs of each group after the training time that all of them have had.

    Args:
      groups: as `load_courses` returns them.
      goal: of the mean over seeds.
      budget: seconds of training; None: those of the group's shortest run.

    Returns:
      A row for each run: env, algo, run, seeds, seconds (the budget), timesteps (of a seed, by
      then), final (mean over seeds of the last tenth of the log points until then) with the ends
      low and high of its standard error, and the seconds and timesteps until the goal was first
      reached, or nothing.

    Raises:
      ValueError: when runs of a group cannot be compared: at `budget` one has not begun, or is
        over; or they have different numbers of seeds, whose training time is that of all.
    """
    rows = []
    for title, courses in groups.items():
        least = max(course.seconds[0] for course in courses)
        most = min(course.seconds[-1] for course in courses)
        seconds = most if budget is None else budget
        if not least <= seconds <= most:
            raise ValueError(
                f"{title}: all runs have log points from {least:.3g} to {most:.3g} seconds of "
                f"training; {seconds:.3g} is outside"
            )
        if len({course.run.seeds.size + course.run.failed for course in courses}) > 1:
            raise ValueError(f"{title}: runs of as many seeds can be compared at equal time")
        for course in courses:
            run, at = course.until(seconds), course.reaches(goal)
            final = estimate(run.final)
            numbers = {"final": final.value, "low": final.low, "high": final.high}
            rows.append(
                {"env": run.env, "algo": run.algo, "run": course.name, "seeds": run.seeds.size}
                | {"seconds": f"{seconds:.0f}", "timesteps": int(run.timesteps[-1])}
                | {name: f"{x:.3f}" for name, x in numbers.items()}
                | {
                    "goal_seconds": "" if at is None else f"{course.seconds[at]:.0f}",
                    "goal_timesteps": "" if at is None else int(course.run.timesteps[at]),
                }
            )
    return rows


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
            x = course.seconds if against == "seconds" else course.run.timesteps
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
    figure.legend(labelled.values(), labelled.keys(), loc="outside lower center", ncols=5)
    figure.savefig(to, dpi=110)


_LABELS = {
    "seconds": "seconds of training, all seeds",
    "timesteps": "simulated timesteps per seed",
}
