"""Acting in simulators: compiled choices, the host's steps, compiled book-keeping, in turns."""

import dataclasses
import functools
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax import spaces
from adqn_jax.agent import Networks, Who
from adqn_jax.host.fleet import Fleet, FleetStep
from adqn_jax.rollout import Answer, Chosen, Gathered, Interaction
from adqn_jax.types import Array, Episode, PyTree, Stream, Transition


class ActingStoppedError(Exception):
    """Acting was told to stop."""


@dataclasses.dataclass
class Play:
    """The compiled pieces of a step of E streams, and the loops over them."""

    interaction: Interaction
    networks: Networks
    num_streams: int

    def __post_init__(self) -> None:
        """Compile nothing yet: it is what is called first that compiles."""
        self.choose = jax.jit(self._choose)
        self.go_on = jax.jit(self._go_on)
        self.begin = jax.jit(self._begin)

    def gather(
        self, fleet: Fleet, streams: Stream, who: Who, keys: np.ndarray,
        stop: threading.Event | None = None,
    ) -> Gathered:  # fmt: skip
        """Take a step for each key, [T, ...] bits, as the trainer's compiled loop does.

        Raises:
          EnvironmentFailure: when a simulator fails.
          ActingStoppedError: when it has been told to stop.
        """
        carry, steps = streams.carry, []
        for key in keys:
            if stop is not None and stop.is_set():
                raise ActingStoppedError
            chosen, action, seeds = self.choose(who, streams, key)
            told = fleet.step(np.asarray(action), np.asarray(seeds))
            streams, step = self.go_on(streams, chosen, told, np.float32(1.0))
            steps.append(step)
        slots, done, episodes = jax.tree.map(_stack, *steps)
        return Gathered(carry, slots, done, episodes.undiscounted_return, streams)

    def episodes(
        self, fleet: Fleet, seeds: np.ndarray, who: Who, keys: np.ndarray, discount: Any
    ) -> Episode:
        """Play an episode in each simulator.

        Args:
          fleet: of E simulators.
          seeds: of the episodes, [E].
          who: acts.
          keys: bits of a key for each step that an episode may have, [T, ...].
          discount: of the discounted returns.

        Returns:
          The episodes, leaves [E].

        Raises:
          EnvironmentFailure: when a simulator fails.
        """
        streams = self.begin(fleet.reset(seeds))
        over = np.zeros(self.num_streams, bool)
        episodes: Episode = jax.device_get(streams.episode)
        for key in keys:
            chosen, action, later = self.choose(who, streams, key)
            told = fleet.step(np.asarray(action), np.asarray(later), over)
            streams, step = self.go_on(streams, chosen, told, discount)
            _, done, reached = jax.device_get(step)
            episodes = jax.tree.map(functools.partial(np.where, over), episodes, reached)
            over = over | done
            if over.all():
                break
        return episodes

    def _choose(self, who: Who, streams: Stream, bits: Array) -> tuple[Chosen, Array, Array]:
        """Return what was chosen, what simulators are given of it, and seeds of episodes."""
        key_act, _, key_reset = self.interaction.step_keys(jax.random.wrap_key_data(bits))
        act = functools.partial(self.networks.act, who)
        chosen = self.interaction.choose(key_act, streams, act)
        action = spaces.executed(chosen.action, self.interaction.codec.action_space)
        return chosen, action, seeds_of(key_reset, self.num_streams)

    def _go_on(
        self, streams: Stream, chosen: Chosen, told: FleetStep, discount: Array
    ) -> tuple[Stream, tuple[Transition, Array, Episode]]:
        """Return the streams after a step; its slot, whether an episode ended, the episode."""
        positive = streams.episode.undiscounted_return + told.reward > 0
        answer = Answer(
            told.env_state, self._observe(told.env_state), told.reward, told.terminated,
            told.truncated, jnp.where(told.says, told.success, positive),
        )  # fmt: skip
        fresh = self._begin(told.begun, chosen.memory)
        streams, step = self.interaction.go_on(streams, chosen, answer, fresh, discount)
        return streams, (step.slot, step.done, step.episode)

    def _begin(self, env_state: PyTree, memory: PyTree = None) -> Stream:
        """Return the streams of episodes that begin so; `memory` is forgotten at once."""
        if memory is None:
            memory = self.networks.memory(self.num_streams)
        return self.interaction.begin(env_state, self._observe(env_state), memory)

    def _observe(self, env_state: PyTree) -> PyTree:
        """Return what was shown with these states, leaves [E, ...]."""
        return jax.vmap(self.interaction.codec.observe)(env_state)


def seeds_of(key: Array, number: int) -> Array:
    """Return what simulators are seeded with, uint32 [number] below 2^31; `key` is consumed.

    Simulator i has the bits of key i of `split(key, number)`, by which a compiled environment
    would be reset.
    """
    keys = jax.random.split(key, number)
    return jax.vmap(seed_of)(keys)


def seed_of(key: Array) -> Array:
    """Return the seed that a simulator is given for a key, which is consumed."""
    return jax.random.bits(key, (), jnp.uint32) >> 1


def _stack(*leaves: Array) -> np.ndarray:
    return np.stack([np.asarray(leaf) for leaf in leaves])
