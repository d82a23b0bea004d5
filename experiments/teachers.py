"""Train an expert that sees the state, its clone, and A2D; say what each is worth, exactly.

Takes the options of run.py, too (see run.py --help), but for --algo and --expert; each is given to
those of the three that read it. Writes what run.py would. What is finished is skipped, what was
interrupted goes on. Of the expert's seeds the best one is imitated. Prints a table, and writes it
by seed as teachers.csv, and teachers.png: how the three learn. docs/teachers.md explains.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax import SeedRunner, runs
from adqn_jax.imitation.plan import plan_of
from adqn_jax.results import experiment, figures, files, load, tables
from adqn_jax.results.experiment import CONFIG
from adqn_jax.runs.ending import ALL_FAILED, StopError
from adqn_jax.runs.interrupts import Interrupts
from support import asymmetric, chosen, options, taught

ALGORITHMS = ("expert", "ail", "a2d")


@dataclasses.dataclass(frozen=True)
class Args:
    """What this command has beyond the options of run.py."""

    env: Literal["frozenlake", "tigerdoor", "tigerdoor-1", "tigerdoor-2", "tigerdoor-3"] = (
        "frozenlake"
    )
    """Environment."""
    seeds: int = 10
    """Seeds of each algorithm."""
    to: pathlib.Path = pathlib.Path("teachers.png")
    """The figure to write; the table goes beside it, ending in .csv."""


def parse(words: list[str]) -> dict[str, options.Args]:
    """Read what was said of the three algorithms, and refuse it before any of them is trained.

    Raises:
      ValueError: when the words do not fit, or none of the three reads one of them.
    """
    for word in words:
        if (option := word.partition("=")[0]) in ("--algo", "--expert"):
            trained = ", ".join(ALGORITHMS)
            raise ValueError(f"this command trains {trained}: {option} is for run.py")
    asked = {algo: options.parse([*words, "--algo", algo], alone=False) for algo in ALGORITHMS}
    options.check_read([args.config for args in asked.values()], words)
    student = asked["a2d"]
    if student.dry_run:
        raise ValueError("this command trains three runs: --dry-run is for run.py")
    if student.observe != "observation" or student.config.network.remembers:
        raise ValueError(
            "what a policy is worth is computed from what it does at each observation: observe "
            "must be observation, and history none, without memory_bits"
        )
    for args in asked.values():
        _, env_params = chosen.environment(args)
        plan_of(args.config, int(env_params.max_steps_in_episode))
    options.print_unread(*asked.values())
    return asked


def check_begun(args: options.Args) -> None:
    """Refuse a folder with a run of other settings, before any of the three is trained.

    Raises:
      ValueError: when this run's folder holds such a run.
    """
    folder = chosen.folder(args)
    if args.overwrite or not (folder / CONFIG).is_file():
        return
    asked = chosen.experiment(args, chosen.environment(args)[0])
    before, _ = experiment.read_record(folder)
    # Whose expert it learns from is known only when that is trained.
    experiment.refuse_differences(before | {"expert": ""}, experiment.decided(asked.to_json()))


def train(args: options.Args, make_runner: Callable[..., SeedRunner]) -> pathlib.Path:
    """Train what is not finished; return the run's folder.

    Raises:
      ValueError: when the run cannot be trained, or its folder holds another.
      StopError: when the run ends before it is done, or all seeds have failed.
    """
    world = chosen.world(args)
    point = runs.Point(chosen.experiment(args, world[0]), chosen.folder(args))
    runner = make_runner([point], *world)
    if not args.overwrite and load.is_done(point.folder, point.experiment):
        print(f"{point.folder}: finished before", flush=True)
        return point.folder
    # With --resume or without: of three runs the first may be finished and the last not begun.
    begun = not args.overwrite and (point.folder / CONFIG).is_file()
    how = runs.Options(
        point.folder, args.overwrite, begun, args.checkpoint_minutes,
        Interrupts(args.timeout), args.log, args.stop_when_solved,
    )  # fmt: skip
    if not runs.train([point], runner, how):
        raise StopError(ALL_FAILED, f"all seeds of {args.algo} have failed")
    return point.folder


def measure(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Return what each seed's policy is worth, and how far it is from its expert."""
    run = load.load(folder, "greedy_return")
    rows = []
    for at, seed in enumerate(run.seeds):
        found = taught.worth(policy_of(folder, int(seed)))
        row = {"env": run.env, "algo": run.algo, "seed": int(seed)} | dataclasses.asdict(found)
        student = run.algo != "expert"
        far = load.load(folder, "divergence").values[-1, at] if student else np.nan
        rows.append(row | {"divergence": float(far)})
    return rows


