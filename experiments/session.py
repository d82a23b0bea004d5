"""A training run as the host sees it: compiled chunks, and what happens between them."""

import dataclasses
import functools
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import tqdm

import envs
import sinks
from adqn_jax import Config, Hyperparameters, SeedRunner, Trainer, make_trainer
from adqn_jax.checkpoint import Checkpoints, Newest
from adqn_jax.types import TrainState
from folder import Claim, claim
from interrupts import Interrupts, StopError
from memory import Memory
from outcome import Writing, finish, report
from records import Records

#: Seconds after which a checkpoint that could not be written is tried again.
_RETRY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Point:
    """Traced numbers of a run, and the folder of what they lead to."""

    hyper: Hyperparameters
    folder: pathlib.Path


@dataclasses.dataclass
class Session:
    """A run in progress."""

    claimed: Claim
    points: Sequence[Point]
    runner: SeedRunner
    states: TrainState
    records: Records
    checkpoints: Checkpoints
    writing: Writing
    sinks: list[sinks.Sink]  # beside metrics.csv
    chunks: int = 0  # finished so far
    training_seconds: float = 0.0  # in compiled programs, so far

    @property
    def folder(self) -> pathlib.Path:
        """Where the results go."""
        return self.claimed.folder

    @property
    def trainer(self) -> Trainer:
        """The functions of one seed."""
        return self.runner.trainer

    @property
    def iterations(self) -> int:
        """Finished so far."""
        return self.chunks * self.trainer.plan.iterations_per_chunk

    @property
    def timesteps(self) -> int:
        """Simulated so far, per seed."""
        return int(self.trainer.plan.timesteps(self.iterations))

    @property
    def done(self) -> bool:
        """Whether nothing is left to train."""
        plan = self.trainer.plan
        return self.chunks >= plan.chunks_per_log * plan.log_points

    def advance(self) -> None:
        """Run a chunk and, when a log point is reached, evaluate and record."""
        started = time.perf_counter()
        self.states = jax.block_until_ready(self.runner.iterate(self.states))
        self.chunks += 1
        if self.chunks % self.trainer.plan.chunks_per_log:
            self.training_seconds += time.perf_counter() - started
            return
        metrics = self.runner.evaluate(self.states)
        self.training_seconds += time.perf_counter() - started
        for sentence in self.records.add(metrics, self.training_seconds):
            tqdm.tqdm.write(sentence)
        if self.hold():
            self.writing.attempt("metrics.csv", self.records.write)
            self.log()

    def log(self, *, last: bool = False) -> None:
        """Hand the metrics so far to the sinks; at the end of the run (`last`), close these."""
        for sink in self.sinks:
            write = functools.partial(sink.write, self.records.rows, last=last)
            self.writing.attempt(sink.name, write)

    def save(self) -> None:
        """Write a checkpoint in the background."""
        history = {"rows": self.records.rows, "training_seconds": self.training_seconds}
        if self.hold():
            self.checkpoints.save(self.iterations, self.states, history)

    def hold(self) -> bool:
        """Say whether the folder is there, and ours; make it anew where it has vanished."""
        return self.writing.attempt(str(self.folder), self.claimed.hold)


