"""Episodes, kept whole: what was true, what the agent saw, what it remembered and what it did."""

import dataclasses
from typing import Any

import jax
import numpy as np
from flax import struct

from adqn_jax import spaces
from adqn_jax.agent import Networks, Who
from adqn_jax.explore import uniform
from adqn_jax.policy import Policy
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Interaction
from adqn_jax.types import Array, Inputs, PyTree, Rows, Spec, Stream


class RandomActions:
    """Acts at random, remembers nothing."""

    def __init__(self, space: Spec):
        self._space = space

    def memory(self, *lead: int) -> PyTree:
        """Return nothing."""
        return ()

    def act(self, who: Who, memory: PyTree, inputs: Inputs, key: Array) -> tuple[Array, Any, Any]:
        """Choose actions as `explore.uniform` does; `key` is consumed."""
        return uniform(key, self._space, *inputs.start.shape), memory, None


@struct.dataclass
class Played:
    """One time limit's steps of N streams, T slots; episodes follow one another."""

    rows: Rows  # [T, N, ...]
    memory: PyTree  # [T, N, ...] of whoever acted, by which the action of the slot was chosen
    reached: Inputs  # [T, N, ...] what followed a slot, before a new episode began

    @property
    def first(self) -> Array:
        """Which slots belong to the first episode of their stream, bool [T, N]."""
        done = self.rows.terminated | self.rows.truncated
        return done.cumsum(0) - done == 0


def play(
    key: Array, interaction: Interaction, networks: Networks | RandomActions, who: Who,
    num_streams: int,
) -> Played:  # fmt: skip
    """Play so many environments, side by side, for as many steps as an episode can have.

    Args:
      key: a key, consumed.
      interaction: the environment.
      networks: they act.
      who: of these networks.
      num_streams: environments, N.
    """

    def act(memory: PyTree, inputs: Inputs, key: Array) -> tuple[Array, PyTree, Array]:
        return networks.act(who, memory, inputs, key)

    def body(streams: Stream, key: Array) -> tuple[Stream, tuple]:
        streams, step = interaction.step(key, streams, act)
        return streams, (step.slot, step.reached.carry.memory, interaction.inputs(step.reached))

    key_reset, key_steps = jax.random.split(key)
    streams = interaction.start(key_reset, num_streams, networks.memory(num_streams))
    keys = jax.random.split(key_steps, interaction.codec.longest_episode)
    slots, memory, reached = jax.lax.scan(body, streams, keys)[1]
    return Played(interaction.codec.decode(slots), memory, reached)


@dataclasses.dataclass(frozen=True)
class Recording:
    """An episode of T steps, in NumPy arrays."""

    states: PyTree  # [T+1, ...] privileged
    observations: PyTree  # [T+1, ...]
    actions: np.ndarray  # [T] int32, or [T, N] float32, within the bounds of their space
    rewards: np.ndarray  # [T] float32
    truncated: bool  # whether the time limit ended it
    values: dict[str, np.ndarray]  # [T, A] or [T] each, by name, such as "Q(h,a)", "mu(h)"

    @property
    def length(self) -> int:
        """Steps, T."""
        return len(self.actions)


def record(
    key: Array, env: Any, env_params: Any, policy: Policy | None, epsilon: float,
    greedy: bool | None = None,
) -> Recording:  # fmt: skip
    """Play one episode; `key` is consumed.

    Args:
      key: a key.
      env: an environment with a time limit, `env_params.max_steps_in_episode`.
      env_params: its parameters.
      policy: who acts; None acts at random.
      epsilon: the probability of a random action, in [0, 1].
      greedy: as of `Policy.act`.
    """
    interaction = Interaction(SlotCodec(env, env_params))
    space = interaction.codec.action_space
    networks = policy.networks if policy else RandomActions(space)
    who = policy.networks.actor(policy.params, epsilon, greedy) if policy else None

    def play_one(key: Array) -> tuple[Played, dict[str, Array]]:
        played = play(key, interaction, networks, who, 1)
        values = policy.networks.look(policy.params, played.rows.inputs) if policy else {}
        return jax.tree.map(lambda x: x[:, 0], (played, values))

    played, values = jax.device_get(jax.jit(play_one)(key))
    length = int(played.first.sum())
    begun, reached = jax.tree.map(lambda x: x[:length], (played.rows.inputs, played.reached))

    def whole(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return np.concatenate([before, after[-1:]])

    return Recording(
        states=jax.tree.map(whole, begun.state, reached.state),
        observations=jax.tree.map(whole, begun.observation, reached.observation),
        actions=np.asarray(spaces.executed(played.rows.action[:length], space)),
        rewards=played.rows.reward[:length],
        truncated=not played.rows.terminated[length - 1],
        values={name: x[:length] for name, x in values.items()},
    )
