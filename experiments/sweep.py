"""Sweep over options of run.py: traced numbers side by side in one compiled program with all
seeds, everything else as one program after the other.

Takes the options of run.py, too, which hold at every point (see run.py --help). Writes
<out>/<name>/ (by default runs/sweep/): a folder for each point, which holds what run.py would
leave, and sweep.csv, a line for each point and seed. Then it prints the points in the order of
selection: final performance first, then stability (docs/sweeps.md). Points that do not fit into
memory together are trained one part after the other. Interrupts, --timeout, --resume, --overwrite
and exit codes are those of run.py; 1: a point does not fit into memory alone, those before it are
finished.
"""

import dataclasses
import itertools
import math
import pathlib
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

from support import cli, distributed

if __name__ == "__main__":
    cli.set_up(distributed.join)

from adqn_jax import SeedRunner, runs
from adqn_jax.results import experiment, load, metrics, ranking
from adqn_jax.results.estimates import mean_and_error
from adqn_jax.runs import cluster
from adqn_jax.runs.ending import CANNOT_WRITE, StopError, reason
from adqn_jax.runs.folder import Claim, claim
from adqn_jax.runs.interrupts import Interrupts
from adqn_jax.runs.memory import TooLargeError
from support import chosen, options
from support.grid import Candidate, candidates


