"""Train any part of the paper's grid of environments and algorithms, and draw it.

What is finished is skipped, what was interrupted goes on from its last checkpoint; when a run fails
the others go on, and it is named at the end. Writes
<out>/<env>/<algo>/<name>/ as run.py does, and the figure.
"""

import dataclasses
import math
import pathlib
import subprocess
import sys
import time
from typing import Literal

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax import make_trainer
from adqn_jax.results import figures, files, load
from adqn_jax.results.experiment import CONFIG, Experiment
from adqn_jax.results.load import Result
from adqn_jax.results.metrics import METRICS
from adqn_jax.runs.ending import StopError
from adqn_jax.runs.interrupts import Interrupts
from support import chosen, options, paper
from support.shorten import shorten

_RUN = pathlib.Path(__file__).with_name("run.py")


@dataclasses.dataclass(frozen=True)
class Args:
    """Which part of the grid, and how much of it."""

    envs: tuple[str, ...] = paper.ENVS
    """Environments, a panel each; any that run.py knows."""
    algos: tuple[str, ...] = paper.ALGORITHMS
    """Algorithms, a curve each."""
    preset: str = "fast"
    """Settings: fast, one-step or paper."""
    seeds: int = 20
    """Seeds of each pair."""
    fraction: float = 1.0
    """Share of the preset's timesteps, in (0, 1]: shortens the run, its warm-up and the fall of
    epsilon; where the warm-up would not reach, fewer environments are stepped side by side."""
    bounds: bool = False
    """Also train dqn without history and dqn that sees the state, and draw them as dashed lines."""
    seed: int = 0
    """Root of the random keys."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder of all runs."""
    name: str | None = None
    """Name of the runs' folders, <out>/<env>/<algo>/<name>; by default it follows from preset,
    fraction and seeds."""
    hours: float = math.inf
    """Stop after so long, in h, when all is saved; the same command goes on."""
    collect: pathlib.Path | None = None
    """Folder for config.json and metrics.csv of finished runs, <collect>/<env>/<algo>/<name>/. What
    is there already is not trained again."""
    metric: Literal["eval_return", "behaviour_return"] = "eval_return"
    """What is drawn: greedy return, or behaviour_return, the paper's measure."""
    to: pathlib.Path = pathlib.Path("figure1.png")
    """The picture to write."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """One run of the grid."""

    words: list[str]  # after run.py
    folder: pathlib.Path  # where it is trained
    collected: pathlib.Path | None  # where its raw data is kept
    experiment: Experiment  # what the words say

    @property
    def is_kept(self) -> bool:
        """Whether this very run has been collected, to its end."""
        kept = self.collected
        return kept is not None and load.is_done(kept, self.experiment, raw=True)

    def finished(self) -> pathlib.Path | None:
        """Return the folder that holds this very run to its end, or what was kept of it."""
        if load.is_done(self.folder, self.experiment):
            return self.folder
        return self.collected if self.is_kept else None

    def check_collected(self) -> None:
        """Make sure that this run can be collected, and overwrites no other.

        Raises:
          ValueError: when another run is where this one would be kept, or it cannot be written.
        """
        if not self.collected or self.is_kept:
            return
        if (self.collected / CONFIG).is_file():
            raise ValueError(
                f"{self.collected} holds another run, which --collect would overwrite: choose "
                f"another --collect or --name"
            )
        for name in (METRICS, CONFIG):
            files.check_writable(self.collected / name)

    def result(self, metric: str) -> Result | None:
        """Return what the finished run measured; None if it is not, or all its seeds failed."""
        folder = self.finished()
        result = folder and load.load(folder, metric)
        return result if result and result.seeds.size else None

    def train(self, interrupts: Interrupts) -> None:
        """Train in a process of its own, whose memory and failures stay there.

        Raises:
          StopError: when interrupted, as soon as that process has saved all.
        """
        resume = ["--resume"] if (self.folder / CONFIG).is_file() else []
        with interrupts:
            process = subprocess.Popen([sys.executable, str(_RUN), *self.words, *resume])
            while (code := _wait(process)) is None and not interrupts.stop:
                pass
            if code is None:
                process.terminate()
                process.wait()
            if interrupts.stop:
                raise StopError(interrupts.code, f"{interrupts.reason}; the same command goes on")

    def keep(self) -> None:
        """Copy what was measured to where it is kept, if anywhere."""
        if self.collected and not self.is_kept:
            self.collected.mkdir(parents=True, exist_ok=True)
            for name in (METRICS, CONFIG):  # the last one makes it a run
                files.write_text(self.collected / name, files.read_text(self.folder / name))


def _wait(process: subprocess.Popen) -> int | None:
    """Return the exit code of a process that ends soon."""
    try:
        return process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        return None


def grid(args: Args) -> list[Pair]:
    """List the runs.

    Raises:
      ValueError: when one of them cannot be run.
    """
    if not 0 < args.fraction <= 1:
        raise ValueError(f"fraction must be more than 0 and at most 1, got {args.fraction}")
    name = args.name or f"figure1-{args.preset}-{args.fraction:g}-{args.seeds}-seeds"
    variants: list[tuple[str, str, list[str]]]
    variants = [(algo, name, []) for algo in dict.fromkeys(args.algos)]
    if args.bounds:
        variants.append(("dqn", f"{name}-memoryless", ["--history", "none", "--no-memory-bits"]))
        variants.append(("dqn", f"{name}-state", ["--observe", "state"]))
    return [
        _pair(args, ["--env", env, "--algo", algo, "--name", run_name, *further])
        for env in dict.fromkeys(args.envs)
        for algo, run_name, further in variants
    ]


def _pair(args: Args, words: list[str]) -> Pair:
    """Say in run.py's words what is to be trained, and shorten it."""
    words = [*words, "--preset", args.preset, "--seeds", str(args.seeds), "--seed", str(args.seed)]
    words += ["--out", str(args.out)]
    parsed = options.parse(words)
    env, env_params = chosen.environment(parsed)
    config = shorten(parsed.config, args.fraction, int(env_params.max_steps_in_episode))
    parsed = dataclasses.replace(parsed, config=config)
    make_trainer(config, env, env_params)  # what cannot be run is refused now
    folder = chosen.folder(parsed)
    return Pair(
        words=[*options.words(parsed), "--name", str(parsed.name), "--out", str(args.out)],
        folder=folder,
        collected=args.collect and args.collect / folder.relative_to(args.out),
        experiment=chosen.experiment(parsed, env),
    )


