"""Q(h,a) and U(h,s,a) or U(s,a): acting with the first, evaluating both."""

import contextlib
import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.nn import model
from adqn_jax.nn.model import Model, Sees, make_model
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Inputs, Params, PyTree
from adqn_jax.value.algorithms import get_algorithm
from adqn_jax.value.config import Config


@struct.dataclass
class Actor:
    """Who acts: greedily in Q(h,.), but with probability epsilon at random."""

    q: Params
    epsilon: Array | float


@struct.dataclass
class Values:
    """Action values along rows."""

    q: Array  # [T, B, A] Q(h, .)
    u: Array | None  # [T, B, A] U(h, s, .) or U(s, .); None for an algorithm without U


@dataclasses.dataclass(frozen=True)
class ValueNetworks:
    """Separate models that share no parameters; `models` has "q" and perhaps "u"."""

    models: Mapping[str, Model]
    matmul_precision: str  # as NetworkConfig.matmul_precision

    def precision(self) -> contextlib.AbstractContextManager:
        """Trace matrix products in this precision; those of gradients need it around `jax.grad`."""
        return jax.default_matmul_precision(self.matmul_precision)

    def init(self, key: Array, inputs: Inputs) -> Params:
        """Draw parameters; `key` is consumed, `inputs`, leaves [T, B, ...], give shapes only."""
        return model.init(self.models, key, inputs)

    def memory(self, *lead: int) -> PyTree:
        """Return empty histories, [*lead, H]."""
        return self.models["q"].memory(*lead)

    def actor(self, params: Params, epsilon: Array | float = 0.0) -> Actor:
        """Return who acts with these parameters."""
        return Actor(params["q"], epsilon)

    def act(
        self, who: Actor, memory: PyTree, inputs: Inputs, key: Array
    ) -> tuple[Array, PyTree, Array]:
        """Choose actions, int32 [...]; `key` is consumed.

        Returns:
          The actions; the histories after this slot; the values Q(h,.), float [..., A].
        """
        with self.precision():
            q, memory = self.models["q"].step(who.q, memory, inputs)
        return epsilon_greedy(key, q, who.epsilon), memory, q

    def unroll(self, params: Params, inputs: Inputs) -> Values:
        """Evaluate Q and U in every slot of rows that begin with an episode's first slot."""
        return self.values(params, inputs, self.encode(params, inputs))

    def encode(self, params: Params, inputs: Inputs) -> dict[str, Array]:
        """Encode every slot's history, [T, B, H], for each model that reads it."""
        with self.precision():
            return model.encode(self.models, params, inputs)

    def values(self, params: Params, inputs: Inputs, encoded: Mapping[str, Array]) -> Values:
        """Evaluate Q and U in every slot, given its encoded histories."""
        with self.precision():
            outputs = model.evaluate(self.models, params, inputs, encoded)
        return Values(q=outputs["q"], u=outputs.get("u"))

    def look(self, params: Params, inputs: Inputs) -> dict[str, Array]:
        """Evaluate every model along rows, [T, B, A], by name: "Q(h,a)", "U(h,s,a)", "U(s,a)"."""
        values = self.unroll(params, inputs)
        return {
            f"{name.upper()}({of.arguments},a)": getattr(values, name)
            for name, of in self.models.items()
        }


def make_networks(config: Config, spaces: Spaces) -> ValueNetworks:
    """Choose the models of an algorithm."""
    privileged = get_algorithm(config.algorithm).privileged
    sees: dict[str, Sees] = {"q": "history"}
    if privileged != "none":
        sees["u"] = privileged
    models = {
        name: make_model(what, spaces.num_actions, spaces, config.network)
        for name, what in sees.items()
    }
    return ValueNetworks(models, config.network.matmul_precision)


def epsilon_greedy(key: Array, q: Array, epsilon: Array | float) -> Array:
    """Choose actions, int32 [...], greedy in values [..., A] but with probability epsilon random.

    A random action is uniform over all; `key` is consumed.
    """
    key_explore, key_action = jax.random.split(key)
    explore = jax.random.bernoulli(key_explore, jnp.float32(epsilon), q.shape[:-1])
    uniform = jax.random.randint(key_action, q.shape[:-1], 0, q.shape[-1], jnp.int32)
    return jnp.where(explore, uniform, jnp.argmax(q, axis=-1)).astype(jnp.int32)
