"""Q(h,a) and U(h,s,a) or U(s,a): acting with the first, evaluating both."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments.spaces import Discrete

from adqn_jax.explore import at_random
from adqn_jax.nn import asking, model
from adqn_jax.nn.belief import Belief
from adqn_jax.nn.heads import DuelingHead, Head, ImplicitQuantileHead
from adqn_jax.nn.model import Model, Sees, make_model
from adqn_jax.nn.recall import Recall, make_recall
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Inputs, Params, PyTree
from adqn_jax.value.algorithms import get_algorithm
from adqn_jax.value.config import Config
from adqn_jax.value.distributions import Distribution, ImplicitQuantiles, make_distribution


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


@struct.dataclass
class Outputs:
    """What the heads say along rows, and the action values that this means."""

    q: Array  # [T, B, A, *shape]
    u: Array | None  # [T, B, A, *shape]
    fractions: Array | None  # [T, B, N] at which implicit quantiles were asked for
    values: Values
    asked: dict[str, Array] = struct.field(default_factory=dict)
    """What Q's history is asked for beside values, by name, [T, B, N]: what it tells of that."""


@dataclasses.dataclass(frozen=True)
class ValueNetworks:
    """Models of "q" and perhaps "u", which share nothing, or Q's encoder of the history."""

    models: Mapping[str, Model]
    distribution: Distribution
    """What the heads' numbers say."""
    matmul_precision: str  # as NetworkConfig.matmul_precision
    asks: asking.Asks = dataclasses.field(default_factory=dict)
    """What Q's history is asked for beside values."""

    def precision(self) -> contextlib.AbstractContextManager:
        """Trace matrix products in this precision; those of gradients need it around `jax.grad`."""
        return jax.default_matmul_precision(self.matmul_precision)

    def init(self, key: Array, inputs: Inputs) -> Params:
        """Draw parameters; `key` is consumed, `inputs`, leaves [T, B, ...], give shapes only."""
        params = model.init(self.models, key, inputs)
        if self.asks:
            first = jax.tree.map(lambda x: x[:1, :1], inputs)
            params |= asking.init(self.asks, self.encode(params, first)["q"])
        return params

    def memory(self, *lead: int) -> PyTree:
        """Return empty histories, leaves [*lead, ...]."""
        return self.models["q"].memory(*lead)

    def actor(
        self, params: Params, epsilon: Array | float = 0.0, greedy: bool | None = None
    ) -> Actor:
        """Return who takes the action of the largest value, but one at random with epsilon.

        Raises:
          ValueError: when it is told not to be greedy.
        """
        if greedy is False:
            raise ValueError("values are no probabilities to draw actions from: they act greedily")
        return Actor(params["q"], epsilon)

    def act(
        self, who: Actor, memory: PyTree, inputs: Inputs, key: Array
    ) -> tuple[Array, PyTree, Array]:
        """Choose actions, int32 [...]; `key` is consumed.

        Returns:
          The actions; the histories after this slot; the values Q(h,.), float [..., A].
        """
        with self.precision():
            outputs, memory = self.models["q"].step(who.q, memory, inputs)
            q = self.distribution.mean(outputs)
        return epsilon_greedy(key, q, who.epsilon), memory, q

    def unroll(self, params: Params, inputs: Inputs) -> Values:
        """Evaluate Q and U in every slot of rows.

        Rows begin with an episode's first slot, unless nothing remembers what was before.
        """
        return self._expected(self.heads(params, inputs, self.encode(params, inputs)))

    def outputs(self, params: Params, inputs: Inputs, key: Array) -> Outputs:
        """Evaluate all that the heads say, of rows as `unroll` takes them.

        Implicit quantiles are asked for at fractions drawn with `key`, which is consumed; the
        values that they mean, at fixed ones, as acting does: who chooses an action by the very
        draw that says what it is worth takes luck for worth.
        """
        encoded, fractions = self.encode(params, inputs), None
        if isinstance(self.distribution, ImplicitQuantiles):
            shape = (*inputs.start.shape, *self.distribution.shape)
            fractions = jax.random.uniform(key, shape, jnp.float32)
        of_heads = self.heads(params, inputs, encoded, fractions)
        fixed = of_heads if fractions is None else self.heads(params, inputs, encoded)
        with self.precision():
            asked = asking.tell(self.asks, params, encoded["q"])
        return Outputs(of_heads["q"], of_heads.get("u"), fractions, self._expected(fixed), asked)

    def encode(self, params: Params, inputs: Inputs) -> dict[str, Array]:
        """Encode every slot's history, [T, B, H], for each model that reads it."""
        with self.precision():
            return model.encode(self.models, params, inputs)

    def heads(
        self,
        params: Params,
        inputs: Inputs,
        encoded: Mapping[str, Array],
        fractions: Array | None = None,
    ) -> dict[str, Array]:
        """Evaluate each model's head, [T, B, A, *shape], given the encoded histories."""
        of_head = () if fractions is None else (fractions,)
        with self.precision():
            return model.evaluate(self.models, params, inputs, encoded, *of_head)

    def _expected(self, of_heads: Mapping[str, Array]) -> Values:
        with self.precision():
            mean = {name: self.distribution.mean(x) for name, x in of_heads.items()}
        return Values(mean["q"], mean.get("u"))

    def look(self, params: Params, inputs: Inputs) -> dict[str, Array]:
        """Evaluate every model along rows, [T, B, A], by name: "Q(h,a)", "U(h,s,a)", "U(s,a)"."""
        values = self.unroll(params, inputs)
        return {
            f"{name.upper()}({of.arguments},a)": getattr(values, name)
            for name, of in self.models.items()
        }


