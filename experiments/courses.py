"""Compare runs of one algorithm that differ in what was chosen for it, at equal cost.

Prints a table and writes it beside the figure. Runs of one environment and algorithm share a panel,
and are told apart by the names of their folders.
"""

import math
import pathlib
import sys
from typing import Annotated

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.results import courses, figures, tables


def compare(
    runs: Annotated[list[pathlib.Path], cli.Positional],
    to: pathlib.Path = pathlib.Path("courses.png"),
    metric: str = "eval_return",
    against: courses.Against = "seconds",
    goal: float = 0.9,
    at: float | None = None,
) -> None:
    """Compare runs.

    Args:
      runs: run folders, <out>/<env>/<algo>/<name>.
      to: the figure to write; the table goes beside it, ending in .csv.
      metric: a column of metrics.csv, such as eval_return or eval_discounted_return.
      against: what runs cost, seconds of training or timesteps simulated.
      goal: of the mean over seeds; the table says when it was first reached.
      at: the cost at which runs are compared; by default what the shortest run of each environment
        and algorithm has cost.
    """
    figures.check_writable(to)
    tables.check_writable(to.with_suffix(".csv"))
    if not math.isfinite(goal):
        raise ValueError(f"goal must be finite, got {goal}")
    groups = courses.load_courses(runs, metric)
    rows = courses.compare(groups, against, goal, at)
    print(tables.markdown(rows), end="")
    courses.draw(groups, to, against, metric)
    tables.write(to.with_suffix(".csv"), rows)
    print(f"wrote {to} and {to.with_suffix('.csv')}")


def main() -> None:
    """Compare."""
    cli.parse(compare, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
