"""Interaction: streams of episodes stepped in lock step. The only loop body that plays."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax import spaces
from adqn_jax.replay.codec import SlotCodec
from adqn_jax.types import (
    FINAL,
    GOES_ON,
    TERMINATED,
    TRUNCATED,
    Array,
    Carry,
    Environment,
    Episode,
    EpisodeWindow,
    Inputs,
    PyTree,
    Stream,
    Transition,
)

#: `(memory, inputs, key) -> (action, memory, scores)`, as `Networks.act` of somebody.
Act = Callable[[PyTree, Inputs, Array], tuple[Array, PyTree, Array]]


@struct.dataclass
class Step:
    """What one step of a stream produced; leaves [E, ...]."""

    slot: Transition
    done: Array  # bool, an episode ended with this slot
    episode: Episode  # including this slot
    reached: Stream  # what followed the slot, before an episode that ended gave way to another


@dataclasses.dataclass(frozen=True)
class Interaction:
    """An environment as streams: what acts in it is given to each step."""

    codec: SlotCodec
    """It knows the environment, and what slots keep of it."""

    @property
    def env(self) -> Environment:
        """The environment."""
        return self.codec.env

    @property
    def env_params(self) -> Any:
        """Its parameters."""
        return self.codec.env_params

    def start(self, key: Array, num_streams: int, memory: PyTree) -> Stream:
        """Start an episode in each of E streams; `key` is consumed.

        Args:
          key: a key.
          num_streams: E.
          memory: of whoever acts, leaves [E, ...]; it is forgotten in the first slot.

        Returns:
          The streams, leaves [E, ...].
        """
        keys = jax.random.split(key, num_streams)
        observation, env_state = jax.vmap(self.env.reset_env, (0, None))(keys, self.env_params)
        return Stream(
            env_state=env_state,
            observation=observation,
            final=jnp.zeros(num_streams, bool),
            carry=Carry(
                memory,
                spaces.no_action(self.codec.action_space, num_streams),
                jnp.ones(num_streams, bool),
            ),
            episode=_new_episodes(num_streams),
        )

    def inputs(self, streams: Stream) -> Inputs:
        """Return what may be looked at in the streams' present slot, leaves [E, ...]."""
        state = jax.vmap(self.env.privileged_state, (0, None))(streams.env_state, self.env_params)
        carry = streams.carry
        return Inputs(streams.observation, state, carry.action_tm1, carry.start)

    def step(
        self, key: Array, streams: Stream, act: Act, discount: Array | float = 1.0
    ) -> tuple[Stream, Step]:
        """Act in every stream, step the environments, and begin what must begin.

        The environment gets actions of a Box clipped to its bounds; all else keeps them as drawn.

        Args:
          key: a key, consumed.
          streams: leaves [E, ...].
          act: who acts.
          discount: of the episodes' discounted returns.

        Returns:
          The streams after the step, and what it produced.
        """
        num_streams = streams.final.shape[0]
        key_act, key_step, key_reset = jax.random.split(key, 3)
        action, memory, _ = act(streams.carry.memory, self.inputs(streams), key_act)

        keys = jax.random.split(key_step, num_streams)
        step_env = jax.vmap(self.env.step_env, (0, 0, 0, None))
        observation, env_state, reward, terminated, info = step_env(
            keys, streams.env_state, spaces.executed(action, self.codec.action_space),
            self.env_params,
        )  # fmt: skip
        truncated = jax.vmap(self.env.is_truncated, (0, None))(env_state, self.env_params)
        end = jnp.where(terminated, TERMINATED, jnp.where(truncated, TRUNCATED, GOES_ON))
        end = jnp.where(streams.final, FINAL, end).astype(jnp.uint8)
        reward = jnp.where(streams.final, 0.0, reward).astype(jnp.float32)

        success = info.get("success", streams.episode.undiscounted_return + reward > 0)
        episode = _extend(streams.episode, reward, success, discount, ~streams.final)
        carry = Carry(memory, action, jnp.zeros_like(streams.final))
        reached = Stream(env_state, observation, end == TRUNCATED, carry, episode)
        step = Step(
            slot=self.codec.encode(streams, action, reward, end),
            done=(end == TERMINATED) | (end == TRUNCATED),
            episode=episode,
            reached=reached,
        )
        fresh = self.start(key_reset, num_streams, memory)
        begins = (end == TERMINATED) | (end == FINAL)
        return jax.tree.map(lambda new, old: _select(begins, new, old), fresh, reached), step


def add_to_window(window: EpisodeWindow, done: Array, returns: Array) -> EpisodeWindow:
    """Remember the returns of episodes that ended.

    Args:
      window: what is remembered so far.
      done: where in a sequence an episode ended, bool [N].
      returns: of the episodes that did, float [N].
    """
    size = window.returns.shape[0]
    rank = jnp.cumsum(done, dtype=jnp.int32) - 1
    kept = done & (rank > rank[-1] - size)  # of more than the ring holds, the last
    # What is not kept is written past the ring, which drops it.
    at = jnp.where(kept, (window.count + rank) % size, size)
    kept_returns = window.returns.at[at].set(returns, mode="drop")
    return EpisodeWindow(kept_returns, window.count + done.sum(dtype=jnp.int32))


def window_mean(window: EpisodeWindow) -> Array:
    """Average the remembered returns; NaN before the first episode has ended."""
    size = window.returns.shape[0]
    known = jnp.arange(size) < window.count
    return jnp.where(known, window.returns, 0.0).sum() / jnp.where(
        window.count == 0, jnp.nan, jnp.minimum(window.count, size)
    )


def _new_episodes(num_streams: int) -> Episode:
    zeros = jnp.zeros(num_streams, jnp.float32)
    return Episode(zeros, zeros, jnp.zeros(num_streams, jnp.int32), jnp.zeros(num_streams, bool))


def _extend(
    episode: Episode, reward: Array, success: Array, discount: Array | float, counts: Array
) -> Episode:
    return Episode(
        undiscounted_return=episode.undiscounted_return + reward,
        discounted_return=episode.discounted_return
        + reward * jnp.asarray(discount, jnp.float32) ** episode.length,
        length=episode.length + counts,
        success=jnp.where(counts, jnp.asarray(success, bool), episode.success),
    )


def _select(condition: Array, new: Array, old: Array) -> Array:
    return jnp.where(condition.reshape(-1, *(1,) * (old.ndim - 1)), new, old)
