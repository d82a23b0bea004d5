"""The sections of a report below its curves."""

import math
import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from adqn_jax.results.estimates import CONFIDENCE
from adqn_jax.results.load import FINAL_SHARE
from support.reports import markup
from support.reports.contents import Report, Run, differing
from support.reports.episodes import Episode
from support.reports.markup import details, note, text

STATISTICS = {"mean": "mean", "iqm": "interquartile mean"}
_KINDS = {"agent": "", "memoryless": "without memory", "fully observing": "sees the state"}
_TITLES = {
    "eval_return": "return of evaluations, undiscounted",
    "eval_discounted_return": "return of evaluations, discounted",
    "eval_success": "share of evaluations that succeed",
    "eval_length": "length of evaluations, timesteps",
    "behaviour_return": "return of the last 100 training episodes",
}
#: Columns of final performance, and whether they hold numbers.
_COLUMNS = {
    "environment": False, "run": False, "seeds": True, "failed": True, "timesteps": True,
    "final": True, "low": True, "high": True, "range": False, "training, s": True,
}  # fmt: skip


def metric_title(name: str) -> str:
    """Say what a metric is."""
    return _TITLES.get(name, name)


def centre_and_spread(report: Report) -> str:
    """Say what stands for all seeds, and which interval goes with it."""
    spreads = {
        "stderr": "its standard error",
        "bootstrap": f"its {CONFIDENCE:.0%} bootstrap interval",
    }
    return f"{STATISTICS[report.statistic]}, and {spreads[report.interval]}"


def final(report: Report) -> str:
    """Tabulate final performance, a table for each metric; the first metric's is shown at first."""
    told = note(
        f"Of each seed, the mean over the last {FINAL_SHARE:.0%} of the log points. Of all seeds "
        f"that did not fail, the {centre_and_spread(report)}. In the drawings, dots are seeds, and "
        "runs of an environment share the scale."
    )
    return told + "".join(_table(report, metric) for metric in report.metrics)


