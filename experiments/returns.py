"""Measure bias and variance of the returns that an actor-critic learns from, by their length.

Trains A2C by the book's settings on foraging, and computes both from the task's table, exactly.
Writes returns.csv, a row for each seed and length, and returns.png; docs/critics.md explains.
"""

import dataclasses
import pathlib

import numpy as np
from matplotlib.figure import Figure

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.results import figures, files, tables
from support import multi_step

LENGTHS = tuple(range(1, 11))


@dataclasses.dataclass(frozen=True)
class Args:
    """How long to train, and where to write."""

    to: pathlib.Path = pathlib.Path("returns.png")
    """The figure to write; the table goes beside it, ending in .csv."""
    timesteps: int = 100_000
    """Timesteps of training per seed."""
    seeds: int = 10
    """Seeds."""


def main() -> None:
    """Train, compute, write.

    Raises:
      ValueError: when an argument is out of its range.
    """
    args = cli.parse(Args, description=__doc__)
    figures.check_writable(args.to)
    tables.check_writable(args.to.with_suffix(".csv"))
    if args.timesteps < 5 or args.seeds < 1:
        raise ValueError("timesteps must be at least 5, and seeds at least 1")
    table = multi_step.foraging()
    policies, critics, discount = multi_step.train(table, args.timesteps, args.seeds)
    rows = [
        {"seed": seed, **row}
        for seed, (policy, critic) in enumerate(zip(policies, critics, strict=True))
        for row in multi_step.bias_and_variance(table, policy, critic, discount, LENGTHS)
    ]
    means = [
        {"n": n} | {k: float(f"{_mean(rows, k, n):.3g}") for k in ("bias", "variance")}
        for n in (*LENGTHS, np.inf)
    ]
    print(tables.markdown(means), end="")
    draw(rows, args.to)
    tables.write(args.to.with_suffix(".csv"), rows)
    print(f"wrote {args.to} and {args.to.with_suffix('.csv')}")


def _mean(rows: list[dict[str, float]], column: str, n: float) -> float:
    return float(np.mean([row[column] for row in rows if row["n"] == n]))


def draw(rows: list[dict[str, float]], path: pathlib.Path) -> None:
    """Draw both over the length; all rewards, which have no bias, stand at the right end."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), ("bias", "variance"), strict=True):
        lengths = LENGTHS if column == "bias" else (*LENGTHS, np.inf)
        for seed in sorted({row["seed"] for row in rows}):
            line = [row[column] for row in rows if row["seed"] == seed and row["n"] in lengths]
            axes.plot(range(len(lengths)), line, color="C0", alpha=0.2, lw=0.8)
        axes.plot(range(len(lengths)), [_mean(rows, column, n) for n in lengths], "o-", color="C0")
        axes.set_xticks(range(len(lengths)), ["all" if n == np.inf else f"{n}" for n in lengths])
        axes.set(xlabel="rewards in a return, n", ylabel=column, yscale="log")
        axes.grid(alpha=0.3)
    figure.savefig(files.with_folder(path), dpi=110)


if __name__ == "__main__":
    cli.run(main)
