"""A run in progress: what happens between chunks of training, before the first and at the end."""

import contextlib
import dataclasses
import functools
import math
import pathlib
import time
from collections.abc import Iterator, Sequence

from adqn_jax.host import EnvironmentFailure
from adqn_jax.results import experiment
from adqn_jax.results.experiment import CURVE
from adqn_jax.runs import cluster, outcome, progress, sinks
from adqn_jax.runs.attempts import Attempts
from adqn_jax.runs.checkpoint import Checkpoints, Newest
from adqn_jax.runs.ending import ENVIRONMENT_FAILED, StopError
from adqn_jax.runs.failures import why_failed
from adqn_jax.runs.folder import Claim
from adqn_jax.runs.interrupts import Interrupts
from adqn_jax.runs.outcome import Point
from adqn_jax.runs.records import Records
from adqn_jax.runs.sinks import Sink
from adqn_jax.runs.training import Training

#: Seconds after which a checkpoint that could not be written is tried again.
_RETRY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Options:
    """What a run does beside training, and when it stops; none of it changes a number."""

    folder: pathlib.Path
    overwrite: bool = False
    resume: bool = False
    checkpoint_minutes: float = 10.0
    interrupts: Interrupts = dataclasses.field(default_factory=lambda: Interrupts(math.inf))
    log: Sequence[sinks.Name] = ()
    stop_when_solved: int = 0
    """Log points after which it ends, if all seeds have solved the task at each; 0: never."""
    within: Claim | None = None
    """Of a folder that this run's is in, and that is held with it."""


