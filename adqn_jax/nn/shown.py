"""What an episode has shown so far, as bits, and a history that is told.

A recurrent memory must learn to keep what it was shown, before anything can come of it. These bits
keep it from the first gradient step on, and nothing that is learned can lose it. What was shown
when, and where, is still for the memory to know. (Beck et al., 2020, "AMRL", so join to a
recurrent memory the maximum over time of what it makes of observations.)
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces

from adqn_jax.nn.grids import num_indices, pairs
from adqn_jax.spaces import is_index_grid, zeros
from adqn_jax.types import Array, Inputs, PyTree, Spec


def shown(space: Spec, observation: PyTree, start: Array, before: Array | None = None) -> Array:
    """Say of every slot what its episode has shown until then.

    Args:
      space: of observations.
      observation: along rows, leaves [T, B, *shape].
      start: where episodes start, bool [T, B].
      before: what had been shown before the rows, bool [B, N]; None: nothing.

    Returns:
      Bits, bool [T, B, N]: of a Discrete observation, which ones there were; of a grid of indices,
      which of them have met in a cell.
    """
    bits = shows(space, observation)
    first = jnp.zeros_like(bits[0]) if before is None else before

    def step(so_far: Array, slot: tuple[Array, Array]) -> tuple[Array, Array]:
        so_far = _joined(so_far, *slot)
        return so_far, so_far

    return jax.lax.scan(step, first, (bits, start))[1]


def shows(space: Spec, observation: PyTree) -> Array:
    """Say what observations, leaves [..., *shape], show by themselves, bool [..., N]."""
    if isinstance(space, spaces.Dict):
        entries = sorted(space.spaces.items())
        return jnp.concatenate([shows(of, observation[name]) for name, of in entries], axis=-1)
    if isinstance(space, spaces.Discrete):
        return jax.nn.one_hot(observation, space.n, dtype=bool)
    if is_index_grid(space):
        return pairs(observation, num_indices(space)) > 0
    return jnp.zeros((*observation.shape[: observation.ndim - len(space.shape)], 0), bool)


def num_bits(space: Spec, option: str) -> int:
    """Return how many bits say what an observation shows.

    Args:
      space: of observations.
      option: what asks for them, for the error's sentence.

    Raises:
      ValueError: when nothing in them is counted: neither a Discrete nor a grid of indices.
    """
    size = jax.eval_shape(lambda: shows(space, zeros(space))).shape[-1]
    if not size:
        raise ValueError(
            f"{option} is for observations that are Discrete or grids of indices, or that have "
            f"such entries, got {space!r}"
        )
    return size


@struct.dataclass
class ToldMemory:
    """What is remembered; leaves [..., *shape]."""

    inner: PyTree
    """Of the history that is told."""
    bits: Array  # bool [..., N]


class Told(nn.Module):
    """A history that sees, beside each observation, what its episode has shown so far.

    Arguments and results are those of the history within, but for the memory.
    """

    inner: nn.Module
    """Over the observations of `told_space`."""
    space: Spec
    """Of observations as the environment gives them."""

    def memory(self, *lead: int) -> ToldMemory:
        """Return what is remembered before an episode, zeros [*lead, ...]."""
        bits = jnp.zeros((*lead, num_bits(self.space, "memory_bits")), bool)
        return ToldMemory(self.inner.memory(*lead), bits)

    def features(self, memory: ToldMemory) -> Array:
        """Return what a memory says, [..., H]."""
        return jnp.asarray(self.inner.features(memory.inner))

    def __call__(
        self, inputs: Inputs, memory: ToldMemory | None = None
    ) -> tuple[Array, ToldMemory]:
        """Encode rows, leaves [T, B, ...], from a memory, by default the empty one."""
        inner, before = (None, None) if memory is None else (memory.inner, memory.bits)
        bits = shown(self.space, inputs.observation, inputs.start, before)
        states, last = self.inner(_told(inputs, bits), inner)
        return states, ToldMemory(last, bits[-1])

    def step(self, memory: ToldMemory, inputs: Inputs) -> ToldMemory:
        """Advance memories, leaves [..., *shape], by one slot."""
        bits = _joined(memory.bits, shows(self.space, inputs.observation), inputs.start)
        return ToldMemory(self.inner.step(memory.inner, _told(inputs, bits)), bits)


def told_space(space: Spec) -> spaces.Dict:
    """Return the space of observations with what has been shown.

    Raises:
      ValueError: when nothing in them is counted, or an entry has the name of what is added.
    """
    entries = space.spaces if isinstance(space, spaces.Dict) else {"observation": space}
    if "shown" in entries:
        raise ValueError("memory_bits calls what it adds to observations shown; one is called so")
    return spaces.Dict(
        {**entries, "shown": spaces.Box(0.0, 1.0, (num_bits(space, "memory_bits"),))}
    )


def _told(inputs: Inputs, bits: Array) -> Inputs:
    """Put bits beside an observation."""
    seen = inputs.observation
    entries = seen if isinstance(seen, dict) else {"observation": seen}
    return dataclasses.replace(inputs, observation={**entries, "shown": bits.astype(jnp.float32)})


def _joined(so_far: Array, bits: Array, start: Array) -> Array:
    """Add what a slot shows to what its episode has shown; an episode that starts has nothing."""
    return bits | (so_far & ~start[..., None])
