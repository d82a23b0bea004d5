"""Privileged information for partially observable control, compiled end to end.

`make_train` gives a whole run as one pure function of a key; `make_trainer` its pieces;
`SeedRunner` runs many seeds over all local devices from the host; `load_policy` gives what was
learnt as functions to act with. What sees the privileged state never acts,
but for experts and the student of `dagger`.
"""

from adqn_jax import gymnax_import as _  # noqa: F401  before anything else imports gymnax
from adqn_jax.config import NetworkConfig
from adqn_jax.parallel import SeedRunner, seed_keys
from adqn_jax.policy import Policy, load_policy, make_policy, save_policy
from adqn_jax.trainer import Trainer, make_train, make_trainer
from adqn_jax.types import Carry as PolicyCarry
from adqn_jax.types import TrainState
from adqn_jax.value import (
    ALGORITHMS,
    Algorithm,
    Config,
    Hyperparameters,
    LossConfig,
    TrainConfig,
    losses,
)

#: The version of the package and of its wheel; pyproject.toml reads it here, so it stays a literal.
__version__ = "0.1.0"

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Config",
    "Hyperparameters",
    "LossConfig",
    "NetworkConfig",
    "Policy",
    "PolicyCarry",
    "SeedRunner",
    "TrainConfig",
    "TrainState",
    "Trainer",
    "load_policy",
    "losses",
    "make_policy",
    "make_train",
    "make_trainer",
    "save_policy",
    "seed_keys",
]
