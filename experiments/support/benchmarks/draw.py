"""Pictures of what was measured."""

import json
import pathlib

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

_COLUMNS = (
    "seeds", "limit_timesteps", "update_timesteps", "loop_timesteps", "share_of_limit_update",
    "share_of_limit_loop", "share_outside_update",
)  # fmt: skip


def draw_scaling(path: pathlib.Path, to: pathlib.Path) -> None:
    """Draw the throughput and its share of the limit over the number of seeds.

    Args:
      path: what `benchmark.py scaling --json` has written.
      to: the picture to write.

    Raises:
      ValueError: when it is not that.
    """
    try:
        content = json.loads(path.read_text())
        rows, setting = content["training"], content["setting"]
        columns = {name: [row[name] for row in rows] for name in _COLUMNS}
        what = f"{setting['env']}, {setting['algo']}, {setting['preset']}, {rows[0]['rows']} rows"
        device = content["made_with"]["device"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path} is not what benchmark.py scaling --json writes") from error
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
    figure.savefig(to, dpi=150)
