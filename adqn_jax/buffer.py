"""Replay of lock-step streams: a ring of slots, written in columns, read in rows.

All streams of a seed are written together, so that a write is one slice. A row starts at the
first slot of an episode and runs on through the episodes that follow in its stream: nothing is
padded, and every slot in it has its whole history in the row.

How uniform is it? A slot u is drawn uniformly, among those that leave a row's length before the
newest slot, and the row starts where u's episode starts. An episode is therefore chosen in
proportion to its length, and a slot x is covered with the probability that an episode starting
within a row's length before x was chosen: the summed length of those episodes, which is a row's
length, less or more at most one episode, over the number of slots. Only the newest slots, within
a row's length of the writing head, are seen less often (until the head has moved on), and those
within an episode's length of being overwritten.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

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
            f"the replay buffer holds {capacity} timesteps of each of {num_streams} streams; rows of "
            f"{row_length} after episodes of up to {longest_episode} need at least {fewest} "
            f"({fewest * num_streams} in all)"
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
        high = state.count - row_length  # exclusive: a row from here ends at the newest slot
        drawn = jax.random.randint(key_slot, (batch_rows,), low, high)
        stream = jax.random.randint(key_stream, (batch_rows,), 0, num_streams)
        start = drawn - state.storage.time[drawn % capacity, stream]
        slots = (start + jnp.arange(row_length + 1)[:, None]) % capacity  # [T, B]
        return jax.tree.map(lambda ring: ring[slots, stream], state.storage)

    return Buffer(init, add, sample)


def min_capacity(row_length: int, longest_episode: int) -> int:
    """Return the fewest slots of a stream from which a full ring can always draw a row."""
    return longest_episode + row_length + 1


def nbytes(state: BufferState) -> int:
    """Count the bytes of a buffer's storage."""
    leaves: list[Any] = jax.tree.leaves(state.storage)
    return sum(leaf.nbytes for leaf in leaves)
