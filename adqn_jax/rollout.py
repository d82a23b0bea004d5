"""One step of a seed's streams, shared by warm-up, training and evaluation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.networks import Networks
from adqn_jax.types import (
    FINAL,
    GOES_ON,
    TERMINATED,
    TRUNCATED,
    Array,
    Environment,
    Episode,
    EpisodeWindow,
    PyTree,
    Stream,
    Transition,
)


@struct.dataclass
class Step:
    """What one step of a stream produced; leaves [E, ...]."""

    slot: Transition
    done: Array  # bool, an episode ended with this slot
    episode: Episode  # including this slot


def init_streams(key: Array, env: Environment, env_params: Any, carry: Array) -> Stream:
    """Start an episode in each of E streams; `key` is consumed.

    Args:
      key: a key.
      env: the environment.
      env_params: its parameters.
      carry: empty histories, float [E, H].

    Returns:
      The streams, leaves [E, ...].
    """
    num_streams = carry.shape[0]
    keys = jax.random.split(key, num_streams)
    observation, env_state = jax.vmap(env.reset_env, (0, None))(keys, env_params)
    return Stream(
        env_state=env_state,
        observation=observation,
        final=jnp.zeros(num_streams, bool),
        action_tm1=jnp.zeros(num_streams, jnp.int32),
        carry=carry,
        episode=_new_episodes(num_streams),
    )


def step_streams(
    key: Array,
    env: Environment,
    env_params: Any,
    networks: Networks,
    q_params: PyTree,
    streams: Stream,
    epsilon: Array | float,
    discount: Array | float,
    to_slot: Callable[[Stream, Array, Array, Array], Transition],
) -> tuple[Stream, Step]:
    """Act epsilon-greedily in every stream, step the environments, and begin what must begin.

    Args:
      key: a key, consumed.
      env: the environment.
      env_params: its parameters.
      networks: the networks.
      q_params: the parameters of Q, the only model that acts.
      streams: leaves [E, ...].
      epsilon: probability of a random action.
      discount: of the episodes' discounted returns.
      to_slot: `(streams, action, reward, end) -> slots`, what to record.

    Returns:
      The streams after the step, and what it produced.
    """
    num_streams = streams.final.shape[0]
    key_act, key_step, key_reset = jax.random.split(key, 3)

    carry, q = networks.step(
        q_params, streams.carry, streams.action_tm1, streams.observation, streams.start
    )
    action = epsilon_greedy(key_act, q, epsilon)

    keys = jax.random.split(key_step, num_streams)
    observation, env_state, reward, terminated, info = jax.vmap(env.step_env, (0, 0, 0, None))(
        keys, streams.env_state, action, env_params
    )
    truncated = jax.vmap(env.is_truncated, (0, None))(env_state, env_params)
    end = jnp.where(terminated, TERMINATED, jnp.where(truncated, TRUNCATED, GOES_ON))
    end = jnp.where(streams.final, FINAL, end).astype(jnp.uint8)
    reward = jnp.where(streams.final, 0.0, reward).astype(jnp.float32)

    success = info.get("success", streams.episode.undiscounted_return + reward > 0)
    episode = _extend(streams.episode, reward, success, discount, ~streams.final)
    step = Step(
        slot=to_slot(streams, action, reward, end),
        done=(end == TERMINATED) | (end == TRUNCATED),
        episode=episode,
    )

    after = Stream(env_state, observation, end == TRUNCATED, action, carry, episode)
    fresh = init_streams(key_reset, env, env_params, carry)
    begins = (end == TERMINATED) | (end == FINAL)
    return jax.tree.map(lambda new, old: _select(begins, new, old), fresh, after), step


def epsilon_greedy(key: Array, q: Array, epsilon: Array | float) -> Array:
    """Choose actions, int32 [...], greedy in values [..., A] but with probability epsilon random.

    A random action is uniform over all; `key` is consumed.
    """
    key_explore, key_action = jax.random.split(key)
    explore = jax.random.bernoulli(key_explore, epsilon, q.shape[:-1])
    uniform = jax.random.randint(key_action, q.shape[:-1], 0, q.shape[-1])
    return jnp.where(explore, uniform, jnp.argmax(q, axis=-1)).astype(jnp.int32)


def add_to_window(window: EpisodeWindow, step: Step) -> EpisodeWindow:
    """Remember the returns of the episodes that ended in this step."""
    size = window.returns.shape[0]
    rank = jnp.cumsum(step.done) - 1
    kept = step.done & (rank > rank[-1] - size)  # of more than the ring holds, the last
    # What is not kept is written past the ring, which drops it.
    at = jnp.where(kept, (window.count + rank) % size, size)
    returns = window.returns.at[at].set(step.episode.undiscounted_return, mode="drop")
    return EpisodeWindow(returns, window.count + step.done.sum(dtype=jnp.int32))


def window_mean(window: EpisodeWindow) -> Array:
    """Average the remembered returns; NaN before the first episode has ended."""
    size = window.returns.shape[0]
    known = jnp.arange(size) < window.count
    return jnp.where(known, window.returns, 0.0).sum() / jnp.where(
        window.count == 0, jnp.nan, jnp.minimum(window.count, size)
    )


def _new_episodes(num_streams: int) -> Episode:
    zeros = jnp.zeros(num_streams)
    return Episode(zeros, zeros, jnp.zeros(num_streams, jnp.int32), jnp.zeros(num_streams, bool))


def _extend(
    episode: Episode, reward: Array, success: Array, discount: Array | float, counts: Array
) -> Episode:
    return Episode(
        undiscounted_return=episode.undiscounted_return + reward,
        discounted_return=episode.discounted_return
        + reward * jnp.asarray(discount, jnp.float32) ** episode.length,
        length=episode.length + counts,
        success=jnp.where(counts, success, episode.success),
    )


def _select(condition: Array, new: Array, old: Array) -> Array:
    return jnp.where(condition.reshape(-1, *(1,) * (old.ndim - 1)), new, old)
