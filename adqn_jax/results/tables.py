"""Tables of runs, and of anything else: for programs as CSV, for readers as Markdown."""

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from adqn_jax.results import files, metrics
from adqn_jax.results.estimates import Interval, Statistic, estimate
from adqn_jax.results.load import Result, by_env

Row = dict[str, Any]


def summary(
    runs: Sequence[Result],
    statistic: Statistic = "mean",
    interval: Interval | None = None,
    first: Sequence[str] = (),
) -> list[Row]:
    """Summarise runs, those of an environment together, those named `first` first; a row for each.

    Returns:
      The columns env, algo, run (the folder's name), seeds (that did not fail), failed, timesteps
      (of each seed), final with the ends low and high of its interval (empty where all seeds have
      failed), and seconds (of training all seeds, without compiling).
    """
    rows = []
    for run in itertools.chain.from_iterable(by_env(runs, first).values()):
        about: Row = {"env": run.env, "algo": run.algo, "run": run.folder.resolve().name}
        about |= {"seeds": run.seeds.size, "failed": run.failed}
        numbers: Row = dict.fromkeys(("final", "low", "high"), "")
        if run.seeds.size:
            final = estimate(run.final, statistic, interval)
            values = (final.value, final.low, final.high)
            numbers = {name: f"{x:.3f}" for name, x in zip(numbers, values, strict=True)}
        seconds = f"{run.training_seconds:.0f}"
        rows.append(about | {"timesteps": int(run.timesteps[-1])} | numbers | {"seconds": seconds})
    return rows


def check_writable(to: pathlib.Path) -> None:
    """Look whether a table can be written, in the format that its name asks for.

    Raises:
      ValueError: when it cannot.
    """
    if to.suffix not in (".csv", ".md"):
        raise ValueError(f"--to must end in .csv or .md, got {to}")
    files.check_replaceable(to)


def write(to: pathlib.Path, rows: Sequence[Row]) -> None:
    """Write rows that have the same columns, as the ending says; a missing folder is made.

    Raises:
      ValueError: when there are none.
      OSError: when the table cannot be written.
    """
    if not rows:
        raise ValueError(f"there is nothing to write to {to}")
    files.with_folder(to)
    if to.suffix == ".md":
        files.write_text(to, markdown(rows))
    else:
        metrics.write(to, rows)


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table of Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[str(value) for value in row.values()] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
