"""Pictures of what was measured."""

import json
import pathlib
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from adqn_jax.results import files

_COLUMNS = (
    "seeds", "limit_timesteps", "update_timesteps", "loop_timesteps", "share_of_limit_update",
    "share_of_limit_loop", "share_outside_update",
)  # fmt: skip


#: Of the panels of `draw_growth`, by axis.
_GROWING = {
    "seeds": "seeds",
    "num_envs": "environments of a seed",
    "row_length": "transitions in a row",
    "history_size": "width of the history",
    "buffer_timesteps": "timesteps in the replay",
}


def draw_measured(path: pathlib.Path, to: pathlib.Path) -> None:
    """Draw what `benchmark.py scaling --json` or `benchmark.py growth --json` has written.

    Args:
      path: the file.
      to: the picture to write.

    Raises:
      ValueError: when it is neither.
    """
    try:
        content = json.loads(path.read_text())
        figure = _growth(content) if "growth" in content else _scaling(content)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path} is not what scaling or growth of benchmark.py write") from error
    figure.savefig(files.with_folder(to), dpi=150)


def _growth(content: dict[str, Any]) -> Figure:
    """Draw time and memory over each axis: as measured, and as predicted."""
    rows, work = content["growth"], content["work"]
    axes = list(dict.fromkeys(row["axis"] for row in rows))
    figure = Figure(figsize=(2.2 * len(axes) + 1.0, 3.9), layout="constrained")
    panels = figure.subplots(2, len(axes), sharex="col", sharey="row", squeeze=False)
    for axis, (above, below) in zip(axes, panels.T, strict=True):
        of_axis = [row for row in rows if row["axis"] == axis]
        values = [row["value"] for row in of_axis]
        for panel, name, scale in ((above, "seconds", 1e3), (below, "bytes", 2**-20)):
            panel.plot(
                values, [scale * row[f"predicted_{name}"] for row in of_axis], "k--",
                label="predicted",
            )  # fmt: skip
            panel.plot(values, [scale * row[name] for row in of_axis], "o", label="measured")
            panel.set_xscale("log")
            panel.set_yscale("log")
            panel.set_xticks(values, [f"{value:,}" for value in values])
            panel.xaxis.set_minor_locator(NullLocator())
            panel.grid(alpha=0.3)
        below.set_xlabel(_GROWING[axis])
    panels[0, 0].set_ylabel("an iteration, ms")
    panels[1, 0].set_ylabel("memory, MiB")
    panels[0, 0].legend(fontsize="small")
    what = f"{work['env']}, {work['algo']}, {work['preset']}, {work['rows']} rows"
    figure.suptitle(f"{what}; {content['made_with']['device']}", fontsize="small")
    return figure


def _scaling(content: dict[str, Any]) -> Figure:
    """Draw the throughput and its share of the limit over the number of seeds."""
    rows, setting = content["training"], content["setting"]
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    what = f"{setting['env']}, {setting['algo']}, {setting['preset']}, {rows[0]['rows']} rows"
    device = content["made_with"]["device"]
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    rates, shares = figure.subplots(1, 2)
    seeds = columns["seeds"]
    rates.plot(seeds, columns["limit_timesteps"], "k--", label="limit of matrix products")
    rates.plot(seeds, columns["update_timesteps"], "o-", label="gradient steps alone")
    rates.plot(seeds, columns["loop_timesteps"], "s-", label="whole loop")
    rates.set_ylabel("trained timesteps/s, all seeds")
    rates.set_ylim(bottom=0)
    shares.plot(seeds, columns["share_of_limit_update"], "o-", label="gradient steps alone")
    shares.plot(seeds, columns["share_of_limit_loop"], "s-", label="whole loop")
    shares.plot(seeds, columns["share_outside_update"], "^:", label="of the loop, not updating")
    shares.set_ylabel("share of the limit")
    shares.set_ylim(0, 1)
    shares.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (rates, shares):
        axes.set_xscale("log")
        axes.set_xticks(seeds, [str(number) for number in seeds])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("seeds")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.suptitle(f"{what}; {device}", fontsize="small")
    return figure
