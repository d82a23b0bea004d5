"""What can be set: frozen dataclasses, one for each concern.

The type says what a number may do: `Hyperparameters` is a pytree, its numbers are traced and may
differ between the seeds of one compiled program; everything else is static and fixes shapes or
the program itself.
"""

import dataclasses
import math
from typing import Literal, get_args, get_origin, get_type_hints

from flax import struct


@struct.dataclass
class Hyperparameters:
    """Traced numbers."""

    learning_rate: float = 1e-4
    """Step size of Adam."""
    adam_eps: float = 1e-4
    """Term that Adam adds to its denominator."""
    discount: float = 0.99
    """Discount per timestep, in [0, 1]."""
    return_lambda: float = 0.0
    """Mixing of multi-step returns, in [0, 1]; 0 is the one-step target. Read when `returns` is
    `lambda`."""
    epsilon_start: float = 1.0
    """Probability of a random action when training begins, in [0, 1]."""
    epsilon_end: float = 0.1
    """Probability of a random action after `epsilon_timesteps`, in [0, 1]."""
    epsilon_timesteps: float = 1_000_000
    """Simulated timesteps over which epsilon falls linearly; it starts to fall at timestep 0."""
    target_period: float = 10_000
    """Simulated timesteps between copies to the target networks. Read when `target` is
    `periodic`."""
    target_tau: float = 0.02
    """Share of the online networks that moves into the targets after every gradient step, in
    (0, 1]. Read when `target` is `polyak`."""


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes and initial weights of Q and U."""

    history: Literal["gru", "none"] = "gru"
    """What stands for the history: a GRU's state, or only the features of the observation, which
    makes Q(o,a) of Q(h,a), a lower bound."""
    embedding_size: int = 64
    """Features of an action and of an observation."""
    history_size: int = 128
    """Width of the GRU that encodes the history."""
    head_sizes: tuple[int, ...] = (512, 256)
    """Hidden layers between the features and the action values."""
    conv_channels: tuple[int, ...] = (32, 32, 64)
    """Channels of the convolutions of grids; of spaces without a grid nothing reads them."""
    gru_init: Literal["uniform", "orthogonal"] = "uniform"
    """Initial recurrent weights: uniform in +-1/sqrt(history_size), or orthogonal per gate."""
    scale_boxes: bool = False
    """Whether to divide the entries of flat observations and states by the bounds that their
    spaces declare."""
    action_scale: float = 1.0
    """Standard deviation of the initial action embeddings; small values let the GRU see
    observations first."""
    output_scale: float = 1.0
    """Factor on the initial weights of each head's last layer; with 0 all values start at 0."""
    matmul_precision: Literal["float32", "tensorfloat32", "bfloat16"] = "float32"
    """Precision of matrix products on an accelerator that has cheaper ones; a CPU always computes
    in float32."""
    update_gate_bias: float = 0.0
    """Added to the initial bias of the GRU's update gate; positive values remember longer."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What Q and U regress on."""

    returns: Literal["lambda", "n-step"] = "lambda"
    """Multi-step targets: lambda-returns over the row (`return_lambda` 0: one step), or `n_step`
    rewards and a bootstrap."""
    n_step: int = 1
    """Rewards in an n-step target. Read when `returns` is `n-step`."""
    cut_at_exploration: bool = False
    """Whether a multi-step target ends before an action that was not greedy."""
    time_limit: Literal["terminates", "bootstraps"] = "terminates"
    """Whether the value after a time limit is 0, as in the authors' trainer, or bootstrapped."""
    regress_actions: Literal["all", "taken"] = "all"
    """Actions over which `-vr` algorithms regress Q on U: all, as in the authors' trainer, or
    the one taken, as in the paper."""
    average: Literal["transition", "episode"] = "transition"
    """Mean over all transitions of a batch; or over those of each episode that lies whole in a
    row, then over the episodes, as in the authors' trainer."""


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The training loop; counts of timesteps are simulated ones, per seed."""

    total_timesteps: int = 2_000_000
    """Simulated timesteps per seed, warm-up included; rounded up to whole log points."""
    warmup_timesteps: int = 50_000
    """Timesteps of random actions before the first gradient step; rounded up."""
    buffer_timesteps: int = 1_000_000
    """Timesteps that the replay buffer holds; rounded down to whole streams."""
    num_envs: int = 16
    """Environments that a seed steps in lock step."""
    steps_per_iteration: int = 0
    """Steps of each environment between gradient steps; 0: the fewest for which `replay_ratio`
    gives a whole number of gradient steps, within 1 percent."""
    replay_ratio: float = 8.0
    """Timesteps trained on per timestep simulated."""
    batch_rows: int = 1
    """Rows in a gradient step."""
    row_length: int = 0
    """Transitions in a row; 0: the environment's longest episode."""
    target: Literal["periodic", "polyak"] = "periodic"
    """Target networks by copies every `target_period`, or averaged with `target_tau`."""
    max_grad_norm: float = 0.0
    """Largest norm of the gradient of each network, Q's and U's apart; 0: no clipping."""
    log_every: int = 20_000
    """Timesteps between log points, each with an evaluation; rounded up to whole iterations."""
    eval_episodes: int = 32
    """Greedy episodes per evaluation and seed."""
    eval_params: Literal["online", "target"] = "online"
    """Networks that are evaluated and saved as the policy."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole training run of one seed; its defaults are the authors' settings."""

    algorithm: str = "adqn-vr"
    """One of `adqn_jax.ALGORITHMS`."""
    hyper: Hyperparameters = Hyperparameters()
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()


