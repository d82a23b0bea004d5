"""Figures of runs: learning curves, final performance, probability of improvement.

One panel per environment; an algorithm has the same colour everywhere. Runs that show a bound
(`--history none`, `--observe state`) are dashed lines at their final performance, which is the mean
over the last tenth of a run's log points.
"""

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from adqn_jax import families
from adqn_jax.extras import extra
from adqn_jax.results import files
from adqn_jax.results.estimates import (
    Interval,
    Statistic,
    estimate,
    probability_of_improvement,
)
from adqn_jax.results.experiment import CURVE
from adqn_jax.results.load import Result, agents, by_algo, by_env, load

with extra("results"):
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

_COLOURS = {
    "dqn": "#555555",
    "adqn": "#1f77b4",
    "adqn-vr": "#d62728",
    "adqn-state": "#2ca02c",
    "adqn-state-vr": "#ff7f0e",
}
#: Of algorithms without a colour of their own, in the order in which they are registered.
_MORE_COLOURS = ("#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#3b3b98", "#b33771", "#58b19f")
_BOUNDS = {"memoryless": "#8c6d31", "fully observing": "#17becf"}
_STYLES = ("-", "-.", ":")  # of further runs of one algorithm; dashes are for bounds
_HATCHES = ("", "//", "..")  # of their bars
_METRICS = {
    "eval_return": "return of evaluations, undiscounted",
    "eval_discounted_return": "return of evaluations, discounted",
    "behaviour_return": "return of the last 100 episodes",
}
Kind = Literal["curves", "bars", "improvement"]


def curve(folder: pathlib.Path) -> None:
    """Draw a run's curve into its own folder, curve.png."""
    draw([load(folder)], folder / CURVE)


def draw(
    runs: Sequence[Result],
    to: pathlib.Path,
    kind: Kind = "curves",
    metric: str = "eval_return",
    statistic: Statistic = "mean",
    interval: Interval | None = None,
    first: Sequence[str] = (),
) -> None:
    """Draw several runs into one picture, a row of panels; environments named `first` come first.

    A missing folder is made.

    Raises:
      ValueError: when the standard error of an interquartile mean is asked for, or there is nothing
        to compare.
    """
    what = _METRICS.get(metric, metric)
    estimate(np.zeros(2), statistic, interval)  # refuses what does not go together
    panels = by_env(runs, first)
    if kind == "improvement":
        figure = _improvement(panels)
    else:
        figure, row = _row(len(panels))
        draw_panel = _curves if kind == "curves" else _bars
        for axes, (env, every) in zip(row, panels.items(), strict=True):
            axes.set_title(env)
            whole = [run for run in every if run.values.size]  # all seeds of others have failed
            draw_panel(axes, whole, statistic, interval)
            _bounds(axes, whole, statistic)
            axes.grid(alpha=0.3)
            axes.set_xlabel(_axis(every, kind))
        row[0].set_ylabel(what if kind == "curves" else f"final {what}")
        _legend(figure, row)
    with files.replacing(files.with_folder(to)) as partial:
        figure.savefig(partial, dpi=150, format=to.suffix.removeprefix(".") or "png")


def _curves(axes: Axes, runs: list[Result], statistic: Statistic, interval: Any) -> None:
    drawn = agents(runs)
    for run in drawn:
        label, number = _agent_name(run, drawn)
        colour, centre = _colour(run, number), estimate(run.values, statistic, interval)
        if len(drawn) <= 2:  # more would hide each other
            axes.plot(run.timesteps, run.values, color=colour, alpha=0.15, lw=0.8)
        axes.fill_between(run.timesteps, centre.low, centre.high, color=colour, alpha=0.3, lw=0)
        style = _STYLES[number % len(_STYLES)]
        axes.plot(run.timesteps, centre.value, style, color=colour, label=label)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _bars(axes: Axes, runs: list[Result], statistic: Statistic, interval: Any) -> None:
    drawn = agents(runs)
    for at, run in enumerate(drawn):
        final = estimate(run.final, statistic, interval)
        error = np.abs(np.array([[final.value - final.low], [final.high - final.value]]))
        label, number = _agent_name(run, drawn)
        axes.bar(
            at, final.value, 0.75, yerr=error, capsize=3, label=label,
            color=_colour(run, number), edgecolor="white", hatch=_HATCHES[number % len(_HATCHES)],
        )  # fmt: skip
    axes.axhline(0.0, color="black", lw=0.6)
    axes.set_xticks([])


