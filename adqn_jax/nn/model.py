"""A model: what it sees of a slot, to a head's outputs.

Models share no parameters, unless one reads the history as another encodes it.

Q(h,a) is a model that sees the history and gives a number for each action; U(h,s,a) one that sees
history and state; V(s) one that sees the state and gives one number.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from adqn_jax.config import NetworkConfig
from adqn_jax.nn import initial
from adqn_jax.nn.encoders import state_encoder
from adqn_jax.nn.history import make_history
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Inputs, Params, PyTree

Sees = Literal["history", "history-state", "state"]


@dataclasses.dataclass(frozen=True)
class Model:
    """Parameters are a dict of those of the parts there are: history, state, head."""

    history: Any  # of make_history, or None
    state: nn.Module | None
    head: nn.Module  # of heads.py
    reads: str | None = None  # whose encoding of the history it takes; None: its own

    @property
    def encodes(self) -> bool:
        """Whether it has a history encoder of its own."""
        return self.history is not None and self.reads is None

    @property
    def arguments(self) -> str:
        """Name what it sees, as mathematics does: h, s, or both."""
        seen = {"h": self.history, "s": self.state}
        return ",".join(name for name, part in seen.items() if part is not None)

    def memory(self, *lead: int) -> PyTree:
        """Return what it remembers before an episode, leaves [*lead, ...]; perhaps nothing."""
        return self.history.memory(*lead) if self.encodes else ()

    def init(self, keys: Iterator[Array], slot: Inputs) -> Params:
        """Return parameters that `initial.draw` has yet to draw; each part takes a key."""
        params: Params = {}
        features: list[Array] = []
        # State first: the order decides which numbers a part is given.
        if self.state is not None:
            params["state"] = self.state.init(next(keys), slot.state)
            features = [self._state_features(params, slot)]
        if self.encodes:
            params["history"] = self.history.init(next(keys), slot)
        if self.history is not None:
            empty = self.history.features(self.history.memory(*slot.start.shape))
            features = [empty, *features]
        params["head"] = self.head.init(next(keys), jnp.concatenate(features, axis=-1))
        return params

    def step(self, params: Params, memory: PyTree, inputs: Inputs) -> tuple[Array, PyTree]:
        """Advance by one slot, leaves [...].

        Returns:
          The outputs, float [..., *N], and the memory after the slot.
        """
        encoded, memory = self.encode(params, memory, inputs)
        return self.outputs(params, inputs, encoded), memory

    def encode(self, params: Params, memory: PyTree, inputs: Inputs) -> tuple[Array | None, PyTree]:
        """Advance its memory by one slot, leaves [...]; return the encoded history first, [..., H].

        It is None, and the memory empty, if the model has no encoder of its own.
        """
        if not self.encodes:
            return None, memory
        kind = type(self.history)
        memory = self.history.apply(params["history"], memory, inputs, method=kind.step)
        return self.history.features(memory), memory

    def outputs(
        self, params: Params, inputs: Inputs, encoded: Array | None, *of_head: Array
    ) -> Array:
        """Evaluate slots, [...], whose histories are encoded, [..., H]; returns [..., *N].

        What else its head takes, such as fractions, it is given.
        """
        parts = [] if encoded is None else [encoded]
        if self.state is not None:
            parts.append(self._state_features(params, inputs))
        features = parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
        return jnp.asarray(self.head.apply(params["head"], features, *of_head))

    def _state_features(self, params: Params, inputs: Inputs) -> Array:
        assert self.state is not None
        if inputs.state is None:
            raise ValueError("a model that sees the privileged state was asked without one")
        return jnp.asarray(self.state.apply(params["state"], inputs.state))


def make_model(sees: Sees, head: nn.Module, spaces: Spaces, config: NetworkConfig) -> Model:
    """Choose a model's encoders from the spaces that an environment declares."""
    history = make_history(spaces.action, spaces.observation, config)
    return Model(
        history=None if sees == "state" else history,
        state=None if sees == "history" else state_encoder(spaces.state, config),
        head=head,
    )


def init(models: Mapping[str, Model], key: Array, inputs: Inputs) -> Params:
    """Draw the parameters of several models; `inputs`, leaves [T, B, ...], give shapes only."""
    parts = [
        part
        for m in models.values()
        for part in (m.history if m.encodes else None, m.state, m.head)
        if part is not None
    ]
    key_draw, *keys_parts = jax.random.split(key, len(parts) + 1)
    keys = iter(keys_parts)
    slot = jax.tree.map(lambda x: x[:1, :1], inputs)
    with jax.default_matmul_precision("float32"):  # orthogonal weights are made by products
        undrawn = {name: model.init(keys, slot) for name, model in models.items()}
        return initial.draw(undrawn, key_draw)


def encode(models: Mapping[str, Model], params: Params, inputs: Inputs) -> dict[str, Array]:
    """Encode the history of every slot, [T, B, H], for each model that takes it: one scan.

    Rows begin with an episode.
    """
    return advance(models, params, inputs, None)[0]


def advance(
    models: Mapping[str, Model],
    params: Params,
    inputs: Inputs,
    memory: Mapping[str, PyTree] | None,
) -> tuple[dict[str, Array], dict[str, PyTree]]:
    """Encode the history of every slot of rows that may begin within an episode.

    Args:
      models: by name.
      params: of each.
      inputs: leaves [T, B, ...].
      memory: of each model before the rows, leaves [B, ...]; None where they begin with an episode.

    Returns:
      The encoded histories, [T, B, H], of each model that takes them; the memory of every model
      after the rows.
    """
    encoding = {name: model.history for name, model in models.items() if model.encodes}
    after: dict[str, PyTree] = dict.fromkeys(models, ())
    if not encoding:
        return {}, after
    history = next(iter(encoding.values()))
    stacked = _stack([params[name]["history"] for name in encoding])
    # None is a pytree without leaves, and stays None under `vmap`.
    before = None if memory is None else _stack([memory[name] for name in encoding])
    run = jax.vmap(lambda of_model, begun: history.apply(of_model, inputs, begun))
    encoded, last = run(stacked, before)
    after |= {name: jax.tree.map(lambda x, i=i: x[i], last) for i, name in enumerate(encoding)}
    found = dict(zip(encoding, encoded, strict=True))
    found |= {name: found[model.reads] for name, model in models.items() if model.reads}
    return found, after


def _stack(trees: Sequence[PyTree]) -> PyTree:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def evaluate(
    models: Mapping[str, Model],
    params: Params,
    inputs: Inputs,
    encoded: Mapping[str, Array],
    *of_head: Array,
) -> dict[str, Array]:
    """Evaluate each model in every slot, [T, B, *N], given the encoded histories."""
    return {
        name: model.outputs(params[name], inputs, encoded.get(name), *of_head)
        for name, model in models.items()
    }