def make_networks(config: Config, spaces: Spaces) -> ValueNetworks:
    """Choose the models of an algorithm.

    Raises:
      ValueError: when a categorical distribution has no range, actions are continuous, or
        observations show nothing that can be asked for.
    """
    privileged = get_algorithm(config.algorithm).privileged
    sees: dict[str, Sees] = {"q": "history"}
    if privileged != "none":
        sees["u"] = privileged
    distribution = make_distribution(config.heads)
    head = _head(config, spaces.num_actions, distribution)
    models = {name: make_model(what, head, spaces, config.network) for name, what in sees.items()}
    if config.train.history_encoders == "shared" and privileged == "history-state":
        models["u"] = dataclasses.replace(models["u"], reads="q")
    asked: dict[str, Recall | Belief] = {}
    if config.loss.recall_weight:
        asked["recall"] = make_recall(spaces.observation)
    if config.loss.belief_weight:
        asked["belief"] = Belief(spaces.state)
    return ValueNetworks(models, distribution, config.network.matmul_precision, asked)


def _head(config: Config, actions: int, distribution: Distribution) -> nn.Module:
    # A head that is asked at fractions gives a number for each action, at one fraction.
    implicit = isinstance(distribution, ImplicitQuantiles)
    outputs = (actions,) if implicit else (actions, *distribution.shape)
    sizes, scale = config.network.head_sizes, config.network.output_scale
    head: nn.Module = Head(sizes, outputs, scale)
    if config.heads.head != "plain":
        subtract: Any = config.heads.head.removeprefix("dueling-")
        head = DuelingHead(sizes, outputs, scale, subtract)
    if isinstance(distribution, ImplicitQuantiles):
        return ImplicitQuantileHead(head, distribution.atoms)
    return head


def epsilon_greedy(key: Array, q: Array, epsilon: Array | float) -> Array:
    """Choose actions, int32 [...], greedy in values [..., A] but with probability epsilon random.

    A random action is uniform over all; `key` is consumed.
    """
    return at_random(key, jnp.argmax(q, axis=-1), epsilon, Discrete(q.shape[-1]))
