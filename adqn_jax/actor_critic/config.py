"""What can be set of actor-critics; the defaults are the authors' settings, where they have any."""

import dataclasses
from typing import Annotated, Literal

from flax import struct

from adqn_jax.config import BaseConfig, LoopConfig, NetworkConfig, Range, ReadWhen, above

_SEES_HISTORY = ReadWhen(
    "critic",
    ("history", "history-state"),
    "a critic that sees the history, that of any algorithm but reinforce and what ends in -state",
)
_CRITICS = ("history", "history-state", "state")
_HAS_CRITIC = ReadWhen("critic", _CRITICS, "an algorithm with a critic, which is any but reinforce")
_BOOTSTRAPS = ReadWhen("estimate", "bootstrap", "an algorithm called a2c or ppo")
_CLIPS = ReadWhen("loss", "clip", "an algorithm called ppo")


@struct.dataclass
class Hyperparameters:
    """Traced numbers."""

    learning_rate: Annotated[float, above(0)] = 1e-4
    """Step size of the actor's Adam."""
    critic_rate: Annotated[float, above(0), _HAS_CRITIC] = 1.0
    """Step size of the critic's Adam, as a multiple of the actor's. Not read by `reinforce`."""
    rate_end: Annotated[float, Range(0, 1)] = 1.0
    """Share of both step sizes that is left when the run ends, in [0, 1]; they fall linearly."""
    adam_eps: Annotated[float, above(0)] = 1e-4
    """Term that Adam adds to its denominator."""
    discount: Annotated[float, Range(0, 1)] = 0.99
    """Discount per timestep, in [0, 1]."""
    return_lambda: Annotated[
        float, Range(0, 1), ReadWhen("returns", "lambda"), _BOOTSTRAPS
    ] = 0.0  # fmt: skip
    """Mixing of multi-step returns, in [0, 1], the lambda of GAE; 0 is the one-step return. Read
    when `returns` is `lambda`, by `a2c` and `ppo`."""
    entropy_start: Annotated[float, Range(0)] = 1.0
    """Weight of the policy's entropy when training begins."""
    entropy_end: Annotated[float, Range(0)] = 0.01
    """Weight of the policy's entropy after `entropy_timesteps`."""
    entropy_timesteps: Annotated[float, above(0)] = 2_000_000
    """Simulated timesteps over which the entropy's weight falls linearly, from timestep 0 on."""
    value_weight: Annotated[float, above(0), _HAS_CRITIC] = 1.0
    """Factor on the critic's loss. Where actor and critic share nothing it only matters where
    gradients are clipped, and beside `adam_eps`. Not read by `reinforce`."""
    clip_range: Annotated[float, above(0), _CLIPS] = 0.2
    """How far from 1 the ratio of new and old probabilities may go before it gains nothing. Read by
    `ppo`."""
    value_clip_range: Annotated[
        float, above(0), ReadWhen("value_loss", "clipped"), _CLIPS
    ] = 0.2  # fmt: skip
    """How far a value may go from the one before the epochs and gain by it. Read when `value_loss`
    is `clipped`, by `ppo`."""
    target_period: Annotated[
        float, above(0), ReadWhen("target", "periodic"), _BOOTSTRAPS
    ] = 10_000  # fmt: skip
    """Simulated timesteps between copies to the target critic. Read when `target` is `periodic`, by
    `a2c` and `ppo`."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What actor and critic minimise."""

    returns: Annotated[Literal["lambda", "n-step"], _BOOTSTRAPS] = "lambda"
    """Returns: mixed over all lengths (`return_lambda` 0: one step; advantages are then those of
    GAE), or `n_step` rewards and a value. Read by `a2c` and `ppo`."""
    n_step: Annotated[int, Range(1), ReadWhen("returns", "n-step"), _BOOTSTRAPS] = 1
    """Rewards in an n-step return. Read when `returns` is `n-step`, by `a2c` and `ppo`."""
    time_limit: Annotated[Literal["terminates", "bootstraps"], _HAS_CRITIC] = "terminates"
    """Whether the value after a time limit is 0, as in the authors' trainer, or the critic's. Not
    read by `reinforce`."""
    over_time: Literal["sum", "mean"] = "sum"
    """Losses of a row: summed over time and then averaged over rows, as in the authors' trainer,
    so that long episodes weigh more; or the mean over all transitions of a batch."""
    discount_policy: bool = True
    """Whether step t of an episode counts discount^t in the actor's loss, as in the theory and the
    authors' trainer; its entropy never does."""
    normalise_advantages: bool = False
    """Whether advantages are brought to mean 0 and standard deviation 1, over all transitions that
    a seed trains on in an iteration, before the first epoch."""
    value_loss: Annotated[Literal["square", "clipped"], _CLIPS] = "square"
    """The critic's loss: the squared error; or one by which a value gains nothing when it goes
    further than `value_clip_range` in an iteration. Read by `ppo`."""

    belief_weight: Annotated[float, Range(0)] = 0.0
    """Weight of a further loss: how badly the actor's encoded history tells the privileged state,
    in nats; 0: it is not asked."""


@dataclasses.dataclass(frozen=True)
class TrainConfig(LoopConfig):
    """The training loop on policy; counts of timesteps are simulated ones, per seed."""

    steps_per_iteration: Annotated[int, Range(0)] = 0
    """Steps of each environment between gradient steps, a row to train on; 0: the environment's
    longest episode."""
    histories: Literal["continued", "whole"] = "whole"
    """Rows that go on where the last ones ended, with the encoder's state that was stored there; or
    rows that begin with an episode in every environment, of which those episodes are trained on
    that begin early enough to be whole whatever happens."""
    epochs: Annotated[int, Range(1), _CLIPS] = 4
    """Times that each transition is trained on. Read by `ppo`."""
    minibatches: Annotated[int, Range(1), _CLIPS] = 1
    """Gradient steps of an epoch, each on as many whole rows. Read by `ppo`."""
    target: Annotated[Literal["periodic", "none"], _BOOTSTRAPS] = "periodic"
    """What the critic's returns are made of: the values of a copy of the critic, made every
    `target_period`; or the critic's own. Advantages are always the critic's own. Read by `a2c` and
    `ppo`."""
    history_encoders: Annotated[Literal["separate", "shared"], _SEES_HISTORY] = "separate"
    """Whether actor and critic encode the history apart; or the critic reads the actor's encoding,
    which both losses then train, for about half the arithmetic. A `shared` one is the actor's: its
    step size, its gradient's norm, its policy file. Not read by `reinforce` and what ends in
    `-state`."""
    max_grad_norm: Annotated[float, Range(0)] = 0.0
    """Largest norm of the gradient of each network, the actor's and the critic's apart; 0: no
    clipping."""
    eval_actions: Literal["sampled", "greedy"] = "sampled"
    """How the policy acts when it is evaluated, and when it is loaded from its file: it draws from
    its probabilities, as in the authors' trainer, or takes the most probable action, which is the
    mean of continuous ones."""


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """A whole training run of one seed."""

    algorithm: str = "a2c-asym"
    """One of `adqn_jax.actor_critic.ALGORITHMS`."""
    hyper: Hyperparameters = Hyperparameters()
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