def _table(report: Report, metric: str) -> str:
    heads = []
    for title, is_number in _COLUMNS.items():
        sorts = f'<button type="button" class="sort">{title}</button>'
        kind = ' class="number"' if is_number else ""
        heads.append(f"<th{kind}>{title if title == 'range' else sorts}</th>")
    rows = "".join(_row(report, run, metric) for run in report.runs)
    hidden = "" if metric == report.metrics[0] else " hidden"
    return (
        f'<div class="scroll" data-metric="{text(metric)}"{hidden}><table>'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(report: Report, run: Run, metric: str) -> str:
    result = run.results[metric]
    kind = f" <em>({_KINDS[run.kind]})</em>" if _KINDS[run.kind] else ""
    named = f"{markup.run_name(report, run, with_env=False)}{kind}"
    cells = [f"<th>{text(run.env)}</th>", f'<td class="name">{named}</td>']
    counts = (result.seeds.size, result.failed, int(result.timesteps[-1]))
    cells += [_cell(f"{count:,}", count) for count in counts]
    found = report.estimate(result, final=True)
    if found is None:
        cells += [_cell("", "")] * 3 + ["<td>all seeds failed</td>"]
    else:
        ends = [float(x) for x in (found.value, found.low, found.high)]
        cells += [_cell(f"{x:.3f}", x) for x in ends]
        cells.append(f"<td>{_drawing(report, run, metric)}</td>")
    seconds = result.training_seconds
    cells.append(_cell(f"{seconds:,.0f}", seconds) if math.isfinite(seconds) else _cell("", ""))
    return f'<tr data-run="{report.labels.index(run.label)}">{"".join(cells)}</tr>'


def _cell(shown: str, value: object) -> str:
    return f'<td class="number" data-sort="{value}">{shown}</td>'


def _drawing(report: Report, run: Run, metric: str) -> str:
    """Draw seeds, estimate and interval on a line that all runs of the environment share."""
    values = run.results[metric].final
    found = report.estimate(run.results[metric], final=True)
    if found is None or not np.isfinite(values).all():
        return ""
    of_env = [r.results[metric].final for r in report.runs if r.env == run.env]
    place = _scale(np.concatenate(of_env))
    ink = markup.colour(report.labels.index(run.label))
    dots = "".join(
        f'<circle cx="{place(x)}" cy="10" r="2.5" fill="{ink}" opacity="0.35"/>' for x in values
    )
    low, centre, high = (place(float(x)) for x in (found.low, found.value, found.high))
    return (
        '<svg class="range" viewBox="0 0 200 20" aria-hidden="true">'
        f'<line x1="0" x2="200" y1="10" y2="10" stroke="var(--grid)"/>{dots}'
        f'<line x1="{low}" x2="{high}" y1="10" y2="10" stroke="{ink}" stroke-width="3"/>'
        f'<line x1="{centre}" x2="{centre}" y1="3" y2="17" stroke="{ink}" stroke-width="3"/></svg>'
    )


def _scale(values: np.ndarray) -> Callable[[float], float]:
    """Return what places a number, among all of them, between 4 and 196."""
    known = values[np.isfinite(values)]
    low, high = known.min(), known.max()
    return lambda x: round(4 + 192 * float((x - low) / ((high - low) or 1.0)), 1)


def settings(report: Report) -> str:
    """Tabulate what differs, and list the rest."""
    differs, same = differing([run.settings for run in report.runs])
    if len(report.runs) == 1:
        return note("One run, with these settings.") + markup.pairs(same)
    told = note(
        "What differs between runs, as their config.json has it. What a run does not read has its "
        "default. A dash: this kind of run has no such setting."
    )
    told += markup.matrix(report, differs) if differs else "<p>All have the same settings.</p>"
    rest = f"{len(same)} settings that are the same in all runs that have them"
    return told + details(rest, markup.pairs(same))


def versions(report: Report) -> str:
    """Say what made the runs."""
    differs, same = differing([run.made_with for run in report.runs])
    told = markup.matrix(report, differs) if differs else ""
    return told + (note("Made with:") + markup.pairs(same) if same else "")


def commands(report: Report) -> str:
    """Say how to repeat each run."""
    told = note(
        "To repeat a run, check out the commit that made it, and install what it was made with. "
        "Then its command trains the same. Click a command to mark it."
    )
    if any(run.settings.get("expert") for run in report.runs):
        told += note(
            "EXPERT.npz stands for the file of the policy that was learnt from; its SHA-256 is "
            "among the settings."
        )
    listed = "".join(
        f"<dt>{markup.run_name(report, run)}</dt><dd><pre>{text(run.command)}</pre></dd>"
        for run in report.runs
    )
    listed = f'<dl class="commands">{listed}</dl>'
    return told + details("Commands", listed, is_open=len(report.runs) <= 4)


def episodes(report: Report, played: Mapping[pathlib.Path, Episode | str]) -> str:
    """Show episodes, by the run's folder, or say why there is none."""
    if not played:
        return ""
    cards = "".join(
        _card(report, run, played[run.folder]) for run in report.runs if run.folder in played
    )
    told = note(
        "The seed in the middle of each run, by final performance, plays an episode. Drawn are "
        "the true state and what the agent sees."
    )
    return (
        f'<section id="episodes"><h2>Episodes</h2>{told}<div class="episodes">{cards}</div>'
        "</section>"
    )


def _card(report: Report, run: Run, episode: Episode | str) -> str:
    if isinstance(episode, str):
        content = note(text(episode))
    else:
        about = f"seed {episode.seed}: {episode.caption}"
        told = f"{run.env}, {run.label}, {about}"
        content = note(text(about))
        if episode.film:
            content += markup.image("gif", episode.film, f"Film: {told}", "film")
        moments = markup.image("png", episode.moments, f"Moments: {told}", "moments")
        content += details("Moments", moments, is_open=not episode.film)
    number = report.labels.index(run.label)
    return (
        f'<article class="episode" data-run="{number}"><h3>{markup.run_name(report, run)}</h3>'
        f"{content}</article>"
    )
