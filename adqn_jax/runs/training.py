"""All seeds of a run in training: their states, and the compiled programs that advance them."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from adqn_jax.parallel import SeedRunner
from adqn_jax.runs import cluster
from adqn_jax.runs.memory import Memory, TooLargeError
from adqn_jax.runs.pace import Pace
from adqn_jax.trainer import Trainer


@dataclasses.dataclass
class Training:
    """The states of all seeds, chunk after chunk. What is done with them is the session's."""

    runner: SeedRunner
    states: Any = None  # of all seeds; before it begins there are none
    iterations: int = 0  # finished so far
    seconds: float = 0.0  # in compiled programs, so far
    pace: Pace = dataclasses.field(default_factory=Pace)

    @property
    def trainer(self) -> Trainer:
        """The functions of one seed."""
        return self.runner.trainer

    @property
    def timesteps(self) -> int:
        """Simulated so far, per seed."""
        return int(self.trainer.plan.timesteps(self.iterations))

    @property
    def done(self) -> bool:
        """Whether the last log point is reached."""
        plan = self.trainer.plan
        return self.iterations >= plan.iterations_per_log * plan.log_points

    def begin(self, seed: int) -> None:
        """Make the states that training starts from; seeds are split off from the root `seed`."""
        self.states = jax.block_until_ready(self.runner.init(jax.random.key(seed)))

    def advance(self) -> dict[str, np.ndarray] | None:
        """Run a chunk: as many iterations as take a while, at most to the next log point.

        Returns:
          The metrics of all seeds where a log point is reached, [all seeds] each; else None.

        Raises:
          EnvironmentFailure: when an environment has failed; nothing has changed then.
          TooLargeError: when evaluating does not fit into memory.
        """
        per_log = self.trainer.plan.iterations_per_log
        left = per_log - self.iterations % per_log
        length = cluster.from_first(lambda: self.pace.of(left))
        started, compiling = time.perf_counter(), self.runner.compile_seconds
        states = jax.block_until_ready(self.runner.iterate(self.states, length))
        self.pace.took(length, time.perf_counter() - started)
        metrics = self._evaluate(states) if length == left else None
        self.states, self.iterations = states, self.iterations + length
        waited = self.runner.compile_seconds - compiling  # for the evaluation to be compiled
        self.seconds += time.perf_counter() - started - waited
        return metrics

    def _evaluate(self, states: Any) -> dict[str, np.ndarray]:
        if self.runner.finish_compiling():
            self._check_memory()
        return cluster.join(self.runner.evaluate(states))

    def _check_memory(self) -> None:
        """Refuse an evaluation that does not fit: it was not compiled when training began."""
        try:
            Memory.of(self.runner).check()
        except TooLargeError as error:
            sentence = f"to evaluate, {error}; or lower eval_episodes"
            raise TooLargeError(sentence, error.most_seeds) from error
