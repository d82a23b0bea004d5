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
import math
import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any, Literal

import cli
import envs
import results
import run
import selection
import session
from adqn_jax.plan import make_plan
from folder import Claim, claim, file_name
from grid import Candidate, candidates
from interrupts import Interrupts, StopError
from memory import TooLargeError
from outcome import Writing
from records import write


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

    args: run.Args  # that all points share
    points: Sequence[Candidate]  # those of one program side by side
    claimed: Claim
    interrupts: Interrupts

    def train(self, first: int, last: int) -> None:
        """Train a range of points of one program, in parts where they do not fit together."""
        group = self.points[first : last + 1]
        part = self.claimed.folder / f"points-{first:03d}-{last:03d}"
        what = f"points {first} to {last} of {len(self.points)}"
        if not self.args.overwrite and all(map(self.is_done, group)):
            print(f"{what}: finished before", flush=True)
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

    def _train_together(self, group: Sequence[Candidate], part: pathlib.Path) -> int:
        """Train points side by side, if they fit; return how many do."""
        shared, args = group[0], self.args
        try:
            session.train(
                shared.config, env_name=shared.args.env, observe=shared.args.observe,
                num_seeds=args.seeds, seed=args.seed, folder=part, overwrite=args.overwrite,
                resume=args.resume and part.joinpath("config.json").exists(),
                checkpoint_minutes=args.checkpoint_minutes, interrupts=self.interrupts,
                points=[session.Point(p.config.hyper, self.folder_of(p)) for p in group],
                before=lambda: self._begin(part.name),
            )  # fmt: skip
        except TooLargeError as error:
            most = min(error.most_seeds // args.seeds, len(group) - 1)
            if most < 1 and self.claimed.begun:
                raise StopError(1, f"{error}; the points before are finished") from error
            if most < 1:
                raise
            return most
        return len(group)

    def _begin(self, part: str) -> None:
        """Begin the sweep, when its first part does."""
        if not self.claimed.begun:
            self.claimed.begin(part)

    def folder_of(self, point: Candidate) -> pathlib.Path:
        """Return the folder of a point's results."""
        return self.claimed.folder / file_name(point.label)

    def is_done(self, point: Candidate) -> bool:
        """Whether a point needs no more training."""
        env_params = envs.make(point.args.env, point.args.observe)[1]
        total = make_plan(point.config, env_params).total_timesteps
        return results.is_done(self.folder_of(point), record(point), total)


def record(point: Candidate) -> dict[str, Any]:
    """Return what decides a point's numbers."""
    args = point.args
    return session.record(
        point.config, env_name=args.env, observe=args.observe, num_seeds=args.seeds, seed=args.seed
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


def table(points: Sequence[Candidate], loaded: Sequence[results.Result]) -> list[dict[str, Any]]:
    """Return a row for each point and seed; of a seed that failed, the numbers are left out."""
    rows = []
    for point, result in zip(points, loaded, strict=True):
        of_seed = dict(
            zip(result.seeds, zip(result.final, result.stability, strict=True), strict=True)
        )
        named = {name.replace("-", "_"): value for name, value in point.values.items()}
        for seed in range(point.args.seeds):
            final, stability = of_seed.get(seed, ("", ""))
            row = {"env": point.args.env, "algo": point.args.algo} | named | {"seed": seed}
            row |= {"final_performance": final, "stability": stability}
            rows.append(row | {"failed": int(seed not in of_seed)})
    return rows


def report(points: Sequence[Candidate], loaded: Sequence[results.Result], metric: str) -> None:
    """Print the points of each environment and algorithm in the order of selection."""
    choices: dict[tuple[str, str], list[int]] = {}
    for i, point in enumerate(points):
        choices.setdefault((point.args.env, point.args.algo), []).append(i)
    for (env, algo), among in choices.items():
        print(f"\n{env}, {algo}: final {metric} +- standard error, stability")
        order = [among[at] for at in selection.rank([loaded[i] for i in among])]
        for place, i in enumerate(order, 1):
            final, stability = loaded[i].final, selection.mean(loaded[i].stability)
            value = f"{selection.mean(final):.3f} +- {selection.error(final):.3f}"
            failed = f"  ({loaded[i].failed} seeds failed)" if loaded[i].failed else ""
            print(f"{place:>4}  {value}  {stability:.3f}  {points[i].label}{failed}")
        print(f"best: python experiments/run.py {shlex.join(run.words(points[order[0]].args))}")


def dry_run(programs: Sequence[Sequence[Candidate]]) -> None:
    """Say what each program would need, all of its points side by side."""
    for group in programs:
        shared, args = group[0], group[0].args
        print(*("", *(point.label for point in group)), sep="\n")
        session.train(
            shared.config, env_name=args.env, observe=args.observe, num_seeds=args.seeds,
            seed=args.seed, folder=args.out, dry_run=True,
            points=[session.Point(p.config.hyper, args.out / p.label) for p in group],
        )  # fmt: skip


def main() -> None:
    """Train the points that are not finished, and compare all."""
    settings, words = cli.parse(
        Args, args=sys.argv[1:], description=__doc__, return_unknown_args=True
    )
    args = run.parse(words)
    if args.log:
        raise ValueError(
            "--log takes single runs: a sweep's metrics are in its points' metrics.csv"
        )
    programs = by_program(candidates(words, settings.grid, settings.random, args.seed))
    points = [point for program in programs for point in program]
    print(f"{len(points)} points x {args.seeds} seeds, programs: {len(programs)}", flush=True)
    if args.dry_run:
        dry_run(programs)
        return
    folder = args.out / (args.name or "sweep")
    of_points = {file_name(point.label): record(point) for point in points}
    what = {"points": of_points, "order": list(of_points)}
    with claim(folder, what, overwrite=args.overwrite, resume=args.resume) as held:
        sweep, first = Sweep(args, points, held, Interrupts(args.timeout)), 0
        for program in programs:
            sweep.train(first, first + len(program) - 1)
            first += len(program)
        loaded = [results.load(sweep.folder_of(point), settings.metric) for point in points]
        writing = Writing()
        writing.attempt("sweep.csv", lambda: write(folder / "sweep.csv", table(points, loaded)))
        writing.check()
    report(points, loaded, settings.metric)
    print(f"wrote {folder / 'sweep.csv'}")


if __name__ == "__main__":
    cli.run(main)
