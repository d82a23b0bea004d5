"""Make one page of HTML of any set of runs: curves, final performance, settings, episodes.

The page holds all that it shows, and asks nobody for anything: it can be mailed, kept beside a
paper, and read without a network.
"""

import pathlib
import shlex
import sys
from typing import Annotated

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.extras import need
from adqn_jax.results import files
from adqn_jax.results.estimates import Interval, Statistic
from adqn_jax.results.load import Result
from support.reports import contents, episodes
from support.reports.page import page


def report(
    runs: Annotated[list[pathlib.Path], cli.Positional],
    to: pathlib.Path = pathlib.Path("report.html"),
    metrics: tuple[str, ...] = (),
    statistic: Statistic = "mean",
    interval: Interval | None = None,
    films: int = 6,
    episode: int = 0,
) -> None:
    """Make a page of runs.

    Args:
      runs: run folders, <out>/<env>/<algo>/<name>; config.json and metrics.csv are enough.
      to: the page to write, .html.
      metrics: columns of metrics.csv that the page can show, the one shown first in the front; by
        default eval_return, eval_success, eval_length and behaviour_return, if all runs have them.
      statistic: what stands for all seeds: their mean, or their interquartile mean.
      interval: the mean's standard error, or a 95 % bootstrap interval; by default the former for
        the mean, the latter for the interquartile mean.
      films: of so many runs, the first ones that have kept policies, an episode is drawn; each adds
        at most 2 MB to the page.
      episode: random seed of the episodes; the same one gives the same episodes.
    """
    need("plotly", "report")
    if to.suffix != ".html":
        raise ValueError(f"--to must end in .html, got {to}")
    files.check_writable(to)
    if films < 0:
        raise ValueError(f"films must be at least 0, got {films}")
    cli.check_seed(episode, "episode")
    read = contents.read(runs, metrics, statistic, interval)
    drawn: dict[pathlib.Path, episodes.Episode | str] = {}
    for run in read.runs:
        if len(drawn) < films and episodes.typical(run.any) is not None:
            drawn[run.folder] = _episode(run.any, episode)
    made_by = shlex.join(["python", "experiments/report.py", *sys.argv[1:]])
    files.with_folder(to).write_text(page(read, drawn, made_by), encoding="utf-8")
    print(f"wrote {to}, {to.stat().st_size / 1e6:.1f} MB")


def _episode(result: Result, key: int) -> episodes.Episode | str:
    """Draw an episode, or say why it cannot be drawn: a report does not fail for want of a film."""
    try:
        return episodes.play(result, key)
    except (ValueError, OSError) as error:
        return str(error)


def main() -> None:
    """Report."""
    cli.parse(report, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