def main() -> None:
    """Train what is not finished, and draw what is."""
    args: Args = cli.parse(Args, args=sys.argv[1:], description=__doc__)
    if not args.hours > 0:
        raise ValueError(f"hours must be greater than 0, got {args.hours}")
    figures.check_writable(args.to)
    pairs, finished, failed = grid(args), [], []
    for pair in pairs:
        pair.check_collected()
    interrupts = Interrupts(60 * args.hours, "--hours")
    for number, pair in enumerate(pairs, 1):
        before, begin = pair.finished() is not None, time.monotonic()
        what = f"{pair.experiment.env}, {pair.experiment.config.algorithm}, {pair.folder.name}"
        print(f"[{number}/{len(pairs)}] {what}{': finished before' * before}", flush=True)
        if not before:
            pair.train(interrupts)
        if result := pair.result(args.metric):
            finished.append(result)
            pair.keep()
        else:
            failed.append(what)
        if not before:
            took = (time.monotonic() - begin) / 60
            print(f"[{number}/{len(pairs)}] {'took' if result else 'failed after'} {took:.1f} min")
    if finished:
        figures.draw(finished, args.to, metric=args.metric, first=paper.ENVS)
        print(f"wrote {args.to}, {len(finished)} of {len(pairs)} runs")
    if failed:
        print(f"error: {len(failed)} runs failed: {'; '.join(failed)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
