"""How much actor-critics gather before they learn from it, and whether that can be."""

from adqn_jax.actor_critic.algorithms import get_algorithm
from adqn_jax.actor_critic.config import Config
from adqn_jax.config import check, check_asked
from adqn_jax.plan import Plan, make_plan


def has_target(config: Config) -> bool:
    """Whether returns are made of the values of a copy of the critic."""
    bootstraps = get_algorithm(config.algorithm).estimate == "bootstrap"
    return bootstraps and config.train.target == "periodic"


def plan_of(config: Config, longest_episode: int) -> Plan:
    """Derive a run's shapes and counts.

    Raises:
      ValueError: when the configuration cannot be run; one sentence says why, and what could.
    """
    check(config)
    check_asked(config.network, belief_weight=config.loss.belief_weight)
    train, algorithm = config.train, get_algorithm(config.algorithm)
    steps = train.steps_per_iteration or longest_episode
    if train.histories == "continued" and algorithm.estimate == "monte-carlo":
        raise ValueError(
            f"{algorithm.name} learns from all rewards of an episode: histories must be whole"
        )
    if train.histories == "whole" and steps < longest_episode:
        raise ValueError(
            f"whole episodes need iterations that hold the longest one: with histories whole, "
            f"steps_per_iteration must be at least {longest_episode}, got {steps}"
        )
    shared = train.history_encoders == "shared" and algorithm.critic in ("history", "history-state")
    if shared and has_target(config):
        raise ValueError(
            "a target critic whose history encoder moves is no target: with history_encoders "
            "shared, target must be none"
        )
    epochs, minibatches = (train.epochs, train.minibatches) if algorithm.loss == "clip" else (1, 1)
    if train.num_envs % minibatches:
        raise ValueError(
            f"a minibatch is whole rows, one of each environment: minibatches must divide "
            f"num_envs, {train.num_envs}, got {minibatches}"
        )
    return make_plan(
        train, longest_episode=longest_episode, warmup_steps=0, steps=steps,
        updates=epochs * minibatches, batch_rows=train.num_envs // minibatches, row_length=steps,
        restarts=train.histories == "whole",
    )  # fmt: skip