def train(
    config: Config, *, env_name: str, observe: envs.Observe = "observation", num_seeds: int,
    seed: int, folder: pathlib.Path, overwrite: bool = False, resume: bool = False,
    dry_run: bool = False, checkpoint_minutes: float = 10.0, interrupts: Interrupts | None = None,
    log: Sequence[sinks.Name] = (), points: Sequence[Point] = (),
    before: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Train `num_seeds` seeds and leave the results in `folder`; or only say what it would take.

    Of a sweep, `points` take the place of `config.hyper`: as many seeds of each train side by side,
    and their results go to folders of their own. `before` is called when nothing can be refused
    any more, before `folder` is changed.

    Raises:
      ValueError: when the configuration cannot be run, or does not match what is resumed, or the
        folder holds a run and no flag says what to do with it, or a sink lacks its package.
      StopError: when the run ends before it is done, or its results cannot be written.
    """
    sinks.check(log)
    env, env_params = envs.make(env_name, observe)
    trainer = make_trainer(config, env, env_params)
    run = record(config, env_name=env_name, observe=observe, num_seeds=num_seeds, seed=seed)
    group = dict(run)  # as it can be resumed
    if points:
        group["hyper"] = {p.folder.name: dataclasses.asdict(p.hyper) for p in points}
        group["order"] = [p.folder.name for p in points]  # of the states side by side
    points = points or [Point(config.hyper, folder)]
    hyper = jax.tree.map(lambda *of_points: np.array(of_points), *(p.hyper for p in points))
    runner = SeedRunner(trainer, num_seeds, hyper)
    interrupts = interrupts or Interrupts(math.inf)
    if dry_run:
        _describe(env_name, runner)
        print(_compile(runner).table())
        return
    with interrupts, claim(folder, group, overwrite=overwrite, resume=resume) as claimed:
        checkpoints = Checkpoints(folder / "checkpoints", runner.total_seeds)
        newest = checkpoints.newest() if resume else None
        _describe(env_name, runner)
        _compile(runner).check()
        before()
        claimed.begin()
        if interrupts.stop:
            raise StopError(interrupts.code, f"{interrupts.reason}: {_how_to_go_on(0, folder)}")
        session = _start(runner, claimed, points, checkpoints, newest, seed, log)
        _loop(session, interrupts, checkpoint_minutes * 60.0)
        session.save()
        if not session.done:
            session.writing.attempt("a checkpoint", checkpoints.wait)
            session.log(last=True)
            session.writing.check()
            how = _how_to_go_on(session.timesteps, folder)
            raise StopError(interrupts.code, f"{interrupts.reason}: {how}")
        finish(session, run)
        report(session)


def record(
    config: Config, *, env_name: str, observe: envs.Observe, num_seeds: int, seed: int
) -> dict[str, Any]:
    """Return what decides a run's numbers, as config.json keeps it."""
    env, _ = envs.make(env_name, observe)
    run = {"env": env_name, "env_settings": env.settings, "observe": observe}
    return run | {"seeds": num_seeds, "seed": seed} | dataclasses.asdict(config)


def _describe(env_name: str, runner: SeedRunner) -> None:
    plan, train_config = runner.trainer.plan, runner.trainer.config.train
    points = runner.total_seeds // runner.num_seeds
    trained = plan.updates_per_iteration * train_config.batch_rows * plan.row_length
    print(
        f"{runner.trainer.config.algorithm} on {env_name}, "
        f"{f'{points} points x ' if points > 1 else ''}{runner.num_seeds} seeds on "
        f"{len(jax.local_devices())} x {jax.devices()[0].platform}\n"
        f"each seed: {plan.total_timesteps:,} timesteps, {plan.warmup_steps * plan.num_envs:,} of "
        f"them warm-up; an iteration is {plan.timesteps_per_iteration} timesteps and "
        f"{plan.updates_per_iteration} gradient steps on {train_config.batch_rows} x "
        f"{plan.row_length} timesteps ({trained / plan.timesteps_per_iteration:.3g} trained per "
        f"timestep simulated)",
        flush=True,
    )


def _compile(runner: SeedRunner) -> Memory:
    runner.compile()
    print(f"compiled in {runner.compile_seconds:.1f} s", flush=True)
    return Memory.of(runner)


def _how_to_go_on(timesteps: int, folder: pathlib.Path) -> str:
    return f"stopped at timestep {timesteps:,}; the same command with --resume goes on in {folder}"


def _start(
    runner: SeedRunner, claimed: Claim, points: Sequence[Point], checkpoints: Checkpoints,
    newest: Newest | None, seed: int, log: Sequence[sinks.Name],
) -> Session:  # fmt: skip
    """Start anew, or from the newest checkpoint."""
    records, writing = Records([p.folder for p in points], runner.num_seeds), Writing()
    further = sinks.make(log, claimed.folder)
    if newest is None:
        states = jax.block_until_ready(runner.init(jax.random.key(seed)))
        session = Session(claimed, points, runner, states, records, checkpoints, writing, further)
    else:
        states, history = checkpoints.restore(newest.iterations, runner.abstract_states)
        records.rows = history["rows"]
        session = Session(
            claimed, points, runner, states, records, checkpoints, writing, further,
            chunks=newest.iterations // runner.trainer.plan.iterations_per_chunk,
            training_seconds=history["training_seconds"],
        )  # fmt: skip
        for sentence in newest.damaged:
            print(sentence, flush=True)
        print(f"going on from the checkpoint at timestep {session.timesteps:,}", flush=True)
        writing.attempt("metrics.csv", records.write)
    session.log()
    return session


def _loop(session: Session, interrupts: Interrupts, checkpoint_seconds: float) -> None:
    plan, seeds = session.trainer.plan, session.runner.total_seeds
    save_at = time.monotonic() + checkpoint_seconds
    with tqdm.tqdm(
        total=plan.total_timesteps * seeds, initial=session.timesteps * seeds,
        unit=" timesteps", unit_scale=True, disable=None, dynamic_ncols=True,
    ) as bar:  # fmt: skip
        while not session.done and not interrupts.stop:
            session.advance()
            bar.update(plan.iterations_per_chunk * plan.timesteps_per_iteration * seeds)
            bar.set_postfix_str(f"return {session.records.mean('eval_return'):.3f}")
            if not session.writing.attempt("a checkpoint", session.checkpoints.check):
                save_at = min(save_at, time.monotonic() + _RETRY_SECONDS)
            if time.monotonic() >= save_at:
                session.save()
                save_at = time.monotonic() + checkpoint_seconds