#: Field -> (least, most, whether the least itself is allowed).
_RANGES: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0, math.inf, False),
    "adam_eps": (0, math.inf, False),
    "discount": (0, 1, True),
    "return_lambda": (0, 1, True),
    "epsilon_start": (0, 1, True),
    "epsilon_end": (0, 1, True),
    "epsilon_timesteps": (0, math.inf, False),
    "target_period": (0, math.inf, False),
    "target_tau": (0, 1, False),
    "embedding_size": (1, math.inf, True),
    "history_size": (1, math.inf, True),
    "action_scale": (0, math.inf, False),
    "output_scale": (0, math.inf, True),
    "n_step": (1, math.inf, True),
    "total_timesteps": (1, math.inf, True),
    "warmup_timesteps": (0, math.inf, True),
    "buffer_timesteps": (1, math.inf, True),
    "num_envs": (1, math.inf, True),
    "steps_per_iteration": (0, math.inf, True),
    "replay_ratio": (0, math.inf, False),
    "batch_rows": (1, math.inf, True),
    "row_length": (0, math.inf, True),
    "max_grad_norm": (0, math.inf, True),
    "log_every": (1, math.inf, True),
    "eval_episodes": (1, math.inf, True),
}


def check(config: Config) -> None:
    """Check every number against its range, and every choice against its options.

    Raises:
      ValueError: naming the first field that is out of range, and the range.
    """
    for part in (config.hyper, config.network, config.loss, config.train):
        hints = get_type_hints(type(part))
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            options = get_args(hints[field.name])
            if get_origin(hints[field.name]) is Literal and value not in options:
                raise ValueError(f"{field.name} must be one of {', '.join(options)}, got {value!r}")
            if field.name in _RANGES:
                _check_range(field.name, value)
    if not math.isfinite(config.network.update_gate_bias):
        raise ValueError(f"update_gate_bias must be finite, got {config.network.update_gate_bias}")
    for name in ("head_sizes", "conv_channels"):
        sizes = getattr(config.network, name)
        if not all(size >= 1 for size in sizes):
            raise ValueError(f"{name} must be at least 1 each, got {sizes}")


def _check_range(name: str, value: float) -> None:
    low, high, closed = _RANGES[name]
    # Written so that NaN fails; infinities are no numbers to train with.
    if not ((low <= value if closed else low < value) and value <= high and math.isfinite(value)):
        least = f"{'at least' if closed else 'greater than'} {low}"
        most = f" and at most {high}" if high < math.inf else ""
        raise ValueError(f"{name} must be {least}{most}, got {value}")
