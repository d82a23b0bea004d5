"""How much imitation gathers before it learns from it, and whether that can be."""

from adqn_jax.config import check
from adqn_jax.imitation.algorithms import get_algorithm
from adqn_jax.imitation.config import Config
from adqn_jax.plan import Plan, make_plan


def plan_of(config: Config, longest_episode: int) -> Plan:
    """Derive a run's shapes and counts; its gradient steps are the student's, or the values'.

    Raises:
      ValueError: when the configuration cannot be run; one sentence says why, and what could.
    """
    check(config)
    train, algorithm = config.train, get_algorithm(config.algorithm)
    steps, length = train.steps_per_iteration, train.row_length
    if steps % length:
        raise ValueError(
            f"an iteration is whole rows: row_length must divide steps_per_iteration, {steps}, "
            f"got {length}"
        )
    remembers = algorithm.student == "history" or algorithm.encodes
    if length == 1 and remembers and config.network.remembers:
        raise ValueError(
            f"memory is learnt on rows of several steps: with history {config.network.history}, "
            f"row_length must be more than 1, or history none without memory_bits"
        )
    gathered = steps * train.num_envs
    if algorithm.encodes and not gathered <= train.encoder_timesteps < train.total_timesteps:
        raise ValueError(
            f"first the encoder is trained, then the expert: encoder_timesteps must be at least "
            f"{gathered}, an iteration, and less than total_timesteps, {train.total_timesteps}, "
            f"got {train.encoder_timesteps}"
        )
    rows = steps // length * train.num_envs
    if algorithm.student != "none":
        held = buffer_pieces(config) * train.num_envs
        if held < rows:
            raise ValueError(
                f"the buffer must hold an iteration: buffer_timesteps must be at least "
                f"{gathered}, got {train.buffer_timesteps}"
            )
        if train.batch_rows > held:
            raise ValueError(
                f"a gradient step takes different rows: batch_rows must be at most {held}, as the "
                f"buffer holds so many, got {train.batch_rows}"
            )
        updates, batch = train.epochs * (held // train.batch_rows), train.batch_rows
    else:
        updates, batch = train.value_epochs * train.value_minibatches, rows
        batch //= train.value_minibatches
    if algorithm.expert == "learnt":
        if train.value_minibatches > rows:
            raise ValueError(
                f"a minibatch is whole rows: value_minibatches must be at most {rows}, the rows of "
                f"an iteration, got {train.value_minibatches}"
            )
        if config.loss.policy_step == "ppo" and train.expert_minibatches > gathered:
            raise ValueError(
                f"a minibatch holds a timestep: expert_minibatches must be at most {gathered}, "
                f"those of an iteration, got {train.expert_minibatches}"
            )
    return make_plan(
        train, longest_episode=longest_episode, warmup_steps=0, steps=steps, updates=updates,
        batch_rows=batch, row_length=length,
    )  # fmt: skip


def buffer_pieces(config: Config) -> int:
    """Return how many rows of each environment the student's buffer holds."""
    train = config.train
    return train.buffer_timesteps // (train.num_envs * train.row_length)
