"""Draw any set of runs: learning curves, final performance, probability of improvement.

One panel per environment; an algorithm has the same colour everywhere. Runs that show a bound
(`--history none`, `--observe state`) are dashed lines at their final performance, which is the mean
over the last tenth of a run's log points.
"""

import pathlib
import sys
from typing import Annotated

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.results import figures
from adqn_jax.results.estimates import Interval, Statistic
from adqn_jax.results.load import load_all
from support import paper


def plot(
    runs: Annotated[list[pathlib.Path], cli.Positional],
    to: pathlib.Path = pathlib.Path("curves.png"),
    kind: figures.Kind = "curves",
    metric: str = "eval_return",
    statistic: Statistic = "mean",
    interval: Interval | None = None,
) -> None:
    """Draw runs.

    Args:
      runs: run folders, <out>/<env>/<algo>/<name>.
      to: the picture to write.
      kind: learning curves; bars of the final performance; or, for each pair of algorithms, the
        probability that a seed of one ends better than a seed of the other.
      metric: a column of metrics.csv: eval_return, eval_discounted_return, eval_success,
        behaviour_return (the paper's measure), ...
      statistic: what stands for all seeds: their mean, or their interquartile mean.
      interval: the mean's standard error, or a 95 % bootstrap interval; by default the former for
        the mean, the latter for the interquartile mean.
    """
    figures.check_writable(to)
    loaded = load_all(runs, metric)
    figures.draw(loaded, to, kind, metric, statistic, interval, first=paper.ENVS)
    print(f"wrote {to}")


def main() -> None:
    """Draw."""
    cli.parse(plot, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
