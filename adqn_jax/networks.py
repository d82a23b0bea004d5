"""Q(h,a) and U(h,s,a) or U(s,a): parameters, unrolled along rows or stepped one by one."""

import contextlib
import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from adqn_jax.algorithms import Algorithm
from adqn_jax.config import NetworkConfig
from adqn_jax.encoders import Embedding, observation_encoder, state_encoder, xavier_relu
from adqn_jax.gru import Gates, gru_scan, gru_step, split_gates
from adqn_jax.linear import Linear, linear
from adqn_jax.types import Array, Environment, Params, PyTree, Rows, Spec, Values


class HistoryEncoder(nn.Module):
    """GRU over [embedding of the action before, features of the observation].

    Without history (`config.history` none) these features alone.
    """

    num_actions: int
    observation_space: Spec
    config: NetworkConfig

    def setup(self) -> None:
        """Declare the parameters."""
        config, size = self.config, self.config.history_size
        self.observation = observation_encoder(self.observation_space, config)
        if config.history == "none":
            return
        self.action = Embedding(self.num_actions, config.embedding_size, config.action_scale)
        uniform = _uniform(1.0 / size**0.5)
        recurrent = uniform if config.gru_init == "uniform" else _orthogonal_gates
        self.kernel_x = self.param("kernel_x", uniform, (2 * config.embedding_size, 3 * size))
        self.kernel_h = self.param("kernel_h", recurrent, (size, 3 * size))
        self.bias_x = self.param(
            "bias_x", _gate_bias(uniform, config.update_gate_bias), (3 * size,)
        )
        self.bias_h = self.param("bias_h", uniform, (3 * size,))

    @property
    def width(self) -> int:
        """Width of what stands for the history, H."""
        config = self.config
        return config.history_size if config.history == "gru" else config.embedding_size

    def project(self, action_tm1: Array, observation: PyTree, start: Array) -> Gates:
        """Map a slot's inputs, [...], to the pre-activations of the GRU's gates, [..., H] each."""
        action = self.action(action_tm1)
        action = jnp.where(start[..., None], 0.0, action)  # before the first action: zeros
        features = jnp.concatenate([action, self.observation(observation)], axis=-1)
        kernels, biases = split_gates(self.kernel_x), split_gates(self.bias_x)
        return Gates(*(linear(features, w, b) for w, b in zip(kernels, biases, strict=True)))

    def __call__(self, action_tm1: Array, observation: PyTree, start: Array) -> Array:
        """Encode rows, [T, B], from the zero state; returns [T, B, H]."""
        if self.config.history == "none":
            return jnp.asarray(self.observation(observation))
        x = self.project(action_tm1, observation, start)
        return gru_scan(self.kernel_h, self.bias_h, x, start)

    def step(self, carry: Array, action_tm1: Array, observation: PyTree, start: Array) -> Array:
        """Advance histories, [..., H], by one slot."""
        if self.config.history == "none":
            return jnp.asarray(self.observation(observation))
        x = self.project(action_tm1, observation, start)
        return gru_step(self.kernel_h, self.bias_h, x, carry, start)


