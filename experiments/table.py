"""Tabulate any set of runs: final performance, how it varies over seeds, what it took.

Prints the table and writes it: .csv for programs, .md for readers. Final performance of a seed is
the mean over the last tenth of a run's log points.
"""

import pathlib
import sys
from typing import Annotated

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.results import tables
from adqn_jax.results.estimates import Interval, Statistic
from adqn_jax.results.load import load_all
from support import paper


def table(
    runs: Annotated[list[pathlib.Path], cli.Positional],
    to: pathlib.Path = pathlib.Path("table.csv"),
    metric: str = "eval_return",
    statistic: Statistic = "mean",
    interval: Interval | None = None,
) -> None:
    """Tabulate runs.

    Args:
      runs: run folders, <out>/<env>/<algo>/<name>.
      to: the table to write, .csv or .md.
      metric: a column of metrics.csv: eval_return, eval_discounted_return, eval_success,
        behaviour_return (the paper's measure), ...
      statistic: what stands for all seeds: their mean, or their interquartile mean.
      interval: the mean's standard error, or a 95 % bootstrap interval; by default the former for
        the mean, the latter for the interquartile mean.
    """
    tables.check_writable(to)
    rows = tables.summary(load_all(runs, metric), statistic, interval, first=paper.ENVS)
    print(tables.markdown(rows), end="")
    tables.write(to, rows)
    print(f"wrote {to}")


def main() -> None:
    """Tabulate."""
    cli.parse(table, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
