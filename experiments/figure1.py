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
from typing import Any, Literal

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax import TrainConfig, make_trainer
from adqn_jax.config import BaseConfig
from adqn_jax.results import figures, files, load
from adqn_jax.results.experiment import CONFIG, Experiment
from adqn_jax.results.metrics import METRICS
from adqn_jax.runs.ending import StopError
from adqn_jax.runs.interrupts import Interrupts
from support import chosen, options, paper

_RUN = pathlib.Path(__file__).with_name("run.py")
_FEWEST_ENVS = 4
#: Timesteps evaluated per timestep between log points, at most; training is not to be the lesser.
_MOST_EVALUATED = 8


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

    def train(self, interrupts: Interrupts) -> bool:
        """Train in a process of its own, whose memory and failures stay there; returns success.

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
        return code == 0

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


def shorten(config: BaseConfig, fraction: float, longest: int) -> BaseConfig:
    """Shorten a run.

    Args:
      config: the run.
      fraction: of its timesteps, in (0, 1]; 1 leaves it as it is.
      longest: the environment's longest episode, which a row must hold before training begins.

    Returns:
      The run with `fraction` of the timesteps, warm-up and of what falls with time, rounded up to
      what the first gradient step needs; with a smaller buffer where it would not fill, with fewer
      parallel environments where the warm-up would not give a row of each, and with log points so
      far apart that evaluating does not take longer than training.
    """
    if fraction == 1:
        return config
    train, hyper = config.parts["train"], config.parts["hyper"]
    changes: dict[str, Any] = {
        field.name: float(math.ceil(fraction * getattr(hyper, field.name)))
        for field in dataclasses.fields(hyper)
        if field.name.endswith("_timesteps")
    }
    total, warmup = math.ceil(fraction * train.total_timesteps), 0
    if isinstance(train, TrainConfig):
        slots = (train.row_length or longest) + 1
        num_envs = max(int(fraction * train.warmup_timesteps) // slots, _FEWEST_ENVS)
        num_envs = min(num_envs, train.num_envs)
        warmup = max(math.ceil(fraction * train.warmup_timesteps), num_envs * slots)
        total = max(total, 2 * warmup)
        buffer = max(min(train.buffer_timesteps, total), num_envs * (longest + slots))
        changes |= {"num_envs": num_envs, "warmup_timesteps": warmup, "buffer_timesteps": buffer}
    evaluated = train.eval_episodes * longest
    log_every = max(math.ceil(fraction * train.log_every), evaluated // _MOST_EVALUATED)
    log_every = max(min(log_every, (total - warmup) // 2), 1)  # two log points make a curve
    return config.replace(**changes, total_timesteps=total, log_every=log_every)


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
    pairs, failed = grid(args), []
    for pair in pairs:
        pair.check_collected()
    interrupts = Interrupts(60 * args.hours, "--hours")
    for number, pair in enumerate(pairs, 1):
        done, begin = bool(pair.finished()), time.monotonic()
        what = f"{pair.experiment.env}, {pair.experiment.config.algorithm}, {pair.folder.name}"
        print(f"[{number}/{len(pairs)}] {what}{': finished before' * done}", flush=True)
        if not done:
            done = pair.train(interrupts)
            took = (time.monotonic() - begin) / 60
            print(f"[{number}/{len(pairs)}] {'took' if done else 'failed after'} {took:.1f} min")
        if done:
            pair.keep()
        else:
            failed.append(what)
    finished = [load.load(folder, args.metric) for pair in pairs if (folder := pair.finished())]
    if finished:
        figures.draw(finished, args.to, metric=args.metric, first=paper.ENVS)
        print(f"wrote {args.to}, {len(finished)} of {len(pairs)} runs")
    if failed:
        print(f"error: {len(failed)} runs failed: {'; '.join(failed)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main)
