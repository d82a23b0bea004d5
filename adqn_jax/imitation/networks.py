"""Expert, student and their values: acting with one of the first two, or with both in turns."""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments.spaces import Box, Discrete

from adqn_jax.explore import at_random
from adqn_jax.imitation.algorithms import Algorithm, get_algorithm
from adqn_jax.imitation.config import Config
from adqn_jax.nn import model
from adqn_jax.nn.heads import TanhHead
from adqn_jax.nn.model import Model, Sees, make_model
from adqn_jax.spaces import Spaces, is_index_grid
from adqn_jax.teacher import Teacher
from adqn_jax.types import Array, Inputs, Params, PyTree


@struct.dataclass
class Mixture:
    """Who acts: expert, student, or in every slot either, but with probability epsilon at random.

    Who is not there is None; at least one is.
    """

    expert: Params | None
    student: Params | None
    beta: Array | float
    """Probability that the expert acts; where both are there."""
    epsilon: Array | float
    greedy: bool = struct.field(pytree_node=False)
    """Whether the most probable action is taken, or one is drawn."""


@dataclasses.dataclass(frozen=True)
class ImitationNetworks:
    """Separate models that share no parameters.

    Those there may be: "expert" and "student", which give log-probabilities; "v_expert" and
    "v_student", values; "q_expert" and "q_student", values of actions; "encoder", the state that
    the expert sees. Parameters of an expert that acts by it are those of both, by name.
    """

    models: Mapping[str, Model]
    greedy: bool
    """Whether the policy that is evaluated, or loaded, takes the most probable action."""
    matmul_precision: str  # as NetworkConfig.matmul_precision
    state_shape: tuple[int, ...] = ()
    """Of states that are encoded."""
    teacher: Teacher | None = None
    """The expert, where it is given; its parameters are passed wherever it is asked."""

    @property
    def deployed(self) -> Literal["student", "expert"]:
        """Who is trained for: the student, or, without one, the expert."""
        return "student" if "student" in self.models else "expert"

    @property
    def encodes(self) -> bool:
        """Whether the expert sees what an encoder makes of the history."""
        return "encoder" in self.models

    def precision(self) -> contextlib.AbstractContextManager:
        """Trace matrix products in this precision; those of gradients need it around `jax.grad`."""
        return jax.default_matmul_precision(self.matmul_precision)

    def init(self, key: Array, inputs: Inputs) -> Params:
        """Draw parameters; `key` is consumed, `inputs`, leaves [T, B, ...], give shapes only."""
        return model.init(self.models, key, inputs)

    def memory(self, *lead: int) -> PyTree:
        """Return the empty memory of who is deployed, leaves [*lead, ...]."""
        return self.models["encoder" if self.encodes else self.deployed].memory(*lead)

    def actor(
        self, params: Params, epsilon: Array | float = 0.0, greedy: bool | None = None
    ) -> Mixture:
        """Return who acts with these parameters, student or expert; `greedy` None: as evaluated."""
        expert = params.get("expert") if self.deployed == "expert" else None
        if self.encodes:
            expert = {name: params[name] for name in ("encoder", "expert")}
        greedy = self.greedy if greedy is None else greedy
        return Mixture(expert, params.get("student"), 0.0, epsilon, greedy)

    def act(
        self, who: Mixture, memory: PyTree, inputs: Inputs, key: Array
    ) -> tuple[Array, PyTree, Array]:
        """Choose actions, int32 [...]; `key` is consumed.

        The student's memory advances whoever acts.

        Returns:
          The actions; the memory after this slot; log-probabilities of the student, or, without
          one, of the expert, float [..., A].
        """
        key_expert, key_student, key_who, key_explore = jax.random.split(key, 4)
        actions, scores = [], None
        with self.precision():
            if who.expert is not None:
                params = who.expert
                if self.encodes:
                    inputs, memory = self.encode(params["encoder"], memory, inputs)
                    params = params["expert"]
                scores = self.expert(params, inputs)
                actions.append(_choose(key_expert, scores, who.greedy))
            if who.student is not None:
                logits, memory = self.models["student"].step(who.student, memory, inputs)
                scores = jax.nn.log_softmax(logits)
                actions.append(_choose(key_student, scores, who.greedy))
        assert scores is not None
        action = actions[0]
        if len(actions) > 1:
            by_expert = jax.random.bernoulli(key_who, jnp.float32(who.beta), action.shape)
            action = jnp.where(by_expert, actions[0], actions[1])
        action = at_random(key_explore, action, who.epsilon, Discrete(scores.shape[-1]))
        return action, memory, scores

    def expert(self, params: Params, inputs: Inputs) -> Array:
        """Return log π_θ(.|s), float [..., A], of slots with leaves [...]."""
        if self.teacher is not None:
            return self.teacher.log_probs(params, inputs)
        return jax.nn.log_softmax(self.models["expert"].outputs(params, inputs, None))

    def encode(self, params: Params, memory: PyTree, inputs: Inputs) -> tuple[Inputs, PyTree]:
        """Put the encoder's state in the place of the state, in one slot, leaves [...].

        Returns:
          The inputs, and the encoder's memory after the slot.
        """
        with self.precision():
            out, memory = self.models["encoder"].step(params, memory, inputs)
        return self.with_state(inputs, out), memory

    def with_state(self, inputs: Inputs, flat: Array) -> Inputs:
        """Put another state, flat, [..., D], in the place of the state."""
        return dataclasses.replace(inputs, state=flat.reshape(*flat.shape[:-1], *self.state_shape))

    def unroll(
        self, params: Params, inputs: Inputs, memory: Mapping[str, PyTree] | None = None
    ) -> dict[str, Array]:
        """Evaluate networks in every slot of rows, leaves [T, B, ...].

        Args:
          params: of those to be evaluated.
          inputs: leaves [T, B, ...].
          memory: of each before the rows, leaves [B, ...]; None where rows begin with an episode,
            or nothing has a memory.

        Returns:
          By name log-probabilities or values of actions, float [T, B, A], or values, [T, B].
        """
        models = {name: self.models[name] for name in params}
        before = memory and {name: memory[name] for name in params}
        with self.precision():
            encoded, _ = model.advance(models, params, inputs, before)
            outputs = model.evaluate(models, params, inputs, encoded)
        return {name: _read(name, x) for name, x in outputs.items()}

    def look(self, params: Params, inputs: Inputs) -> dict[str, Array]:
        """Evaluate who is there along rows: "pi(a|h)", "pi(a|s)", [T, B, A], "V(h)", [T, B]..."""
        seen, params = {}, dict(params)
        if self.encodes:
            coder = {"encoder": params.pop("encoder")}
            inputs = self.with_state(inputs, self.unroll(coder, inputs)["encoder"])
        for name, x in self.unroll(params, inputs).items():
            sign = _SIGNS.get(name.partition("_")[0], "pi(a|{})")
            named = sign.format(self.models[name].arguments)
            seen[named] = jnp.exp(x) if named.startswith("pi") else x
        return seen


