"""What a configuration comes to on an environment: derived shapes and counts, checked."""

import dataclasses
import math
from typing import Any

from adqn_jax.config import Config, check

#: Finished episodes over which the paper's measure, the behaviour return, is averaged.
WINDOW = 100
#: How far the replay ratio of a whole number of updates may lie from the one asked for.
RATIO_TOLERANCE = 0.01
_MOST_STEPS_PER_ITERATION = 1_000
_MOST_CHUNKS_PER_LOG = 32


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
    iterations_per_chunk: int
    """Iterations in a compiled chunk, after which the host gets a word in."""
    chunks_per_log: int
    """Chunks between log points."""
    log_points: int
    """Log points in the run."""
    window: int = WINDOW

    @property
    def iterations_per_log(self) -> int:
        """Iterations between log points."""
        return self.iterations_per_chunk * self.chunks_per_log

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


def make_plan(config: Config, env_params: Any) -> Plan:
    """Derive a run's shapes and counts.

    Raises:
      ValueError: when the configuration cannot be run; one sentence says why, and what could.
    """
    check(config)
    train = config.train
    longest = int(env_params.max_steps_in_episode)
    row_length = train.row_length or longest
    if config.loss.average == "episode" and row_length < longest:
        raise ValueError(
            f"averaging over whole episodes needs rows that hold the longest one: row_length must "
            f"be at least {longest}, got {row_length}"
        )
    capacity = train.buffer_timesteps // train.num_envs
    steps, updates = _schedule(config, row_length)
    per_iteration = train.num_envs * steps
    warmup_steps = math.ceil(train.warmup_timesteps / train.num_envs)
    if warmup_steps + steps < row_length + 1:
        raise ValueError(
            f"the first gradient step needs {row_length + 1} timesteps of each of {train.num_envs} "
            f"streams: warmup_timesteps must be at least "
            f"{(row_length + 1 - steps) * train.num_envs}, got {train.warmup_timesteps}"
        )
    iterations_per_log = max(1, math.ceil(train.log_every / per_iteration))
    chunks_per_log, iterations_per_chunk = _chunks(iterations_per_log)
    left = train.total_timesteps - warmup_steps * train.num_envs
    per_log = iterations_per_chunk * chunks_per_log * per_iteration
    log_points = max(1, math.ceil(left / per_log))
    return Plan(
        num_envs=train.num_envs,
        longest_episode=longest,
        row_length=row_length,
        capacity=capacity,
        warmup_steps=warmup_steps,
        steps_per_iteration=steps,
        updates_per_iteration=updates,
        iterations_per_chunk=iterations_per_chunk,
        chunks_per_log=chunks_per_log,
        log_points=log_points,
    )


def _chunks(iterations: int) -> tuple[int, int]:
    """Split so many iterations into equal chunks, as many as rounding up by 5 percent allows."""
    for chunks in range(_MOST_CHUNKS_PER_LOG, 1, -1):
        length = math.ceil(iterations / chunks)
        if chunks * length <= 1.05 * iterations:
            return chunks, length
    return 1, iterations


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
    asked = (
        f"replay_ratio {train.replay_ratio:g} with {train.num_envs} environments and batches of "
    )
    asked += f"{train.batch_rows} x {row_length} timesteps"
    if not train.steps_per_iteration:
        raise ValueError(
            f"{asked} gives no whole number of gradient steps within {_MOST_STEPS_PER_ITERATION} "
            f"steps; raise replay_ratio or num_envs, or lower batch_rows"
        )
    exact = updates_per_step * train.steps_per_iteration
    whole = max(1, round(exact))
    raise ValueError(
        f"{asked} gives {exact:.3g} gradient steps per {train.steps_per_iteration} steps, which is "
        f"no whole number; with replay_ratio {train.replay_ratio * whole / exact:.4g} it is {whole}"
    )
