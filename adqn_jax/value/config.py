"""What can be set of value-based learning; the defaults are the authors' settings."""

import dataclasses
from typing import Annotated, Literal

from flax import struct

from adqn_jax.config import BaseConfig, LoopConfig, NetworkConfig, Range, ReadWhen, above

_DISTRIBUTIONS = ("categorical", "quantile", "implicit-quantile", "particles")
_REPLAYS = ("uniform", "prioritised")
_BOOTSTRAPS_FROM_U = "an algorithm whose Q bootstraps from U, adqn or adqn-state"


@struct.dataclass
class Hyperparameters:
    """Traced numbers."""

    learning_rate: Annotated[float, above(0)] = 1e-4
    """Step size of Adam."""
    rate_end: Annotated[float, Range(0, 1)] = 1.0
    """Share of the step size that is left when the run ends, in [0, 1]; it falls linearly."""
    adam_eps: Annotated[float, above(0)] = 1e-4
    """Term that Adam adds to its denominator."""
    discount: Annotated[float, Range(0, 1)] = 0.99
    """Discount per timestep, in [0, 1]."""
    return_lambda: Annotated[float, Range(0, 1), ReadWhen("returns", "lambda")] = 0.0
    """Mixing of multi-step returns, in [0, 1]; 0 is the one-step target. Read when `returns` is
    `lambda`."""
    epsilon_start: Annotated[float, Range(0, 1)] = 1.0
    """Probability of a random action when training begins, in [0, 1]."""
    epsilon_end: Annotated[float, Range(0, 1)] = 0.1
    """Probability of a random action after `epsilon_timesteps`, in [0, 1]."""
    epsilon_timesteps: Annotated[float, above(0)] = 1_000_000
    """Simulated timesteps over which epsilon falls linearly; it starts to fall at timestep 0."""
    target_period: Annotated[float, above(0), ReadWhen("target", "periodic")] = 10_000
    """Simulated timesteps between copies to the target networks. Read when `target` is
    `periodic`."""
    target_tau: Annotated[float, above(0, 1), ReadWhen("target", "polyak")] = 0.02
    """Share of the online networks that moves into the targets after every gradient step, in
    (0, 1]. Read when `target` is `polyak`."""
    trust_alpha: Annotated[float, above(0), ReadWhen("bootstrap", "trust-region")] = 2.0
    """Width of the trust region, in standard deviations of the values in a batch. Read when
    `bootstrap` is `trust-region`."""
    kappa: Annotated[float, above(0), ReadWhen("values", ("quantile", "implicit-quantile"))] = 1.0
    """Error beyond which the loss of quantiles is linear. Read when `values` is `quantile` or
    `implicit-quantile`."""
    priority_alpha: Annotated[float, Range(0, 1), ReadWhen("replay", "prioritised")] = 0.6
    """Exponent of priorities, in [0, 1]; with 0 all rows are alike. Read when `replay` is
    `prioritised`."""
    priority_beta: Annotated[float, Range(0, 1), ReadWhen("replay", "prioritised")] = 0.4
    """Exponent of the weights that make up for priorities, in [0, 1], when training begins; it
    rises to 1. Read when `replay` is `prioritised`."""
    priority_timesteps: Annotated[float, above(0), ReadWhen("replay", "prioritised")] = 2_000_000
    """Simulated timesteps over which `priority_beta` rises linearly to 1. Read when `replay` is
    `prioritised`."""
    priority_floor: Annotated[float, above(0), ReadWhen("replay", "prioritised")] = 1e-3
    """Added to every priority, so that no row is lost. Read when `replay` is `prioritised`."""


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """What the heads of Q and U say."""

    values: Literal["scalar", "categorical", "quantile", "implicit-quantile", "particles"] = (
        "scalar"
    )
    """What a value is: the expected return; or its distribution, as probabilities of fixed atoms
    (C51), as quantiles (QR-DQN), as quantiles at any fraction (IQN), or as particles (MMDQN)."""
    value_atoms: Annotated[int, Range(0), ReadWhen("values", _DISTRIBUTIONS)] = 0
    """Atoms, quantiles or particles for each action; 0: 51 atoms, 32 quantiles, 8 fractions, 16
    particles. Read when `values` is `categorical`, `quantile`, `implicit-quantile` or
    `particles`."""
    value_least: Annotated[float, Range(), ReadWhen("values", "categorical")] = 0.0
    """Least discounted return that a categorical distribution can say. Read when `values` is
    `categorical`."""
    value_most: Annotated[float, Range(), ReadWhen("values", "categorical")] = 0.0
    """Largest discounted return that a categorical distribution can say; it must be above
    `value_least`. Read when `values` is `categorical`."""
    head: Literal["plain", "dueling-mean", "dueling-max"] = "plain"
    """What a head is: layers to the action values; or a value and advantages in two streams, of
    which the advantages' mean or maximum is subtracted."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What Q and U regress on."""

    select: Annotated[
        Literal["target", "online"],
        ReadWhen("bootstrap", "target"),
        ReadWhen("target", ("periodic", "polyak")),
    ] = "target"
    """Whose Q chooses the bootstrap action: the target network's, as in the authors' trainer, or
    that of the network that learns (double Q). Read when `bootstrap` is `target`. Read when
    `target` is `periodic` or `polyak`."""
    bootstrap: Literal["target", "trust-region"] = "target"
    """Whose values bootstrap: the target networks'; or those of the networks that learn, which
    then also choose, and errors do not count that would only carry them further from the
    targets."""
    returns: Literal["lambda", "n-step"] = "lambda"
    """Multi-step targets: lambda-returns over the row (`return_lambda` 0: one step), or `n_step`
    rewards and a bootstrap."""
    n_step: Annotated[int, Range(1), ReadWhen("returns", "n-step")] = 1
    """Rewards in an n-step target. Read when `returns` is `n-step`."""
    cut_at_exploration: bool = False
    """Whether a multi-step target ends before an action that was not greedy."""
    time_limit: Literal["terminates", "bootstraps"] = "terminates"
    """Whether the value after a time limit is 0, as in the authors' trainer, or bootstrapped."""
    regress_actions: Annotated[
        Literal["all", "taken"], ReadWhen("regress_on", "privileged", "an algorithm with -vr")
    ] = "all"
    """Actions over which `-vr` algorithms regress Q on U: all, as in the authors' trainer, or
    the one taken, as in the paper."""
    privileged_share: Annotated[
        float,
        Range(0, 1),
        ReadWhen("values", "scalar"),
        ReadWhen("privileged", ("history-state", "state"), _BOOTSTRAPS_FROM_U),
        ReadWhen("regress_on", "bootstrap", _BOOTSTRAPS_FROM_U),
    ] = 1.0
    """Share of U in the value that Q bootstraps from, in [0, 1]; the rest is Q's own: with 0 its
    targets are those of DQN. U bootstraps from itself, whatever it is. Read by `adqn` and
    `adqn-state`. Read when `values` is `scalar`."""
    average: Literal["transition", "episode"] = "transition"
    """Mean over all transitions of a batch; or over those of each episode that lies whole in a
    row, then over the episodes, as in the authors' trainer."""

    recall_weight: Annotated[float, Range(0)] = 0.0
    """Weight of a further loss: how badly Q's encoded history tells what the episode has shown so
    far, in nats. For observations that are Discrete or grids of indices; 0: it is not asked."""
    belief_weight: Annotated[float, Range(0)] = 0.0
    """Weight of a further loss: how badly Q's encoded history tells the privileged state, in nats;
    0: it is not asked."""


