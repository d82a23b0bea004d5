"""PureJaxQL's recurrent PQN (github.com/mttga/purejaxql) on our environments.

Its module is given environments by `gymnax.make` of the older API. Its wrappers, which flatten
observations and log, are left out: ours are flat, and nothing reads the logs. hydra, omegaconf
and wandb are for its command line.
"""

import pathlib
import types
from typing import Any

import jax.numpy as jnp

from adqn_jax.types import Array, PyTree
from support.benchmarks import checkouts
from support.benchmarks.checkouts import OlderEnvironment

FILE = pathlib.Path("purejaxql", "pqn_rnn_gymnax.py")
#: What its command line imports, and its `make_train` leaves alone.
_UNUSED: checkouts.Unused = {
    "hydra": {"main": lambda **_: lambda main: main},
    "omegaconf": {"OmegaConf": None},
    "wandb": {},
}
#: Its settings for a task of memory, in its file config/alg/pqn_rnn_memory_chain.yaml.
PUBLISHED: dict[str, Any] = {
    "TOTAL_TIMESTEPS": 100_000, "TOTAL_TIMESTEPS_DECAY": 100_000, "NUM_ENVS": 32,
    "MEMORY_WINDOW": 4, "NUM_STEPS": 128, "EPS_START": 1.0, "EPS_FINISH": 0.01, "EPS_DECAY": 0.1,
    "NUM_MINIBATCHES": 16, "NUM_EPOCHS": 4, "NORM_INPUT": False, "HIDDEN_SIZE": 256,
    "NUM_LAYERS": 2, "NORM_TYPE": "layer_norm", "LR": 1e-3, "MAX_GRAD_NORM": 10,
    "LR_LINEAR_DECAY": False, "REW_SCALE": 1.0, "GAMMA": 0.99, "LAMBDA": 0.95, "ENV_NAME": "",
    "ENV_KWARGS": {}, "TEST_DURING_TRAINING": False, "WANDB_MODE": "disabled",
}  # fmt: skip
#: What is another in `benchmark.py peers`.
TUNED: dict[str, Any] = {
    "TOTAL_TIMESTEPS": 1_500_000, "TOTAL_TIMESTEPS_DECAY": 1_000_000, "NUM_ENVS": 64,
    "NUM_MINIBATCHES": 4, "HIDDEN_SIZE": 128, "NUM_LAYERS": 1, "LR": 5e-4, "GAMMA": 0.97,
    "EPS_FINISH": 0.05,
}  # fmt: skip


def load(checkout: pathlib.Path) -> Any:
    """Import its recurrent PQN.

    Args:
      checkout: of github.com/mttga/purejaxql.

    Returns:
      The module, which has `make_train(config)`.

    Raises:
      ValueError: when it is no such checkout, or asks for a package that is not installed.
    """
    return checkouts.load("purejaxql", checkout, FILE, _UNUSED)


def make_train(module: Any, env: Any, env_params: Any, config: dict[str, Any]) -> Any:
    """Return its `train(key)` for one of our environments; arguments as of `purejaxrl`'s.

    Raises:
      ValueError: when observations are neither Discrete nor a Box.
    """
    older = OlderEnvironment(env, env_params)
    module.gymnax = types.SimpleNamespace(make=lambda name: (older, env_params))
    module.FlattenObservationWrapper = module.LogWrapper = lambda env: env
    return module.make_train(dict(config))


def memory(state: PyTree) -> Array:
    """Return its GRU's states, [E, H]."""
    return state[2][0]


def greedy(
    state: PyTree, memory: Array, seen: Array, start: Array, action_tm1: Array, key: Array
) -> tuple[Array, Array]:
    """Take the actions of the largest values; arguments as of `purejaxrl.greedy`."""
    learned = state[0]
    variables = {"params": learned.params, "batch_stats": learned.batch_stats}
    rows: Any = (memory, seen[None], start[None], action_tm1[None])
    memory, values = learned.apply_fn(variables, *rows, train=False)
    return jnp.argmax(values[0], -1), memory


#: How it may act when it is evaluated.
WAYS = (greedy,)