#: What values are called, by the beginning of their names.
_SIGNS = {"v": "V({})", "q": "Q({},a)"}


def make_networks(
    config: Config, spaces: Spaces, teacher: Teacher | None = None
) -> ImitationNetworks:
    """Choose the models of an algorithm: all that learn, and the expert that is given.

    Raises:
      ValueError: when a state is to be encoded that is no array of numbers, or actions are
        continuous.
    """
    algorithm = get_algorithm(config.algorithm)
    outputs: dict[str, tuple[Sees, int]] = {}
    for name, sees in _seeing(algorithm).items():
        if name == "student" or algorithm.expert == "learnt":
            outputs[name] = sees, spaces.num_actions
        if algorithm.expert == "learnt":
            outputs[f"v_{name}"] = sees, 1
            if config.loss.advantage == "q":
                outputs[f"q_{name}"] = sees, spaces.num_actions
    networks = make_policy_networks(config, spaces)
    models = {
        name: make_model(
            sees,
            TanhHead(config.network.head_sizes, size, config.network.output_scale),
            spaces,
            config.network,
        )
        for name, (sees, size) in outputs.items()
    }
    models |= {name: m for name, m in networks.models.items() if name == "encoder"}
    return dataclasses.replace(networks, models=models, teacher=teacher)


def make_policy_networks(config: Config, spaces: Spaces) -> ImitationNetworks:
    """Choose who is deployed alone.

    Raises:
      ValueError: when a state is to be encoded that is no array of numbers, or actions are
        continuous.
    """
    algorithm = get_algorithm(config.algorithm)
    name, sees = list(_seeing(algorithm).items())[-1]
    head = TanhHead(config.network.head_sizes, spaces.num_actions, config.network.output_scale)
    models = {name: make_model(sees, head, spaces, config.network)}
    greedy = config.train.eval_actions == "greedy"
    networks = ImitationNetworks(models, greedy, config.network.matmul_precision)
    if not algorithm.encodes:
        return networks
    if not isinstance(spaces.state, Box) or is_index_grid(spaces.state):
        raise ValueError(
            f"{algorithm.name} needs a state that is an array of numbers, not {spaces.state!r}"
        )
    head = TanhHead(config.network.head_sizes, math.prod(spaces.state.shape), 1.0)
    encoder = make_model("history", head, spaces, config.network)
    return dataclasses.replace(
        networks, models={**models, "encoder": encoder}, state_shape=spaces.state.shape
    )


def _seeing(algorithm: Algorithm) -> dict[str, Sees]:
    """Say what expert and student see."""
    seeing: dict[str, Sees] = {"expert": "state"}
    if algorithm.student != "none":
        seeing["student"] = algorithm.student
    return seeing


def _choose(key: Array, log_probs: Array, greedy: bool) -> Array:
    return log_probs.argmax(-1) if greedy else jax.random.categorical(key, log_probs)


def _read(name: str, outputs: Array) -> Array:
    if name.startswith("v_"):
        return outputs[..., 0]
    raw = name == "encoder" or name.startswith("q_")
    return outputs if raw else jax.nn.log_softmax(outputs)
