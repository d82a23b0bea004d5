"""What Memory-Four-Rooms asks, as a supervised question: is the exit in view the one to take.

Walks that nobody has learned see beacons and exits. Whenever exactly one exit is in view and the
beacon has been seen, a history encoder with a head says whether the exit has the beacon's colour.
Half of them have. What it takes is to bind a colour to a thing, and to remember it.
"""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from adqn_jax import NetworkConfig, envs
from adqn_jax.nn import initial
from adqn_jax.nn.history import make_history
from adqn_jax.nn.linear import Linear
from adqn_jax.nn.recall import Recall
from adqn_jax.types import Array, Inputs, Params

ENV = "memory-four-rooms-7x7"
STEPS = 48  # of an episode
_EXIT, _BEACON, _FIRST_COLOUR = 4, 5, 12  # indices of an observation: kinds, and colour 0
_FORWARD = 0.4  # share of steps straight ahead, so that walks go somewhere


class _Head(nn.Module):
    """The log odds that the exit is the good one."""

    @nn.compact
    def __call__(self, h: Array) -> Array:
        hidden = nn.tanh(Linear(128, initial.orthogonal)(h))
        return Linear(1, initial.orthogonal)(hidden)[..., 0]


@dataclasses.dataclass(frozen=True)
class Binding:
    """Training and its accuracy; `network` chooses the encoder."""

    network: NetworkConfig
    learning_rate: float
    batch: int = 64
    """Episodes of a gradient step."""
    recall_weight: float = 0.0
    """As of `LossConfig`."""

    @functools.cached_property
    def _env(self) -> tuple[Any, Any]:
        return envs.make(ENV)

    @functools.cached_property
    def _history(self) -> nn.Module:
        env, params = self._env
        return make_history(env.action_space(params), env.observation_space(params), self.network)

    def walk(self, key: Array) -> tuple[Inputs, Array, Array]:
        """Walk without aim, `key` is consumed.

        Returns:
          What is seen, leaves [STEPS, batch, ...]; where it is asked, and what is right, bool
          [STEPS, batch].
        """
        env, params = self._env
        key_reset, key_steps = jax.random.split(key)
        reset = jax.vmap(env.reset_env, (0, None))
        step = jax.vmap(env.step_env, (0, 0, 0, None))
        observation, state = reset(jax.random.split(key_reset, self.batch), params)

        def body(carry: tuple, key: Array) -> tuple[tuple, tuple]:
            observation, state, action_tm1, goes_on = carry
            key_ahead, key_other, key_step = jax.random.split(key, 3)
            ahead = jax.random.bernoulli(key_ahead, _FORWARD, (self.batch,))
            other = jax.random.randint(key_other, (self.batch,), 0, env.num_actions)
            action = jnp.where(ahead, 0, other)
            kind, exits = observation[..., 0], observation[..., 0] == _EXIT
            colour = jnp.where(exits, observation[..., 2].astype(jnp.int32) - _FIRST_COLOUR, 0)
            asked = goes_on & (exits.sum((1, 2)) == 1)
            right = colour.sum((1, 2)) == state.colours[:, 0]
            seen = (observation, action_tm1, asked, (kind == _BEACON).any((1, 2)), right)
            keys = jax.random.split(key_step, self.batch)
            observation, state, _, done, _ = step(keys, state, action, params)
            return (observation, state, action, goes_on & ~done), seen

        carry = (observation, state, jnp.zeros(self.batch, jnp.int32), jnp.ones(self.batch, bool))
        keys = jax.random.split(key_steps, STEPS)
        _, (observation, action_tm1, asked, beacon, right) = jax.lax.scan(body, carry, keys)
        known = jax.lax.associative_scan(jnp.logical_or, beacon, axis=0)
        start = jnp.zeros((STEPS, self.batch), bool).at[0].set(True)
        inputs = Inputs(observation=observation, state=None, action_tm1=action_tm1, start=start)
        return inputs, asked & known, right

    @functools.partial(jax.jit, static_argnums=0)
    def init(self, key: Array) -> tuple[Params, Any]:
        """Draw parameters, and start the optimiser; `key` is consumed."""
        key_walk, key_history, key_head = jax.random.split(key, 3)
        inputs, _, _ = jax.eval_shape(self.walk, key_walk)
        inputs = jax.tree.map(lambda x: jnp.zeros((1, 1, *x.shape[2:]), x.dtype), inputs)
        width = jnp.zeros((1, self.network.history_size))
        params = {
            "history": initial.init(self._history, key_history, inputs),
            "head": initial.init(_Head(), key_head, width),
        }
        if self.recall_weight:
            params["recall"] = self._recall.init(key_head, width)  # zeros: it needs no key
        return params, self._optimiser.init(params)

    @functools.cached_property
    def _recall(self) -> Recall:
        env, params = self._env
        return Recall(env.observation_space(params))

    @property
    def _optimiser(self) -> Any:
        return optax.chain(optax.clip_by_global_norm(10.0), optax.adam(self.learning_rate))

    def loss(self, params: Params, key: Array) -> tuple[Array, Array]:
        """Return the loss, and the accuracy, on walks just made, scalars."""
        inputs, asked, right = self.walk(key)
        encoded = self._history.apply(params["history"], inputs)[0]
        odds = _Head().apply(params["head"], encoded)
        entropy = optax.sigmoid_binary_cross_entropy(odds, right.astype(jnp.float32))
        number = jnp.maximum(asked.sum(), 1)
        loss, accuracy = (entropy * asked).sum(), (((odds > 0) == right) & asked).sum()
        untold = jnp.float32(0.0)
        if self.recall_weight:
            log_odds = self._recall.apply(params["recall"], encoded)
            untold = self.recall_weight * self._recall.loss(log_odds, inputs).mean()
        return loss / number + untold, accuracy / number

    @functools.partial(jax.jit, static_argnums=0)
    def train(self, learner: tuple[Params, Any], keys: Array) -> tuple[tuple[Params, Any], Array]:
        """Take a gradient step for each key; return the mean accuracy before each step, too."""

        def body(learner: tuple, key: Array) -> tuple[tuple, Array]:
            params, opt_state = learner
            grads, accuracy = jax.grad(self.loss, has_aux=True)(params, key)
            updates, opt_state = self._optimiser.update(grads, opt_state)
            return (optax.apply_updates(params, updates), opt_state), accuracy

        learner, accuracies = jax.lax.scan(body, learner, keys)
        return learner, accuracies.mean()