def policy_of(folder: pathlib.Path, seed: int) -> pathlib.Path:
    """Return the file of a seed's policy."""
    return folder / "policy" / f"seed-{seed:03d}.npz"


def expected(env: str) -> dict[str, float]:
    """Return the exact greedy return of each algorithm."""
    numbers = asymmetric.NUMBERS[env]
    return dict(zip(ALGORITHMS, (numbers.with_state, numbers.greedy, numbers.without), strict=True))


def summary(rows: list[dict[str, Any]], env: str) -> list[dict[str, Any]]:
    """Return a row for each algorithm: mean, in brackets the smallest and largest of the seeds."""
    table = []
    for algo, exact in expected(env).items():
        row: dict[str, Any] = {"algo": algo, "exact": f"{exact:.2f}"}
        for column, as_told in (("greedy", ".2f"), ("sampled", ".2f"), ("divergence", ".2g")):
            x = [row[column] for row in rows if row["algo"] == algo]
            mean, least, most = (format(f(x), as_told) for f in (np.mean, np.min, np.max))
            row[column] = "-" if np.isnan(x).any() else f"{mean} [{least}, {most}]"
        table.append(row)
    return table


def draw(folders: list[pathlib.Path], env: str, path: pathlib.Path) -> None:
    """Draw greedy returns over timesteps, single seeds faint, and what they should end at."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    exact = expected(env)
    for folder in folders:
        run = load.load(folder, "greedy_return")
        (line,) = axes.plot(run.timesteps, np.median(run.values, axis=1), label=run.algo)
        axes.plot(run.timesteps, run.values, color=line.get_color(), alpha=0.15, lw=0.8)
        axes.axhline(exact[run.algo], color=line.get_color(), ls=":", lw=1)
    axes.set_ylim(2.0 * exact["ail"], 25.0)
    axes.set(xlabel="simulated timesteps per seed", ylabel="greedy return, median over seeds")
    axes.set_title(f"{env}; dotted: exact", fontsize="medium")
    axes.legend(loc="center right")
    axes.grid(alpha=0.3)
    figure.savefig(files.with_folder(path), dpi=110)


def main(make_runner: Callable[..., SeedRunner] = runs.make_runner) -> None:
    """Train, compute, write; `make_runner` makes what trains.

    Raises:
      ValueError: when an argument is out of its range.
      StopError: when a run ends before it is done.
    """
    args, further = cli.parse(
        Args, args=sys.argv[1:], description=__doc__, return_unknown_args=True
    )
    figures.check_writable(args.to)
    tables.check_writable(args.to.with_suffix(".csv"))
    asked = parse(["--env", args.env, "--seeds", str(args.seeds), *further])
    for algo in ALGORITHMS:
        check_begun(asked[algo])
    folders = [train(asked["expert"], make_runner)]
    rows = measure(folders[0])
    best = max(rows, key=lambda row: row["sampled"])["seed"]
    expert = policy_of(folders[0], best)
    for student in (dataclasses.replace(asked["ail"], expert=expert), asked["a2d"]):
        folders.append(train(student, make_runner))
        rows += measure(folders[-1])
    print(tables.markdown(summary(rows, args.env)), end="")
    perfect, far = taught.clone(expert)
    print(
        f"a perfect clone of the expert of seed {best}: greedy {perfect.greedy:.2f}, "
        f"sampled {perfect.sampled:.2f}, divergence {far:.2g}"
    )
    draw(folders, args.env, args.to)
    tables.write(args.to.with_suffix(".csv"), rows)
    print(f"wrote {args.to} and {args.to.with_suffix('.csv')}")


if __name__ == "__main__":
    cli.run(main)
