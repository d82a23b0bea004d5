"""PureJaxRL's recurrent PPO (github.com/luchris429/purejaxrl) on our environments.

Its module is given environments by `gymnax.make` of the older API, and flax's older `GRUCell()`.
Its file of wrappers also imports brax and navix, which its recurrent PPO does not use.
"""

import pathlib
import types
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from adqn_jax.types import Array, PyTree
from support.benchmarks import checkouts
from support.benchmarks.checkouts import OlderEnvironment, with_attributes

FILE = pathlib.Path("purejaxrl", "ppo_rnn.py")
#: What its wrappers import and its recurrent PPO leaves alone.
_UNUSED: checkouts.Unused = {
    "brax": {"envs": None},
    "brax.envs": {},
    "brax.envs.wrappers": {},
    "brax.envs.wrappers.training": {"EpisodeWrapper": None, "AutoResetWrapper": None},
    "navix": {},
}
#: What its file sets.
PUBLISHED: dict[str, Any] = {
    "LR": 2.5e-4, "NUM_ENVS": 4, "NUM_STEPS": 128, "TOTAL_TIMESTEPS": 500_000, "UPDATE_EPOCHS": 4,
    "NUM_MINIBATCHES": 4, "GAMMA": 0.99, "GAE_LAMBDA": 0.95, "CLIP_EPS": 0.2, "ENT_COEF": 0.01,
    "VF_COEF": 0.5, "MAX_GRAD_NORM": 0.5, "ENV_NAME": "", "ANNEAL_LR": True, "DEBUG": False,
}  # fmt: skip
#: What is another in `benchmark.py peers`.
TUNED: dict[str, Any] = {
    "TOTAL_TIMESTEPS": 1_500_000, "NUM_ENVS": 64, "NUM_STEPS": 64, "LR": 1e-3, "GAMMA": 0.97,
    "ENT_COEF": 0.02,
}  # fmt: skip


def load(checkout: pathlib.Path) -> Any:
    """Import its recurrent PPO, and give its module a `GRUCell` of the older kind.

    Args:
      checkout: of github.com/luchris429/purejaxrl.

    Returns:
      The module, which has `make_train(config)`.

    Raises:
      ValueError: when it is no such checkout, or asks for a package that is not installed.
    """
    module = checkouts.load("purejaxrl", checkout, FILE, _UNUSED)
    module.nn = with_attributes(nn, GRUCell=OlderGRUCell)
    return module


def make_train(module: Any, env: Any, env_params: Any, config: dict[str, Any]) -> Any:
    """Return its `train(key)` for one of our environments.

    Args:
      module: what `load` has returned.
      env: an environment of ours.
      env_params: its parameters.
      config: as its `make_train` takes it.

    Raises:
      ValueError: when observations are neither Discrete nor a Box.
    """
    older = OlderEnvironment(env, env_params)
    module.gymnax = types.SimpleNamespace(make=lambda name: (older, env_params))
    return module.make_train(dict(config))


def memory(state: PyTree) -> Array:
    """Return its GRU's states, [E, H]."""
    return state[4]


def greedy(
    state: PyTree, memory: Array, seen: Array, start: Array, action_tm1: Array, key: Array
) -> tuple[Array, Array]:
    """Take the likeliest actions.

    Args:
      state: of its run.
      memory: of its GRU, [N, H].
      seen: observations, [N, n].
      start: where an episode begins, bool [N].
      action_tm1: the action before, int32 [N]; 0 where an episode begins.
      key: consumed, where actions are drawn.

    Returns:
      Actions, int32 [N], and the memory after them.
    """
    logits, memory = _logits(state, memory, seen, start)
    return logits.argmax(-1), memory


def drawn(
    state: PyTree, memory: Array, seen: Array, start: Array, action_tm1: Array, key: Array
) -> tuple[Array, Array]:
    """Draw actions, as in training; arguments as of `greedy`."""
    logits, memory = _logits(state, memory, seen, start)
    return jax.random.categorical(key, logits), memory


def _logits(state: PyTree, memory: Array, seen: Array, start: Array) -> tuple[Array, Array]:
    learned = state[0]
    memory, policy, _ = learned.apply_fn(learned.params, memory, (seen[None], start[None]))
    return policy.logits[0], memory


#: How it may act when it is evaluated.
WAYS = (greedy, drawn)


class OlderGRUCell:
    """flax's GRU cell as it was: its width is that of its state."""

    def __call__(self, carry: jax.Array, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Advance states, [B, H], by inputs, [B, I]; called in a compact method."""
        cell: Any = nn.GRUCell(carry.shape[-1])
        advanced: tuple[jax.Array, jax.Array] = cell(carry, inputs)
        return advanced

    @staticmethod
    def initialize_carry(key: jax.Array, batch: tuple[int, ...], size: int) -> jax.Array:
        """Return states before the first input, zeros [*batch, size]."""
        del key
        return jnp.zeros((*batch, size))
