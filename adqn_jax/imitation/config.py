"""What can be set of imitation; the defaults are the authors' settings for Frozen Lake."""

import dataclasses
from typing import Annotated, Literal

from flax import struct

from adqn_jax.config import BaseConfig, LoopConfig, NetworkConfig, Range, ReadWhen, above

_LEARNS = ReadWhen(
    "expert", "learnt", "an expert that learns, that of any algorithm but ail and dagger"
)
_STUDENT = ReadWhen(
    "student", ("history", "state"), "an algorithm with a student, which is ail, dagger or a2d"
)
_ENCODES = ReadWhen("encodes", True, "the algorithm pre-encoder")
_TRPO = ReadWhen("policy_step", "trpo")
_PPO = ReadWhen("policy_step", "ppo")


@struct.dataclass
class Hyperparameters:
    """Traced numbers."""

    learning_rate: Annotated[float, above(0), _STUDENT] = 3e-4
    """Step size of the student's Adam. Read by `ail`, `dagger` and `a2d`."""
    value_rate: Annotated[float, above(0), _LEARNS] = 7e-4
    """Step size of the values' Adam. Not read by `ail` and `dagger`."""
    expert_rate: Annotated[float, above(0), _PPO, _LEARNS] = 3e-4
    """Step size of the expert's Adam. Read when `policy_step` is `ppo`, not by `ail` and
    `dagger`."""
    adam_eps: Annotated[float, above(0)] = 1e-5
    """Term that Adam adds to its denominator."""
    discount: Annotated[float, Range(0, 1)] = 0.995
    """Discount per timestep, in [0, 1]."""
    return_lambda: Annotated[float, Range(0, 1), _LEARNS] = 0.9
    """Mixing of multi-step returns, in [0, 1], the lambda of GAE. Not read by `ail` and
    `dagger`."""
    beta_start: Annotated[float, Range(0, 1), _STUDENT] = 1.0
    """Probability that the expert acts, and not the student, in the first iteration, in [0, 1].
    Read by `ail`, `dagger` and `a2d`."""
    beta_decay: Annotated[float, Range(0, 1), _STUDENT] = 0.8
    """Factor on that probability from one iteration to the next, in [0, 1]; below 0.001 it is 0.
    Read by `ail`, `dagger` and `a2d`."""
    entropy_weight: Annotated[float, Range(0), _LEARNS] = 1.0
    """Weight of the expert's entropy, where `entropy` says. Not read by `ail` and `dagger`."""
    max_kl: Annotated[float, above(0), _TRPO, _LEARNS] = 0.01
    """Largest KL of the expert's step. Read when `policy_step` is `trpo`, not by `ail` and
    `dagger`."""
    damping: Annotated[float, Range(0), _TRPO, _LEARNS] = 0.1
    """Added to the diagonal of the Fisher information. Read when `policy_step` is `trpo`, not by
    `ail` and `dagger`."""
    clip_range: Annotated[float, above(0), _PPO, _LEARNS] = 0.2
    """How far from 1 the ratio of new and old probabilities may go before it gains nothing. Read
    when `policy_step` is `ppo`, not by `ail` and `dagger`."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What expert, values and student learn from."""

    advantage: Annotated[Literal["gae", "q"], _LEARNS] = "gae"
    """What an action is worth to the expert: its generalised advantage estimate, or a learnt Q - V,
    which does not let the next observation tell the state. Not read by `ail` and `dagger`."""
    policy_step: Annotated[Literal["trpo", "ppo"], _LEARNS] = "trpo"
    """How the expert moves: a step within a trust region, or several on a clipped surrogate. Not
    read by `ail` and `dagger`."""
    entropy: Annotated[Literal["advantage", "surrogate"], _LEARNS] = "advantage"
    """Where the expert's entropy counts: added to the advantage before this is normalised, as in
    the authors' trainer, where it is a baseline; or in the surrogate, which it then raises. Not
    read by `ail` and `dagger`."""
    time_limit: Annotated[Literal["terminates", "bootstraps"], _LEARNS] = "terminates"
    """Whether the value after a time limit is 0, as in the authors' trainer, or what the values
    say. Not read by `ail` and `dagger`."""


@dataclasses.dataclass(frozen=True)
class TrainConfig(LoopConfig):
    """The training loop; counts of timesteps are simulated ones, per seed."""

    steps_per_iteration: Annotated[int, Range(1)] = 125
    """Steps of each environment between two rounds of learning."""
    row_length: Annotated[int, Range(1)] = 1
    """Steps of a row to train on; a row begins with the memory that was there when it was gathered.
    Must divide `steps_per_iteration`; 1 suits what has no memory."""
    buffer_timesteps: Annotated[int, Range(1), _STUDENT] = 5_000
    """Timesteps that the student learns from, the newest; rounded down to whole rows of all
    environments. Read by `ail`, `dagger` and `a2d`."""
    epochs: Annotated[int, Range(1), _STUDENT] = 2
    """Times that the student is trained on a full buffer, in each iteration. Read by `ail`,
    `dagger` and `a2d`."""
    batch_rows: Annotated[int, Range(1), _STUDENT] = 64
    """Rows in a gradient step of the student. Read by `ail`, `dagger` and `a2d`."""
    value_epochs: Annotated[int, Range(1), _LEARNS] = 25
    """Times that each value is trained on what was just gathered. Not read by `ail` and
    `dagger`."""
    value_minibatches: Annotated[int, Range(1), _LEARNS] = 32
    """Gradient steps of such an epoch; rows left over wait for the next. Not read by `ail` and
    `dagger`."""
    expert_epochs: Annotated[int, Range(1), _PPO, _LEARNS] = 10
    """Times that the expert is trained on what was just gathered. Read when `policy_step` is `ppo`,
    not by `ail` and `dagger`."""
    expert_minibatches: Annotated[int, Range(1), _PPO, _LEARNS] = 32
    """Gradient steps of such an epoch. Read when `policy_step` is `ppo`, not by `ail` and
    `dagger`."""
    encoder_timesteps: Annotated[int, Range(1), _ENCODES] = 20_000
    """Timesteps in which the encoder is trained, as values are, and the expert is not; afterwards
    it stays as it is. Read by `pre-encoder`."""
    max_grad_norm: Annotated[float, Range(0)] = 0.0
    """Largest norm of the gradient of each network; 0: no clipping."""
    eval_actions: Literal["sampled", "greedy"] = "sampled"
    """How the policy acts when it is evaluated, and when it is loaded from its file: it draws from
    its probabilities, or takes the most probable action. The metrics have both returns."""


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """A whole training run of one seed."""

    algorithm: str = "a2d"
    """One of `adqn_jax.imitation.ALGORITHMS`."""
    hyper: Hyperparameters = Hyperparameters()
    network: NetworkConfig = NetworkConfig(history="none", head_sizes=(64, 64), output_scale=0.01)
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
