"""What a configuration comes to on an environment: derived shapes and counts, checked."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax.buffer import min_capacity
from adqn_jax.config import Config
from adqn_jax.types import Array

#: Finished episodes over which the paper's measure, the behaviour return, is averaged.
WINDOW = 100
#: How far the replay ratio of a whole number of updates may lie from the one asked for.
RATIO_TOLERANCE = 0.01
_MOST_STEPS_PER_ITERATION = 1_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """Static shapes and counts of a run."""

    num_envs: int
    longest_episode: int
    """Most transitions in an episode."""
    row_length: int
    """Transitions in a row."""
    capacity: int
    """Slots of a stream in the replay ring."""
    warmup_steps: int
    """Steps of each stream before the first iteration."""
    steps_per_iteration: int
    """Steps of each stream in an iteration."""
    updates_per_iteration: int
    """Gradient steps in an iteration."""
    iterations_per_log: int
    """Iterations between log points."""
    log_points: int
    """Log points in the run."""
    window: int = WINDOW

    @property
    def timesteps_per_iteration(self) -> int:
        """Timesteps that an iteration simulates."""
        return self.num_envs * self.steps_per_iteration

    def timesteps(self, iteration: Any) -> Any:
        """Timesteps simulated after that many iterations, warm-up included."""
        return self.num_envs * self.warmup_steps + iteration * self.timesteps_per_iteration

    @property
    def total_timesteps(self) -> int:
        """Timesteps that the run simulates, warm-up included."""
        return self.timesteps(self.log_points * self.iterations_per_log)

    @property
    def time_dtype(self) -> Any:
        """Smallest dtype for the time within an episode."""
        return _unsigned(self.longest_episode)

    def action_dtype(self, num_actions: int) -> Any:
        """Smallest dtype for an action."""
        return _unsigned(num_actions - 1)


def make_plan(config: Config, env_params: Any) -> Plan:
    """Derive a run's shapes and counts.

    Raises:
      ValueError: when the configuration cannot be run; one sentence says why, and what could.
    """
    train = config.train
    longest = int(env_params.max_steps_in_episode)
    row_length = train.row_length or longest
    capacity = train.buffer_timesteps // train.num_envs
    steps, updates = _schedule(config, row_length)
    per_iteration = train.num_envs * steps
    warmup_steps = max(1, math.ceil(train.warmup_timesteps / train.num_envs))
    iterations_per_log = max(1, math.ceil(train.log_every / per_iteration))
    left = train.total_timesteps - warmup_steps * train.num_envs
    log_points = max(1, math.ceil(left / (iterations_per_log * per_iteration)))
    return Plan(
        num_envs=train.num_envs,
        longest_episode=longest,
        row_length=row_length,
        capacity=capacity,
        warmup_steps=warmup_steps,
        steps_per_iteration=steps,
        updates_per_iteration=updates,
        iterations_per_log=iterations_per_log,
        log_points=log_points,
    )


def _schedule(config: Config, row_length: int) -> tuple[int, int]:
    """Return steps and updates per iteration that keep the replay ratio."""
    train = config.train
    updates_per_step = train.replay_ratio * train.num_envs / (train.batch_rows * row_length)
    candidates = range(1, _MOST_STEPS_PER_ITERATION + 1)
    if train.steps_per_iteration:
        candidates = range(train.steps_per_iteration, train.steps_per_iteration + 1)
    for steps in candidates:
        updates = round(updates_per_step * steps)
        if updates and abs(updates / (updates_per_step * steps) - 1) <= RATIO_TOLERANCE:
            return steps, updates
    raise ValueError("bad ratio")


def _unsigned(largest: int) -> Any:
    for dtype in (jnp.uint8, jnp.uint16):
        if largest <= jnp.iinfo(dtype).max:
            return dtype
    return jnp.uint32
