"""What a slot stores of a stream, and how rows to train on are derived from slots."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from gymnax.environments.spaces import Box

from adqn_jax import spaces
from adqn_jax.types import (
    FINAL,
    TERMINATED,
    TRUNCATED,
    Array,
    Environment,
    Inputs,
    PyTree,
    Rows,
    Spec,
    Stream,
    Transition,
)


@dataclasses.dataclass(frozen=True)
class SlotCodec:
    """Streams to slots to rows.

    A slot stores what cannot be recomputed, in dtypes as small as its values allow. The
    privileged state is always derived from the environment's; so is the observation, unless the
    environment draws it at random or makes it of the action.
    """

    env: Environment
    env_params: Any

    @property
    def longest_episode(self) -> int:
        """Most transitions in an episode."""
        return int(self.env_params.max_steps_in_episode)

    @functools.cached_property
    def action_space(self) -> Spec:
        """What actions are: Discrete, or a flat Box."""
        return spaces.action_space(self.env, self.env_params)

    def encode(self, streams: Stream, action: Array, reward: Array, end: Array) -> Transition:
        """Record what the streams saw, did and got; leaves [E, ...]."""
        stores = not self.env.observes_deterministically
        return Transition(
            env_state=streams.env_state,
            observation=streams.observation if stores else None,
            action=action.astype(self._of_actions),
            reward=reward.astype(jnp.float32),
            time=streams.episode.length.astype(_unsigned(self.longest_episode)),
            end=end.astype(jnp.uint8),
        )

    def observe(self, env_state: PyTree) -> PyTree:
        """Look again at a state of an environment that observes deterministically."""
        key = jax.random.key(0)  # an environment that may be asked again draws nothing
        return self.env.observe(key, env_state, None, self.env_params)

    def decode(self, slots: Transition, action_tm1: Array | None = None) -> Rows:
        """Derive rows from slots.

        Args:
          slots: leaves [T, B, ...].
          action_tm1: the action before the first slot, [B, ...], of rows that may begin within an
            episode; None where that does not matter.
        """
        observation, state = jax.vmap(jax.vmap(self._look))(slots)
        action = slots.action
        if not isinstance(self.action_space, Box):
            action = action.astype(jnp.int32)
        before = jnp.roll(action, 1, axis=0)
        if action_tm1 is not None:
            before = before.at[0].set(action_tm1)
        return Rows(
            inputs=Inputs(observation, state, before, slots.time == 0),
            action=action,
            reward=slots.reward,
            terminated=slots.end == TERMINATED,
            truncated=slots.end == TRUNCATED,
            valid=slots.end != FINAL,
        )

    @property
    def _of_actions(self) -> Any:
        space = self.action_space
        return jnp.float32 if isinstance(space, Box) else _unsigned(space.n - 1)

    def _look(self, slot: Transition) -> tuple[PyTree, PyTree]:
        """Return observation and privileged state of one slot."""
        observation = slot.observation
        if observation is None:
            observation = self.observe(slot.env_state)
        return observation, self.env.privileged_state(slot.env_state, self.env_params)


def _unsigned(largest: int) -> Any:
    for dtype in (jnp.uint8, jnp.uint16):
        if largest <= jnp.iinfo(dtype).max:
            return dtype
    return jnp.uint32
