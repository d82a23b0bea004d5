"""Say how far runs are ahead of a baseline: at the end, and in coming near what it ends at.

Prints a table and writes it. docs/figures.md tells what its columns are.
"""

import pathlib
import sys
from typing import Annotated

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.results import ahead, tables
from support import paper


def compare(
    runs: Annotated[list[pathlib.Path], cli.Positional],
    to: pathlib.Path = pathlib.Path("ahead.csv"),
    metric: str = "eval_return",
    baseline: str = "dqn",
    share: float = 0.9,
    costs: tuple[pathlib.Path, ...] = (),
) -> None:
    """Compare runs with a baseline.

    Args:
      runs: run folders, <out>/<env>/<algo>/<name>, one for each environment and algorithm.
      to: the table to write, .csv or .md.
      metric: a column of metrics.csv, such as eval_return or behaviour_return.
      baseline: the algorithm with which the others are compared.
      share: of what the baseline ends at, in (0, 1): the goal.
      costs: run folders that say what a timestep costs, made while nothing else ran; by default
        those compared.
    """
    tables.check_writable(to)
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), got {share}")
    rows = ahead.compare(runs, metric, baseline, share, costs, first=paper.ENVS)
    print(tables.markdown(rows), end="")
    tables.write(to, rows)
    print(f"wrote {to}")


def main() -> None:
    """Compare."""
    cli.parse(compare, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
