"""Small configurations, quick to compile and to train."""

from typing import Any

from adqn_jax import (
    ALGORITHMS,
    Config,
    Hyperparameters,
    LossConfig,
    NetworkConfig,
    TrainConfig,
    actor_critic,
    imitation,
)
from adqn_jax.types import Rows
from adqn_jax.value.distributions import Scalar
from adqn_jax.value.learner import average
from adqn_jax.value.networks import Outputs, Values
from adqn_jax.value.regression import Regression

SMALL = Config(
    hyper=Hyperparameters(
        learning_rate=5e-3,
        adam_eps=1e-8,
        discount=0.5,
        epsilon_end=1.0,
        target_tau=0.1,
        target_period=32,
    ),
    network=NetworkConfig(embedding_size=8, history_size=16, head_sizes=(16,)),
    loss=LossConfig(),
    train=TrainConfig(
        total_timesteps=600,
        warmup_timesteps=100,
        buffer_timesteps=800,
        num_envs=4,
        replay_ratio=16,
        batch_rows=4,
        row_length=16,
        target="polyak",
        log_every=250,
        eval_episodes=8,
    ),
)


ON_POLICY = actor_critic.Config(
    hyper=actor_critic.Hyperparameters(
        learning_rate=1e-2,
        adam_eps=1e-8,
        discount=0.5,
        return_lambda=0.5,
        entropy_start=0.01,
        target_period=32,
    ),
    network=SMALL.network,
    loss=actor_critic.LossConfig(over_time="mean", discount_policy=False),
    train=actor_critic.TrainConfig(
        total_timesteps=600,
        num_envs=4,
        steps_per_iteration=8,
        histories="continued",
        epochs=2,
        minibatches=2,
        target="none",
        log_every=250,
        eval_episodes=8,
    ),
)


def on_policy(algorithm: str = "a2c-asym", **changes: Any) -> actor_critic.Config:
    """Return a small configuration of an actor-critic, changed in the same way as `small`."""
    return actor_critic.Config(algorithm, **ON_POLICY.replace(**changes).parts)


IMITATING = imitation.Config(
    hyper=imitation.Hyperparameters(discount=0.9, learning_rate=1e-2, value_rate=1e-2),
    network=NetworkConfig(
        history="none", embedding_size=8, history_size=8, head_sizes=(16,), output_scale=0.1
    ),
    train=imitation.TrainConfig(
        total_timesteps=600,
        num_envs=4,
        steps_per_iteration=8,
        buffer_timesteps=64,
        batch_rows=8,
        value_epochs=2,
        value_minibatches=4,
        expert_epochs=1,
        expert_minibatches=2,
        encoder_timesteps=200,
        log_every=250,
        eval_episodes=8,
    ),
)


def imitating(algorithm: str = "a2d", **changes: Any) -> imitation.Config:
    """Return a small configuration of imitation, changed in the same way as `small`."""
    return imitation.Config(algorithm, **IMITATING.replace(**changes).parts)


def small(algorithm: str = "adqn-vr", **changes: Any) -> Config:
    """Return a small configuration; each change goes to the part that has a field of that name."""
    return Config(algorithm, **SMALL.replace(**changes).parts)


def scalar_losses(
    algorithm: str, config: LossConfig, hyper: Hyperparameters, rows: Rows, online: Values,
    target: Values,
) -> dict[str, Any]:  # fmt: skip
    """Average the squared errors of Q, and of U if there is one, where values are numbers."""
    regression = Regression(ALGORITHMS[algorithm], config, hyper, Scalar())
    outputs = [as_outputs(values) for values in (online, target)]
    return average(config, rows, regression.compare(rows, *outputs, key=None))


def as_outputs(values: Values) -> Outputs:
    """Say of action values what heads say that give just these."""
    return Outputs(values.q, values.u, None, values)


def drawn_rows(trainer: Any, state: Any, key: Any) -> Rows:
    """Draw rows from a value-based agent's replay."""
    agent = trainer.agent
    rows: Rows = agent.codec.decode(agent.buffer.sample(state.agent.buffer, key).slots)
    return rows


def collect(trainer: Any, state: Any, who: Any, key: Any, steps: int) -> tuple[Any, Any]:
    """Let somebody act for so many steps; return the state that is reached, and what happened."""
    return trainer._take_in(state, trainer._gather(state.streams, who, key, steps))