@dataclasses.dataclass(frozen=True)
class TrainConfig(LoopConfig):
    """The training loop with replay; counts of timesteps are simulated ones, per seed."""

    warmup_timesteps: Annotated[int, Range(0)] = 50_000
    """Timesteps of random actions before the first gradient step; rounded up."""
    replay: Literal["uniform", "prioritised", "none"] = "uniform"
    """Rows of the replay buffer that a gradient step trains on: all alike, those with large errors
    more often, or no replay: the timesteps just made, and those alone."""
    buffer_timesteps: Annotated[int, Range(1), ReadWhen("replay", _REPLAYS)] = 1_000_000
    """Timesteps that the replay buffer holds; rounded down to whole streams. Read when `replay` is
    `uniform` or `prioritised`."""
    steps_per_iteration: Annotated[int, Range(0)] = 0
    """Steps of each environment between gradient steps; 0: the fewest for which `replay_ratio`
    gives a whole number of gradient steps, within 1 percent; without replay, 1."""
    replay_ratio: Annotated[float, above(0, 10_000)] = 8.0
    """Timesteps trained on per timestep simulated, in (0, 10000]; without replay it must be 1."""
    batch_rows: Annotated[int, Range(1), ReadWhen("replay", _REPLAYS)] = 1
    """Rows in a gradient step. Read when `replay` is `uniform` or `prioritised`."""
    row_length: Annotated[int, Range(0), ReadWhen("replay", _REPLAYS)] = 0
    """Transitions in a row; 0: the environment's longest episode. Read when `replay` is `uniform`
    or `prioritised`."""
    target: Literal["periodic", "polyak", "none"] = "periodic"
    """Target networks by copies every `target_period`, or averaged with `target_tau`; or none:
    the networks that learn are their own targets."""
    history_encoders: Annotated[
        Literal["separate", "shared"],
        ReadWhen("privileged", "history-state", "an algorithm with U(h,s,a), adqn or adqn-vr"),
    ] = "separate"
    """Whether Q and U(h,s,a) encode the history apart; or U reads Q's encoding, which both losses
    then train. A `shared` encoder is among Q's parameters, and counts in its gradient's norm. Read
    by `adqn` and `adqn-vr`."""
    max_grad_norm: Annotated[float, Range(0)] = 0.0
    """Largest norm of the gradient of each network, Q's and U's apart; 0: no clipping."""
    eval_params: Literal["online", "target"] = "online"
    """Networks that are evaluated and saved as the policy."""


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """A whole training run of one seed."""

    algorithm: str = "adqn-vr"
    """One of `adqn_jax.ALGORITHMS`."""
    hyper: Hyperparameters = Hyperparameters()
    network: NetworkConfig = NetworkConfig()
    heads: HeadConfig = HeadConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
