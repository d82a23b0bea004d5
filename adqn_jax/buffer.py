"""Replay of lock-step streams: a ring of slots, written in columns, read in rows.

All streams of a seed are written together, so that a write is one slice. A row starts at the
first slot of an episode and runs on through the episodes that follow in its stream: nothing is
padded, and every slot in it has its whole history in the row.

How uniform is it? A slot is drawn uniformly and the row starts where that slot's episode starts,
so an episode is chosen in proportion to its length. A slot x is covered when the chosen episode
starts within a row's length before x: with the summed length of those episodes, which is a row's
length L, give or take one episode, over the number of slots. The exceptions are the two ends of
the ring. A row must end at the newest slot at the latest; draws of later slots are moved back to
the last row that does, so that the newest L slots are seen up to twice as often as others. And
slots about to be overwritten, within an episode's length, are seen less often.
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.types import Array, Transition


@struct.dataclass
class BufferState:
    """A ring of slots for each stream."""

    storage: Transition  # leaves [C, E, ...]
    count: Array  # int32, slots written to each stream so far


class Buffer(NamedTuple):
    """A buffer's pure functions."""

    init: Callable[[Transition], BufferState]  # from one slot's example, leaves [...]
    add: Callable[[BufferState, Transition], BufferState]  # one slot per stream, leaves [E, ...]
    sample: Callable[[BufferState, Array], Transition]  # consumes a key; leaves [T, B, ...]


def make_buffer(
    *, capacity: int, num_streams: int, row_length: int, longest_episode: int, batch_rows: int
) -> Buffer:
    """Build the functions of a ring.

    Args:
      capacity: slots of a stream, C.
      num_streams: streams, E.
      row_length: transitions in a row; a row has one slot more, T = row_length + 1.
      longest_episode: most transitions in an episode.
      batch_rows: rows in a sample, B.

    Returns:
      The functions. `sample` expects at least `row_length` + 1 slots to have been written.

    Raises:
      ValueError: when a full ring would not hold the longest episode and a row after it.
    """
    fewest = min_capacity(row_length, longest_episode)
    if capacity < fewest:
        raise ValueError(
            f"buffer_timesteps leaves {capacity} timesteps to each of {num_streams} streams; rows "
            f"of {row_length} after episodes of up to {longest_episode} need {fewest}, which is "
            f"{fewest * num_streams} in all"
        )

    def init(example: Transition) -> BufferState:
        def ring(leaf: Array) -> Array:
            return jnp.zeros((capacity, num_streams, *leaf.shape), leaf.dtype)

        return BufferState(storage=jax.tree.map(ring, example), count=jnp.int32(0))

    def add(state: BufferState, slot: Transition) -> BufferState:
        chex.assert_tree_shape_prefix(slot, (num_streams,))
        at = state.count % capacity

        def write(ring: Array, leaf: Array) -> Array:
            return jax.lax.dynamic_update_index_in_dim(ring, leaf.astype(ring.dtype), at, 0)

        storage = jax.tree.map(write, state.storage, slot)
        return BufferState(storage=storage, count=state.count + 1)

    def sample(state: BufferState, key: Array) -> Transition:
        key_slot, key_stream = jax.random.split(key)
        # Once the ring has wrapped, the start of the oldest slots' episode may be overwritten.
        wrapped = state.count > capacity
        low = jnp.where(wrapped, state.count - capacity + longest_episode, 0)
        drawn = jax.random.randint(key_slot, (batch_rows,), low, state.count)
        last = state.count - 1 - row_length  # a row from here ends at the newest slot
        drawn = jnp.minimum(drawn, last)
        stream = jax.random.randint(key_stream, (batch_rows,), 0, num_streams)
        start = drawn - state.storage.time[drawn % capacity, stream]
        slots = (start + jnp.arange(row_length + 1)[:, None]) % capacity  # [T, B]
        return jax.tree.map(lambda ring: ring[slots, stream], state.storage)

    return Buffer(init, add, sample)


def min_capacity(row_length: int, longest_episode: int) -> int:
    """Return the fewest slots of a stream from which a full ring can always draw a row."""
    return longest_episode + row_length + 1


def nbytes(state: BufferState) -> int:
    """Count the bytes of a buffer's storage; shapes will do."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.storage))