@dataclasses.dataclass(frozen=True)
class Args:
    """What a sweep has beyond the options of run.py."""

    grid: tuple[str, ...]
    """Options and their values, as in `learning-rate=3e-4,1e-3 batch-rows=4,8`: any option that
    decides what is trained, env, algo and preset included. Sizes and flags are written as
    head-sizes=64,64x32 and scale-boxes=true,false. With --random also ranges of traced numbers,
    log-uniform: learning-rate=1e-4..1e-2."""
    random: int | None = None
    """Train only so many points, drawn without replacement; --seed is the seed of the draw, too."""
    metric: Literal["eval_return", "eval_discounted_return", "eval_success", "behaviour_return"] = (
        "eval_return"
    )
    """What is compared; behaviour_return is the paper's measure."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A sweep in progress."""

    args: options.Args  # that all points share
    points: Sequence[Candidate]  # those of one program side by side
    claimed: Claim
    interrupts: Interrupts
    make_runner: Callable[..., SeedRunner]

    def train(self, first: int, last: int) -> None:
        """Train a range of points of one program, in parts where they do not fit together."""
        group = self.points[first : last + 1]
        part = self._part(first, last)
        what = f"points {first} to {last} of {len(self.points)}"
        if not self.args.overwrite and cluster.from_first(lambda: all(map(self.is_done, group))):
            print(f"{what}: finished before", flush=True)
            return
        if inside := cluster.from_first(lambda: self._begun_within(first, last)):
            # It began with less memory: each of its parts goes on.
            for start, end in inside:
                self.train(start, end)
            return
        if self.interrupts.stop and self.claimed.begun:
            why = f"{self.interrupts.reason} before {what}"
            raise StopError(self.interrupts.code, f"{why}; the same command with --resume goes on")
        print(f"\n{what}:", flush=True)
        most = self._train_together(group, part)
        if most < len(group):
            print(f"they do not fit into memory together, at most {most} of them do")
            for start, end in parts(first, last, most):
                self.train(start, end)

    def _part(self, first: int, last: int) -> pathlib.Path:
        """Return the folder of what a range of points shares: its checkpoints."""
        return self.claimed.folder / f"points-{first:03d}-{last:03d}"

    def _begun_within(self, first: int, last: int) -> list[tuple[int, int]]:
        """Split a range that is resumed by those within it that have been begun; none: no split."""
        begun = [
            (start, end)
            for start in range(first, last + 1)
            for end in range(start, last + 1)
            if self.args.resume and (self._part(start, end) / experiment.CONFIG).is_file()
        ]
        if not begun or (first, last) in begun:
            return []
        starts = {start for start, _ in begun} | {end + 1 for _, end in begun}
        edges = sorted(starts | {first, last + 1})
        return [(start, end - 1) for start, end in itertools.pairwise(edges)]

    def _train_together(self, group: Sequence[Candidate], part: pathlib.Path) -> int:
        """Train points side by side, if they fit; return how many do."""
        points = [runs.Point(p.experiment, self.folder_of(p)) for p in group]
        args = group[0].args
        runner = self.make_runner(points, *chosen.world(args), **options.hosting(args))
        try:
            with runs.prepare(points, runner, self._options(part)) as run:
                if not self.claimed.begun:  # with its first part, once nothing can be refused
                    self.claimed.begin(part.name, interrupts=self.interrupts)
                run()
        except TooLargeError as error:
            most = min(error.most_seeds // self.args.seeds, len(group) - 1)
            if most < 1 and self.claimed.begun:
                raise StopError(1, f"{error}; the points before are finished") from error
            if most < 1:
                raise
            return most
        return len(group)

    def _options(self, part: pathlib.Path) -> runs.Options:
        resume = self.args.resume and (part / experiment.CONFIG).exists()
        return runs.Options(
            folder=part,
            overwrite=self.args.overwrite,
            resume=cluster.from_first(lambda: resume),
            checkpoint_minutes=self.args.checkpoint_minutes,
            interrupts=self.interrupts,
            stop_when_solved=self.args.stop_when_solved,
            within=self.claimed,
        )

    def folder_of(self, point: Candidate) -> pathlib.Path:
        """Return the folder of a point's results."""
        return self.claimed.folder / point.folder_name

    def is_done(self, point: Candidate) -> bool:
        """Whether a point needs no more training."""
        return load.is_done(
            self.folder_of(point), point.experiment, stop_when_solved=self.args.stop_when_solved
        )


def parts(first: int, last: int, most: int) -> list[tuple[int, int]]:
    """Split a range, ends included, into as few as there can be of at most so many, as equal."""
    size = last + 1 - first
    size = math.ceil(size / math.ceil(size / most))
    return [(start, min(start + size - 1, last)) for start in range(first, last + 1, size)]


def by_program(points: Sequence[Candidate]) -> list[list[Candidate]]:
    """Sort points by the programs that train them, in the order in which they come."""
    programs: dict[Any, list[Candidate]] = {}
    for point in points:
        programs.setdefault(point.program, []).append(point)
    return list(programs.values())


def table(points: Sequence[Candidate], loaded: Sequence[load.Result]) -> list[dict[str, Any]]:
    """Return a row for each point and seed; of a seed that failed, the numbers are left out."""
    rows = []
    for point, result in zip(points, loaded, strict=True):
        pairs = zip(result.final, result.stability, strict=True)
        found = dict(zip(result.seeds, pairs, strict=True))
        named = {name.replace("-", "_"): value for name, value in point.values.items()}
        for seed in range(point.args.seeds):
            final, stability = found.get(seed, ("", ""))
            row = {"env": point.args.env, "algo": point.args.algo} | named | {"seed": seed}
            row |= {"final_performance": final, "stability": stability}
            rows.append(row | {"failed": int(seed not in found)})
    return rows


def report(points: Sequence[Candidate], loaded: Sequence[load.Result], metric: str) -> None:
    """Print the points of each environment and algorithm in the order of ranking."""
    choices: dict[tuple[str, str], list[int]] = {}
    for i, point in enumerate(points):
        choices.setdefault((point.args.env, point.args.algo), []).append(i)
    for (env, algo), among in choices.items():
        print(f"\n{env}, {algo}: final {metric} +- standard error, stability")
        order = [among[at] for at in ranking.rank([loaded[i] for i in among])]
        for place, i in enumerate(order, 1):
            final, stability = loaded[i].final, ranking.mean(loaded[i].stability)
            value = mean_and_error(final) if final.size else "failed"
            failed = f"  ({loaded[i].failed} seeds failed)" if loaded[i].failed else ""
            print(f"{place:>4}  {value}  {stability:.3f}  {points[i].label}{failed}")
        print(f"best: python experiments/run.py {shlex.join(options.words(points[order[0]].args))}")


def dry_run(programs: Sequence[Sequence[Candidate]], make_runner: Callable[..., Any]) -> None:
    """Say what each program would need, all of its points side by side."""
    for group in programs:
        args = group[0].args
        print(*("", *(point.label for point in group)), sep="\n")
        points = [runs.Point(p.experiment, args.out / p.label) for p in group]
        runs.describe(points, make_runner(points, *chosen.world(args), **options.hosting(args)))


def main(make_runner: Callable[..., SeedRunner] = runs.make_runner) -> None:
    """Train the points that are not finished, and compare all; `make_runner` trains."""
    settings, words = cli.parse(
        Args, args=sys.argv[1:], description=__doc__, return_unknown_args=True
    )
    args = options.parse(words)
    if args.log:
        raise ValueError(
            "--log takes single runs: a sweep's metrics are in its points' metrics.csv"
        )
    programs = by_program(candidates(words, settings.grid, settings.random, args.seed))
    points = [point for program in programs for point in program]
    options.print_unread(*(point.args for point in points))
    print(f"{len(points)} points x {args.seeds} seeds, programs: {len(programs)}", flush=True)
    if args.dry_run:
        dry_run(programs, make_runner)
        return
    folder = args.out / (args.name or "sweep")
    what = experiment.as_json({point.folder_name: point.experiment for point in points})
    with claim(folder, what, overwrite=args.overwrite, resume=args.resume) as held:
        sweep = Sweep(args, points, held, Interrupts(args.timeout), make_runner)
        first = 0
        for program in programs:
            sweep.train(first, first + len(program) - 1)
            first += len(program)
        if not cluster.is_first():
            return
        if gone := [point.label for point in points if not sweep.is_done(point)]:
            raise StopError(
                CANNOT_WRITE,
                f"{folder} does not hold {', '.join(gone)} any more: the same command with "
                f"--resume trains what is missing",
            )
        loaded = [load.load(sweep.folder_of(point), settings.metric) for point in points]
        try:
            metrics.write(folder / "sweep.csv", table(points, loaded))
        except OSError as error:
            raise StopError(
                CANNOT_WRITE,
                f"could not write sweep.csv ({reason(error)}): all points are trained; when that "
                f"is mended, the same command with --resume writes it",
            ) from error
    report(points, loaded, settings.metric)
    print(f"wrote {folder / 'sweep.csv'}")


if __name__ == "__main__":
    cli.run(main)
