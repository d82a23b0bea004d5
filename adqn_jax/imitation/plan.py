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
    rows = steps // length * train.num_envs
    if algorithm.student != "none":
        held = buffer_pieces(config) * train.num_envs
        if held < rows:
            raise ValueError(
                f"the buffer must hold an iteration: buffer_timesteps must be at least "
                f"{steps * train.num_envs}, got {train.buffer_timesteps}"
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
    several = ["value_minibatches"] if algorithm.expert == "learnt" else []
    several += ["expert_minibatches"] if several and config.loss.policy_step == "ppo" else []
    for name in several:
        if getattr(train, name) > rows:
            raise ValueError(
                f"a minibatch is whole rows: {name} must be at most {rows}, the rows of an "
                f"iteration, got {getattr(train, name)}"
            )
    return make_plan(
        train, longest_episode=longest_episode, warmup_steps=0, steps=steps, updates=updates,
        batch_rows=batch, row_length=length,
    )  # fmt: skip


def buffer_pieces(config: Config) -> int:
    """Return how many rows of each environment the student's buffer holds."""
    train = config.train
    return train.buffer_timesteps // (train.num_envs * train.row_length)
