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
class Chosen:
    """What was chosen in a slot; leaves [E, ...]."""

    action: Array
    memory: PyTree  # of whoever chose it, after the slot


@struct.dataclass
class Answer:
    """What environments answered to an action; leaves [E, ...]; means nothing in a final slot."""

    env_state: PyTree
    observation: PyTree
    reward: Array
    terminated: Array
    truncated: Array
    success: Array | None  # None: a positive return is one


@struct.dataclass
class Step:
    """What one step of a stream produced; leaves [E, ...]."""

    slot: Transition
    done: Array  # bool, an episode ended with this slot
    episode: Episode  # including this slot
    reached: Stream  # what followed the slot, before an episode that ended gave way to another


@struct.dataclass
class Gathered:
    """What T steps of E streams gave."""

    carry: Carry  # [E, ...] what acting remembered before the first slot
    slots: Transition  # [T, E, ...]
    done: Array  # [T, E] bool, an episode ended with the slot
    returns: Array  # [T, E] undiscounted, of the episode up to the slot
    reached: Stream  # [E, ...] after the last slot
    acted: PyTree | None = None  # who did, where learning has gone on meanwhile


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
        return self.begin(env_state, observation, memory)

    def begin(self, env_state: PyTree, observation: PyTree, memory: PyTree) -> Stream:
        """Return the streams of episodes that begin so, leaves [E, ...]; arguments as of both."""
        num_streams = jax.tree.leaves(env_state)[0].shape[0]
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
        key_act, key_step, key_reset = self.step_keys(key)
        chosen = self.choose(key_act, streams, act)
        answer = self._ask(key_step, streams, chosen.action)
        fresh = self.start(key_reset, streams.final.shape[0], chosen.memory)
        return self.go_on(streams, chosen, answer, fresh, discount)

    @staticmethod
    def step_keys(key: Array) -> Array:
        """Return the keys to act, to step and to reset with, [3]; `key` is consumed."""
        return jax.random.split(key, 3)

    def choose(self, key: Array, streams: Stream, act: Act) -> Chosen:
        """Act in every stream; `key` is consumed."""
        action, memory, _ = act(streams.carry.memory, self.inputs(streams), key)
        return Chosen(action, memory)

    def _ask(self, key: Array, streams: Stream, action: Array) -> Answer:
        """Step the environments, those too whose episodes are over."""
        keys = jax.random.split(key, streams.final.shape[0])
        step_env = jax.vmap(self.env.step_env, (0, 0, 0, None))
        observation, env_state, reward, terminated, info = step_env(
            keys, streams.env_state, spaces.executed(action, self.codec.action_space),
            self.env_params,
        )  # fmt: skip
        truncated = jax.vmap(self.env.is_truncated, (0, None))(env_state, self.env_params)
        return Answer(env_state, observation, reward, terminated, truncated, info.get("success"))

    def go_on(
        self, streams: Stream, chosen: Chosen, answer: Answer, fresh: Stream,
        discount: Array | float = 1.0,
    ) -> tuple[Stream, Step]:  # fmt: skip
        """Go on to what environments answered, or to a fresh episode where one must begin.

        Returns:
          The streams after the step, and what it produced.
        """
        end = jnp.where(
            answer.terminated, TERMINATED, jnp.where(answer.truncated, TRUNCATED, GOES_ON)
        )
        end = jnp.where(streams.final, FINAL, end).astype(jnp.uint8)
        reward = jnp.where(streams.final, 0.0, answer.reward).astype(jnp.float32)

        success = answer.success
        if success is None:
            success = streams.episode.undiscounted_return + reward > 0
        episode = _extend(streams.episode, reward, success, discount, ~streams.final)
        carry = Carry(chosen.memory, chosen.action, jnp.zeros_like(streams.final))
        reached = Stream(answer.env_state, answer.observation, end == TRUNCATED, carry, episode)
        step = Step(
            slot=self.codec.encode(streams, chosen.action, reward, end),
            done=(end == TERMINATED) | (end == TRUNCATED),
            episode=episode,
            reached=reached,
        )
        begins = (end == TERMINATED) | (end == FINAL)
        after = jax.tree.map(lambda new, old: _select(begins, new, old), fresh, reached)
        if self.env.observes_deterministically:
            # Look once, where a stream goes on: who reads no more than that then pays for no more.
            seen = jax.vmap(self.codec.observe)(after.env_state)
            after = dataclasses.replace(after, observation=seen)
        return after, step


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