def _agent_name(run: Result, among: list[Result]) -> tuple[str, int]:
    """Name a run by its algorithm and, where that has several, by its folder; number it there."""
    same = [other for other in among if other.algo == run.algo]
    number = next(i for i, other in enumerate(same) if other is run)
    return run.algo if len(same) == 1 else f"{run.algo}, {run.folder.resolve().name}", number


def _bounds(axes: Axes, runs: list[Result], statistic: Statistic) -> None:
    """Draw a dashed line for each run that shows a bound, unless there is nothing else."""
    if all(run.kind != "agent" for run in runs):
        return
    for run in runs:
        if run.kind != "agent":
            final = float(estimate(run.final, statistic).value)
            axes.axhline(final, ls="--", lw=1.2, color=_BOUNDS[run.kind], label=_bound_name(run))


def _improvement(panels: dict[str, list[Result]]) -> Figure:
    """Draw a matrix for each environment and, of several, one for all; row against column."""
    final = {
        env: {run.algo: run.final for run in by_algo(agents(runs)).values() if run.values.size}
        for env, runs in panels.items()
    }
    groups = {env: [env] for env in final}
    if len(final) > 1:
        groups["all environments"] = list(final)
    figure, row = _row(len(groups), wide=4.2)
    for axes, (title, envs) in zip(row, groups.items(), strict=True):
        names = [name for name in final[envs[0]] if all(name in final[env] for env in envs)]
        if len(names) < 2:
            raise ValueError(f"{title}: there must be two algorithms to compare, got {names}")
        axes.set_title(title)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        values = np.full((len(names), len(names)), np.nan)
        for (i, one), (j, other) in itertools.permutations(enumerate(names), 2):
            p = probability_of_improvement([(final[env][one], final[env][other]) for env in envs])
            values[i, j] = p.value
            text = f"{p.value:.2f}\n{p.low:.2f} - {p.high:.2f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7)
        axes.imshow(values, vmin=0.0, vmax=1.0, cmap="RdYlGn", alpha=0.7, aspect="auto")
    row[0].set_ylabel("probability that a seed of this ...")
    figure.supxlabel("... ends better than one of that", fontsize="medium")
    return figure


def _row(panels: int, wide: float = 3.4) -> tuple[Figure, np.ndarray]:
    size = (6.4, 4.0) if panels == 1 else (wide * panels, 0.85 * wide + 0.7)
    figure = Figure(figsize=size, layout="constrained")  # needs no display, whatever the backend
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _legend(figure: Any, row: np.ndarray) -> None:
    """Name every curve once, whichever panels it is in."""
    named: dict[str, Any] = {}
    for axes in row:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    columns = 3 if len(row) == 1 else 7
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)


def _axis(runs: list[Result], kind: Kind) -> str:
    counts = sorted({run.values.shape[1] for run in runs})
    text = f"{' or '.join(map(str, counts))} {'seed' if counts == [1] else 'seeds'}"
    if failed := sum(run.failed for run in runs):
        text += f"; {failed} failed, left out"
    return f"simulated timesteps per seed\n({text})" if kind == "curves" else f"({text})"


def _colour(run: Result, number: int = 0) -> str:
    """Return an algorithm's colour; when its runs have used up the styles, another."""
    if number >= len(_STYLES):
        return _MORE_COLOURS[(number // len(_STYLES) - 1) % len(_MORE_COLOURS)]
    further = [name for name in families.algorithms() if name not in _COLOURS]
    more = dict(zip(further, itertools.cycle(_MORE_COLOURS), strict=False))
    return (_COLOURS | more)[run.algo]


def _bound_name(run: Result) -> str:
    return f"{run.algo}, {run.kind}"


def check_writable(to: pathlib.Path) -> None:
    """Look whether a picture can be written, in the format that its name asks for.

    Raises:
      ValueError: when it cannot.
    """
    endings = sorted(FigureCanvasAgg.get_supported_filetypes())
    if to.suffix[1:] not in endings:
        raise ValueError(f"--to must end in .{', .'.join(endings)}, got {to}")
    files.check_writable(to)
