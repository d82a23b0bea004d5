"""Tabulate any set of runs: final performance, how it varies over seeds, what it took.

Prints the table and writes it: .csv for programs, .md for readers. Final performance of a seed is
the mean over the last tenth of a run's log points.
"""

import pathlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import tyro

import cli
import results
from estimates import Interval, Statistic, estimate
from records import write as write_csv

Row = dict[str, Any]


def rows_of(
    runs: Sequence[results.Result],
    statistic: Statistic = "mean",
    interval: Interval | None = None,
) -> list[Row]:
    """Summarise runs, those of an environment together; a row for each.

    Returns:
      The columns env, algo, run (the folder's name), seeds (that did not fail), failed, timesteps
      (of each seed), final with the ends low and high of its interval (empty where all seeds have
      failed), and seconds (of training all seeds, without compiling).
    """
    rows = []
    for run in (run for of_env in results.by_env(list(runs)).values() for run in of_env):
        about: Row = {"env": run.env, "algo": run.algo, "run": run.folder.resolve().name}
        about |= {"seeds": run.seeds.size, "failed": run.failed}
        numbers: Row = dict.fromkeys(("final", "low", "high"), "")
        if run.seeds.size:
            of_run = estimate(run.final, statistic, interval)
            values = (of_run.value, of_run.low, of_run.high)
            numbers = {name: f"{x:.3f}" for name, x in zip(numbers, values, strict=True)}
        seconds = f"{run.training_seconds:.0f}"
        rows.append(about | {"timesteps": int(run.timesteps[-1])} | numbers | {"seconds": seconds})
    return rows


def check_ending(to: pathlib.Path) -> None:
    """Look whether a table can be written in the format that its name asks for.

    Raises:
      ValueError: when it cannot.
    """
    if to.suffix not in (".csv", ".md"):
        raise ValueError(f"--to must end in .csv or .md, got {to}")


def write(to: pathlib.Path, rows: Sequence[Row]) -> None:
    """Write rows that have the same columns, as the ending says."""
    if to.suffix == ".md":
        to.write_text(markdown(rows))
    else:
        write_csv(to, rows)


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table of Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[str(value) for value in row.values()] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table(
    runs: Annotated[list[pathlib.Path], tyro.conf.Positional],
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
    check_ending(to)
    rows = rows_of(results.load_all(runs, metric), statistic, interval)
    print(markdown(rows), end="")
    write(to, rows)
    print(f"wrote {to}")


def main() -> None:
    """Tabulate."""
    cli.parse(table, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
