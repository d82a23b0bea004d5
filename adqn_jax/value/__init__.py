"""Value-based learning: Q(h,a), which acts, and privileged U(h,s,a) or U(s,a) beside it."""

from adqn_jax.value.agent import ValueAgent, ValueState, make_agent
from adqn_jax.value.algorithms import ALGORITHMS, Algorithm
from adqn_jax.value.config import (
    Config,
    HeadConfig,
    Hyperparameters,
    LossConfig,
    TrainConfig,
)
from adqn_jax.value.networks import ValueNetworks, make_networks

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Config",
    "HeadConfig",
    "Hyperparameters",
    "LossConfig",
    "TrainConfig",
    "ValueAgent",
    "ValueNetworks",
    "ValueState",
    "make_agent",
    "make_networks",
]
