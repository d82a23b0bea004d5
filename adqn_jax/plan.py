"""What a configuration comes to on an environment: derived shapes and counts."""

import dataclasses
import math
from typing import Any

import numpy as np

from adqn_jax.config import LoopConfig

#: Finished episodes over which the paper's measure, the behaviour return, is averaged.
WINDOW = 100


@dataclasses.dataclass(frozen=True)
class Plan:
    """Static shapes and counts of a run, of any family."""

    num_envs: int
    longest_episode: int
    """Most transitions in an episode."""
    warmup_steps: int
    """Steps of each stream before the first iteration."""
    steps_per_iteration: int
    """Steps of each stream in an iteration."""
    updates_per_iteration: int
    """Gradient steps in an iteration."""
    batch_rows: int
    """Rows in a gradient step."""
    row_length: int
    """Transitions in a row."""
    iterations_per_log: int
    """Iterations between log points."""
    log_points: int
    """Log points in the run."""
    restarts: bool = False
    """Whether each iteration begins with an episode in every stream."""
    window: int = WINDOW

    @property
    def timesteps_per_iteration(self) -> int:
        """Timesteps that an iteration simulates."""
        return self.num_envs * self.steps_per_iteration

    @property
    def trained_per_update(self) -> int:
        """Timesteps that a gradient step trains on."""
        return self.batch_rows * self.row_length

    def timesteps(self, iteration: Any) -> Any:
        """Timesteps simulated after that many iterations, warm-up included."""
        return self.num_envs * self.warmup_steps + iteration * self.timesteps_per_iteration

    def passed(self, timesteps: Any, period: Any) -> Any:
        """Whether a period of timesteps ended in the iteration that reached so many."""
        before = (timesteps - self.timesteps_per_iteration) // period
        return timesteps // period > before

    def progress(self, timesteps: Any) -> Any:
        """Share of the run that lies behind after so many timesteps, warm-up included."""
        return timesteps / np.float32(self.total_timesteps)

    @property
    def total_timesteps(self) -> int:
        """Timesteps that the run simulates, warm-up included."""
        return self.timesteps(self.log_points * self.iterations_per_log)


def make_plan(
    train: LoopConfig, *, longest_episode: int, warmup_steps: int, steps: int, updates: int,
    batch_rows: int, row_length: int, restarts: bool = False,
) -> Plan:  # fmt: skip
    """Divide a run into log points; the arguments are fields of `Plan`.

    Raises:
      ValueError: when the run is longer than it can count.
    """
    per_iteration = train.num_envs * steps
    iterations_per_log = max(1, math.ceil(train.log_every / per_iteration))
    left = train.total_timesteps - warmup_steps * train.num_envs
    plan = Plan(
        num_envs=train.num_envs,
        longest_episode=longest_episode,
        warmup_steps=warmup_steps,
        steps_per_iteration=steps,
        updates_per_iteration=updates,
        batch_rows=batch_rows,
        row_length=row_length,
        iterations_per_log=iterations_per_log,
        log_points=max(1, math.ceil(left / (iterations_per_log * per_iteration))),
        restarts=restarts,
    )
    counted = max(per_iteration, updates) * plan.log_points * plan.iterations_per_log
    if warmup_steps * train.num_envs + counted >= 2**31:  # they are int32
        raise ValueError(
            f"timesteps and gradient steps of a seed are counted up to 2^31: lower "
            f"total_timesteps, got {train.total_timesteps}"
        )
    return plan