@dataclasses.dataclass
class Session:
    """A run in progress."""

    points: Sequence[Point]  # trained together: one, or those of a sweep's program
    training: Training
    claimed: Claim
    records: Records
    checkpoints: Checkpoints
    sinks: Sequence[Sink] = ()  # beside metrics.csv
    attempts: Attempts = dataclasses.field(default_factory=Attempts)
    stop_when_solved: int = 0  # see `Options`

    @property
    def folder(self) -> pathlib.Path:
        """Where the results go."""
        return self.claimed.folder

    @property
    def done(self) -> bool:
        """Whether nothing is left to train."""
        return self.training.done or self.solved

    @property
    def solved(self) -> bool:
        """Whether the task has been solved for as long as was asked for."""
        return self.records.solved_for(self.stop_when_solved)

    def run(self, options: Options, newest: Newest | None) -> bool:
        """Train to the end, or until something asks to stop.

        Returns:
          Whether the numbers of any seed have stayed finite.

        Raises:
          StopError: when the run ends before it is done, or its results cannot be written.
        """
        self.claimed.begin(interrupts=options.interrupts)
        self.training.iterations = 0 if newest is None else newest.iterations
        if options.interrupts.stop:
            raise StopError(options.interrupts.code, self._why_stopped(options.interrupts.reason))
        if cluster.is_first():
            for point in self.points:  # until it is done again
                (point.folder / CURVE).unlink(missing_ok=True)
            self.sinks = sinks.make(options.log, self.folder, self.claimed.run)
        with self._saved_if_an_environment_fails():
            self.begin(newest)
        self.stop_when_solved = options.stop_when_solved
        self.train(options.interrupts, options.checkpoint_minutes * 60.0)
        if not self.done:
            self.pause(options.interrupts.code, options.interrupts.reason)
        self.finish()
        return self.records.last("failed").size > 0

    @functools.cached_property
    def why_failed(self) -> str:
        """Why seeds may have failed."""
        return why_failed(self.training.trainer)

    def begin(self, newest: Newest | None) -> None:
        """Start anew, or from the newest checkpoint."""
        training = self.training
        if newest is None:
            training.begin(self.points[0].experiment.seed)
        else:
            like = training.runner.abstract_states
            training.states, history = self.checkpoints.restore(newest.iterations, like)
            training.seconds, self.records.log = history["training_seconds"], history["log"]
            for sentence in newest.damaged:
                print(sentence, flush=True)
            print(f"going on from the checkpoint at timestep {training.timesteps:,}", flush=True)
            self.attempts.attempt("metrics.csv", self.write_metrics)
        self.log()

    def train(self, interrupts: Interrupts, checkpoint_seconds: float) -> None:
        """Run chunk after chunk, until all is done or something asks to stop."""
        training, seeds = self.training, self.training.runner.total_seeds
        save_at = time.monotonic() + checkpoint_seconds
        every = training.trainer.plan.total_timesteps * seeds
        with progress.bar(every, training.timesteps * seeds) as bar:
            while not self.done and not interrupts.stop:
                before = training.timesteps
                with self._saved_if_an_environment_fails():
                    self.advance()
                bar.update((training.timesteps - before) * seeds)
                bar.set_postfix_str(f"return {self.records.mean('eval_return'):.3f}")
                training.runner.compile_evaluation()  # first progress is shown: now there is time
                if not self.attempts.attempt("a checkpoint", self.checkpoints.check):
                    save_at = min(save_at, time.monotonic() + _RETRY_SECONDS)
                if cluster.from_first(lambda at=save_at: time.monotonic() >= at):
                    saves = self.save()
                    save_at = time.monotonic() + (checkpoint_seconds if saves else _RETRY_SECONDS)
        self.attempts.end()
        self.save()

    @contextlib.contextmanager
    def _saved_if_an_environment_fails(self) -> Iterator[None]:
        """Save what there was before, and stop.

        Raises:
          StopError: when an environment has failed; it says which, and how to go on.
        """
        try:
            yield
        except EnvironmentFailure as error:
            if self.training.states is None:
                raise StopError(ENVIRONMENT_FAILED, f"{error}") from error
            self.attempts.end()
            self.save()
            self.pause(ENVIRONMENT_FAILED, str(error))

    def advance(self) -> None:
        """Train a chunk and, when a log point is reached, record it."""
        metrics = self.training.advance()
        if metrics is None:
            return
        for sentence in self.records.add(metrics, self.training.seconds, lambda: self.why_failed):
            progress.say(sentence)
        if self.hold():
            self.attempts.attempt("metrics.csv", self.write_metrics)
            self.log()

    def write_metrics(self) -> None:
        """Write metrics.csv, which one process does for all.

        Raises:
          OSError: when it cannot be written; it stays as it was.
        """
        if cluster.is_first():
            self.records.write()

    def log(self, *, last: bool = False) -> None:
        """Hand the metrics so far to the sinks; at the end of the run (`last`), close these."""
        for sink in self.sinks:
            write = functools.partial(sink.write, self.records.rows(), last=last)
            self.attempts.attempt(sink.name, write)

    def save(self) -> bool:
        """Write a checkpoint in the background; say whether there is a folder to write it to."""
        if held := cluster.from_first(self.hold):
            training = self.training
            history = {"log": self.records.log, "training_seconds": training.seconds}
            self.checkpoints.save(training.iterations, training.states, history)
        return held

    def hold(self) -> bool:
        """Say whether the folder is there, and ours; make it anew where it has vanished."""
        return self.attempts.attempt(str(self.folder), self.claimed.hold)

    def pause(self, code: int, why: str) -> None:
        """Close what is open before the run is done.

        Raises:
          StopError: always, saying how to go on.
        """
        self.attempts.attempt("a checkpoint", self.checkpoints.wait)
        self.log(last=True)
        self.attempts.check()
        raise StopError(code, self._why_stopped(why))

    def finish(self) -> None:
        """Write the policies, the curve, and what could not be written before.

        Raises:
          StopError: when something cannot be written.
        """
        if self.solved:
            at = f"{self.training.timesteps:,}"
            print(f"solved by all seeds: stopped at timestep {at}", flush=True)
        attempt, points, training = self.attempts.attempt, self.points, self.training
        attempt("a checkpoint", self.checkpoints.wait)
        if not self.hold():
            self.attempts.check()
        trainer, share = training.trainer, training.runner.share
        params = trainer.acting_params(training.states)
        written = [
            attempt("metrics.csv", self.write_metrics),
            attempt("policy/", lambda: outcome.save_policies(points, trainer, params, share)),
            attempt("config.json", self._write_configs),
        ]
        if all(cluster.gather(all(written))):  # the curve says that the run is complete
            attempt(CURVE, self._draw_curves)
        self.log(last=True)  # what is local is written by now, should a server not answer
        self.attempts.check()
        cluster.gather(None)  # another that could not write ends all
        outcome.report(points, training, self.records)

    def _why_stopped(self, why: str) -> str:
        training = self.training
        begun = training.states is not None or training.iterations
        timesteps = training.timesteps if begun else 0
        return (
            f"{why}: stopped at timestep {timesteps:,}; the same command with "
            f"--resume goes on in {self.folder}"
        )

    def _draw_curves(self) -> None:
        if cluster.is_first():
            outcome.draw_curves(self.points)

    def _write_configs(self) -> None:
        for point in self.points if cluster.is_first() else ():
            experiment.write(point.folder, point.experiment.to_json())
