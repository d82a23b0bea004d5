"""What stands for the history of actions and observations; chosen by `NetworkConfig.history`."""

from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp

from adqn_jax.config import NetworkConfig
from adqn_jax.nn import initial
from adqn_jax.nn.encoders import action_encoder, observation_encoder
from adqn_jax.nn.gru import Gates, gru_scan, gru_step
from adqn_jax.nn.initial import later
from adqn_jax.nn.linear import linear
from adqn_jax.nn.lstm import LSTMState, lstm_scan, lstm_step
from adqn_jax.nn.shown import Told, told_space
from adqn_jax.types import Array, Inputs, PyTree, Spec


class _History(nn.Module):
    """Whose memory is one array, and says all that there is to say."""

    action_space: Spec
    observation_space: Spec
    config: NetworkConfig

    @property
    def width(self) -> int:
        """Width of the features, H."""
        raise NotImplementedError

    def memory(self, *lead: int) -> PyTree:
        """Return what is remembered before an episode, zeros [*lead, H]."""
        return jnp.zeros((*lead, self.width), jnp.float32)

    def features(self, memory: PyTree) -> Array:
        """Return what a memory says, [..., H]."""
        return jnp.asarray(memory)


class _Recurrent(_History):
    """Over [embedding of the action before, features of the observation]."""

    gates: ClassVar[int]

    def setup(self) -> None:
        """Declare the parameters."""
        config, size = self.config, self.config.history_size
        self.observation = observation_encoder(self.observation_space, config)
        self.action = action_encoder(self.action_space, config)
        uniform, wide = initial.uniform(1.0 / size**0.5), self.gates * size
        recurrent = uniform if config.gru_init == "uniform" else initial.orthogonal_gates
        self.kernel_x = self.param("kernel_x", later(uniform), (2 * config.embedding_size, wide))
        self.kernel_h = self.param("kernel_h", later(recurrent), (size, wide))
        keeps = initial.second_gate_raised(uniform, size, config.update_gate_bias)
        self.bias_x = self.param("bias_x", later(keeps), (wide,))
        self.bias_h = self.param("bias_h", later(uniform), (wide,))

    @property
    def width(self) -> int:
        """Width of the state, H."""
        return self.config.history_size

    def _project(self, inputs: Inputs) -> list[Array]:
        """Map slots, leaves [...], to the pre-activations of the gates, [..., H] each."""
        action = self.action(inputs.action_tm1)
        action = jnp.where(inputs.start[..., None], 0.0, action)  # before the first action: zeros
        features = jnp.concatenate([action, self.observation(inputs.observation)], axis=-1)
        kernels = jnp.split(self.kernel_x, self.gates, axis=-1)
        biases = jnp.split(self.bias_x, self.gates, axis=-1)
        return [linear(features, w, b) for w, b in zip(kernels, biases, strict=True)]


class GRUHistory(_Recurrent):
    """A GRU's state."""

    gates = 3

    def __call__(self, inputs: Inputs, memory: Array | None = None) -> tuple[Array, Array]:
        """Encode rows, leaves [T, B, ...], from a memory, by default the empty one.

        Returns:
          The features, [T, B, H], and the memory after the last slot.
        """
        x = Gates(*self._project(inputs))
        h = jnp.zeros_like(x.n[0]) if memory is None else memory
        states = gru_scan(self.kernel_h, self.bias_h, x, inputs.start, h)
        return states, states[-1]

    def step(self, memory: Array, inputs: Inputs) -> Array:
        """Advance histories, [..., H], by one slot."""
        x = Gates(*self._project(inputs))
        return gru_step(self.kernel_h, self.bias_h, x, memory, inputs.start)


class LSTMHistory(_Recurrent):
    """An LSTM's output; its memory is that and the cell."""

    gates = 4

    def memory(self, *lead: int) -> LSTMState:
        """Return what is remembered before an episode, zeros [*lead, H] each."""
        zeros = super().memory(*lead)
        return LSTMState(zeros, zeros)

    def features(self, memory: LSTMState) -> Array:
        """Return the output, [..., H]."""
        return memory.h

    def __call__(self, inputs: Inputs, memory: LSTMState | None = None) -> tuple[Array, LSTMState]:
        """Encode rows, leaves [T, B, ...], from a memory, by default the empty one.

        Returns:
          The features, [T, B, H], and the memory after the last slot.
        """
        first = self.memory(*inputs.start.shape[1:]) if memory is None else memory
        x = self._project(inputs)
        return lstm_scan(self.kernel_h, self.bias_h, x, inputs.start, first)

    def step(self, memory: LSTMState, inputs: Inputs) -> LSTMState:
        """Advance memories, [..., H] each, by one slot."""
        x = self._project(inputs)
        return lstm_step(self.kernel_h, self.bias_h, x, memory, inputs.start)


class NoHistory(_History):
    """The features of the last observation, and nothing before."""

    def setup(self) -> None:
        """Declare the parameters."""
        self.observation = observation_encoder(self.observation_space, self.config)

    @property
    def width(self) -> int:
        """Features of an observation, H."""
        return self.config.embedding_size

    def __call__(self, inputs: Inputs, memory: PyTree = None) -> tuple[Array, Array]:
        """Encode rows, leaves [T, B, ...], to [T, B, H], and the last slot; whatever the memory."""
        features = jnp.asarray(self.observation(inputs.observation))
        return features, features[-1]

    def step(self, memory: PyTree, inputs: Inputs) -> Array:
        """Encode slots, leaves [...], to [..., H]; whatever the memory."""
        return jnp.asarray(self.observation(inputs.observation))


HISTORIES = {"gru": GRUHistory, "lstm": LSTMHistory, "none": NoHistory}


def make_history(action_space: Spec, observation_space: Spec, config: NetworkConfig) -> nn.Module:
    """Choose what stands for the history.

    Raises:
      ValueError: when there is no encoder of the observations, or with `memory_bits` nothing in
        them is counted.
    """
    kind = HISTORIES[config.history]
    if not config.memory_bits:
        return kind(action_space, observation_space, config)
    return Told(kind(action_space, told_space(observation_space), config), observation_space)
