"""A report as HTML: one file that asks nobody for anything.

What comes from runs is text: it is escaped wherever it is written. A policy in the page's head
forbids browsers to load anything from elsewhere.
"""

import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from adqn_jax.extras import extra
from adqn_jax.results.estimates import Estimate
from support.reports import markup, sections
from support.reports.contents import Report, Run
from support.reports.episodes import Episode
from support.reports.markup import text

_HERE = pathlib.Path(__file__).parent


def page(report: Report, episodes: Mapping[pathlib.Path, Episode | str], made_by: str) -> str:
    """Write the page.

    Args:
      report: the runs.
      episodes: by the run's folder, an episode, or why there is none.
      made_by: the command that makes this page again.
    """
    known = {"curves": "Curves", "final": "Final performance", "settings": "Settings"}
    known |= {"episodes": "Episodes"} if episodes else {}
    known |= {"repeat": "Versions and commands"}
    parts = {
        "title": text(_title(report)),
        "lead": text(_lead(report)),
        "navigation": " ".join(f'<a href="#{i}">{name}</a>' for i, name in known.items()),
        **_curves(report),
        "final": sections.final(report),
        "settings": sections.settings(report),
        "episodes": sections.episodes(report, episodes),
        "versions": sections.versions(report),
        "commands": sections.commands(report),
        "footer": f"Made by <code>{text(made_by)}</code>",
        "data": markup.script_json(_data(report)),
        "plotly": library(),
        "style": _asset("page.css"),
        "script": _asset("page.js"),
    }
    # In one go: what looks like a part in what is put in stays as it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _asset("page.html"))


def library() -> str:
    """Return what draws the curves in a browser.

    Raises:
      MissingExtraError: when it is not installed.
    """
    with extra("report"):
        from plotly.offline import get_plotlyjs
    return str(get_plotlyjs())


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _title(report: Report) -> str:
    runs = "1 run" if len(report.runs) == 1 else f"{len(report.runs)} runs"
    return f"{runs} on {', '.join(report.envs)}"


def _lead(report: Report) -> str:
    algorithms = dict.fromkeys(run.any.algo for run in report.runs)
    seeds = sum(run.any.seeds.size for run in report.runs)
    return f"{', '.join(algorithms)}; {seeds} trained {'seed' if seeds == 1 else 'seeds'}"


def _curves(report: Report) -> dict[str, str]:
    """Return what stands around the curves, which the page's script draws."""
    told = f"Over the seeds shown, the {sections.centre_and_spread(report)}. "
    if report.interval != "stderr":
        told += "The interval is that of all seeds: of some of them there is none. "
    told += "Hover to read values, drag to zoom, double-click to see all again."
    titles = {name: text(sections.metric_title(name)) for name in report.metrics}
    labels = [f"{markup.swatch(i)}{text(label)}" for i, label in enumerate(report.labels)]
    return {
        "curves_note": told,
        "metrics": "".join(
            f'<option value="{text(name)}">{title}</option>' for name, title in titles.items()
        ),
        "run_chips": "".join(markup.chip(str(i), label) for i, label in enumerate(labels)),
        "seed_chips": "".join(markup.chip(str(seed), str(seed)) for seed in report.seeds),
        "panels": "".join(
            f'<div class="panel"><h3>{text(env)}</h3><div class="plot" id="plot-{i}"></div></div>'
            for i, env in enumerate(report.envs)
        ),
    }


def _data(report: Report) -> dict[str, Any]:
    """Return what the page's script draws, as JSON can hold it."""
    return {
        "envs": report.envs,
        "metrics": list(report.metrics),
        "titles": {name: sections.metric_title(name) for name in report.metrics},
        "statistic": sections.STATISTICS[report.statistic],
        "interval": report.interval,
        "drawn": "both" if len(report.labels) <= 2 else "centre",  # more would hide each other
        "colours": {
            label: {"key": str(i), "hex": markup.colour(i), "dash": markup.dash(i)}
            for i, label in enumerate(report.labels)
        },
        "runs": [_run(report, number, run) for number, run in enumerate(report.runs)],
    }


def _run(report: Report, number: int, run: Run) -> dict[str, Any]:
    return {
        "id": number,
        "label": run.label,
        "env": run.env,
        "seeds": run.any.seeds.tolist(),
        "timesteps": run.any.timesteps.tolist(),
        "values": {name: _finite(result.values) for name, result in run.results.items()},
        "estimates": {name: _ends(report.estimate(r)) for name, r in run.results.items()},
    }


def _ends(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {name: _finite(values) for name, values in vars(estimate).items()}


def _finite(values: np.ndarray) -> Any:
    """Return lists of numbers, with None for those that are not finite."""
    known = values.astype(object)
    known[~np.isfinite(values)] = None
    return known.tolist()