class Head(nn.Module):
    """Features to action values."""

    sizes: tuple[int, ...]
    num_actions: int
    output_scale: float

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map [..., F] to [..., A]."""
        for size in self.sizes:
            features = nn.relu(Linear(size, xavier_relu)(features))
        return Linear(self.num_actions, _scaled(xavier_relu, self.output_scale))(features)


@dataclasses.dataclass(frozen=True)
class Networks:
    """Q and, for algorithms that have one, U: separate networks that share no parameters."""

    history: HistoryEncoder
    state: nn.Module
    head: Head
    privileged: str  # as Algorithm.privileged
    matmul_precision: str  # as NetworkConfig.matmul_precision

    def precision(self) -> contextlib.AbstractContextManager:
        """Trace matrix products in this precision; those of gradients need it around `jax.grad`."""
        return jax.default_matmul_precision(self.matmul_precision)

    def init(self, key: Array, rows: Rows) -> Params:
        """Draw parameters; `key` is consumed, `rows` gives shapes only."""
        with jax.default_matmul_precision("float32"):  # orthogonal weights are made by products
            return self._init(key, rows)

    def _init(self, key: Array, rows: Rows) -> Params:
        keys = iter(jax.random.split(key, 5))
        slot = jax.tree.map(lambda x: x[:1, :1], rows)

        def init_history() -> PyTree:
            return self.history.init(next(keys), slot.action_tm1, slot.observation, slot.start)

        def init_head(*features: Array) -> PyTree:
            return self.head.init(next(keys), jnp.concatenate(features, axis=-1))

        encoded = jnp.zeros((1, 1, self.history.width))
        params: Params = {"q": {"history": init_history(), "head": init_head(encoded)}}
        if self.privileged != "none":
            state_params = self.state.init(next(keys), slot.state)
            features = jnp.asarray(self.state.apply(state_params, slot.state))
            params["u"] = {"state": state_params}
            if self.privileged == "history-state":
                params["u"] |= {"history": init_history(), "head": init_head(encoded, features)}
            else:
                params["u"] |= {"head": init_head(features)}
        return params

    def unroll(self, params: Params, rows: Rows) -> Values:
        """Evaluate Q and U in every slot of rows that begin with an episode's first slot."""
        return self.values(params, rows, self.histories(params, rows))

    def histories(self, params: Params, rows: Rows) -> dict[str, Array]:
        """Encode every slot's history, [T, B, H], for each network that reads it: one scan."""
        names = [name for name in params if "history" in params[name]]
        stacked = jax.tree.map(lambda *p: jnp.stack(p), *(params[n]["history"] for n in names))

        def encode(history: PyTree) -> Any:
            return self.history.apply(history, rows.action_tm1, rows.observation, rows.start)

        with self.precision():
            return dict(zip(names, jax.vmap(encode)(stacked), strict=True))

    def values(self, params: Params, rows: Rows, histories: dict[str, Array]) -> Values:
        """Evaluate Q and U in every slot, given its encoded histories."""
        with self.precision():
            q = self._head(params["q"], histories["q"])
            if "u" not in params:
                return Values(q=q, u=None)
            features = jnp.asarray(self.state.apply(params["u"]["state"], rows.state))
            if "u" in histories:
                features = jnp.concatenate([histories["u"], features], axis=-1)
            return Values(q=q, u=self._head(params["u"], features))

    def step(
        self, q_params: PyTree, carry: Array, action_tm1: Array, observation: PyTree, start: Array
    ) -> tuple[Array, Array]:
        """Advance histories by one slot and evaluate Q there; all that acting needs.

        Args:
          q_params: `params["q"]`.
          carry: histories up to the slot before, float [..., H].
          action_tm1: the actions taken there, int [...].
          observation: what followed, [..., *shape].
          start: whether an episode starts here, which forgets carry and action, bool [...].

        Returns:
          The histories, [..., H], and the values Q(h,.), [..., A].
        """
        method = HistoryEncoder.step
        with self.precision():
            carry = self.history.apply(
                q_params["history"], carry, action_tm1, observation, start, method=method
            )
            return carry, self._head(q_params, carry)

    def initial_carry(self, *lead: int) -> Array:
        """Return empty histories, zeros [*lead, H]."""
        return jnp.zeros((*lead, self.history.width))

    def _head(self, params: PyTree, features: Array) -> Array:
        return jnp.asarray(self.head.apply(params["head"], features))


def make_networks(
    config: NetworkConfig, algorithm: Algorithm, env: Environment, env_params: Any
) -> Networks:
    """Choose the networks for an environment's spaces and an algorithm."""
    return build_networks(
        config, algorithm, env.observation_space(env_params),
        env.privileged_state_space(env_params), env.num_actions,
    )  # fmt: skip


def build_networks(
    config: NetworkConfig,
    algorithm: Algorithm,
    observation_space: Spec,
    state_space: Spec,
    num_actions: int,
) -> Networks:
    """Choose the networks for spaces, without an environment."""
    return Networks(
        history=HistoryEncoder(num_actions, observation_space, config),
        state=state_encoder(state_space, config),
        head=Head(config.head_sizes, num_actions, config.output_scale),
        privileged=algorithm.privileged,
        matmul_precision=config.matmul_precision,
    )


def _scaled(base: nn.initializers.Initializer, factor: float) -> nn.initializers.Initializer:
    def init(key: Array, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Array:
        return factor * base(key, shape, dtype)

    return init


def _uniform(scale: float) -> nn.initializers.Initializer:
    def init(key: Array, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Array:
        return jax.random.uniform(key, shape, dtype, -scale, scale)

    return init


def _orthogonal_gates(key: Array, shape: Any, dtype: Any = jnp.float32) -> Array:
    """Draw one orthogonal matrix, uniform in the Haar measure, for each of the three gates.

    The polar factor of a Gaussian matrix, by Newton-Schulz iterations: matrix products only. (A
    QR decomposition has hung in XLA's CPU runtime in processes with several host devices.)
    """
    size = shape[0]
    x = jax.random.normal(key, (shape[1] // size, size, size), dtype)
    x = x / jnp.linalg.norm(x, axis=(1, 2), keepdims=True)  # all singular values below sqrt(3)

    def newton_schulz(_: int, x: Array) -> Array:
        return 1.5 * x - 0.5 * x @ (x.mT @ x)

    # Small singular values grow by half a step; 60 steps bring 1e-8 to 1.
    x = jax.lax.fori_loop(0, 60, newton_schulz, x)
    return jnp.concatenate(list(x), axis=-1)


def _gate_bias(base: nn.initializers.Initializer, update: float) -> nn.initializers.Initializer:
    def init(key: Array, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Array:
        size = shape[0] // 3
        return base(key, shape, dtype).at[size : 2 * size].add(update)

    return init
