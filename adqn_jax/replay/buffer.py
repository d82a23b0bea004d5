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

import dataclasses
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


class Where(NamedTuple):
    """Where rows begin in a ring, int32 [B] each."""

    slot: Array
    stream: Array


@struct.dataclass
class Sample:
    """Rows drawn from a ring."""

    slots: Transition  # leaves [T, B, ...]
    where: Where
    weight: Array | None  # [B] float32, factor on a row's losses; None: 1


@dataclasses.dataclass(frozen=True)
class Buffer:
    """A ring's pure functions; `make_buffer` checks its sizes."""

    capacity: int
    """Slots of a stream, C."""
    num_streams: int
    """Streams, E."""
    row_length: int
    """Transitions in a row; a row has one slot more, T = row_length + 1."""
    longest_episode: int
    """Most transitions in an episode."""
    batch_rows: int
    """Rows in a sample, B."""
    whole_histories: bool = True
    """Whether a row begins with an episode; else with any slot, for what has no memory."""

    def init(self, example: Transition) -> BufferState:
        """Return an empty ring for slots like the example, leaves [...]."""
        storage = jax.tree.map(self._unwritten, example)
        return BufferState(storage=storage, count=jnp.int32(0))

    def _unwritten(self, leaf: Array) -> Array:
        """Return what a ring holds at first, where a leaf of the example is [...]."""
        return jnp.zeros((self.capacity, self.num_streams, *leaf.shape), leaf.dtype)

    def add(self, state: BufferState, slot: Transition) -> BufferState:
        """Write one slot of each stream, leaves [E, ...]."""
        chex.assert_tree_shape_prefix(slot, (self.num_streams,))
        at = state.count % self.capacity

        def write(ring: Array, leaf: Array) -> Array:
            return jax.lax.dynamic_update_index_in_dim(ring, leaf.astype(ring.dtype), at, 0)

        storage = jax.tree.map(write, state.storage, slot)
        return BufferState(storage=storage, count=state.count + 1)

    def extend(self, state: BufferState, slots: Transition) -> BufferState:
        """Write several slots of each stream, leaves [T, E, ...], in order."""

        def body(state: BufferState, slot: Transition) -> tuple[BufferState, None]:
            return self.add(state, slot), None

        return jax.lax.scan(body, state, slots)[0]

    def sample(self, state: BufferState, key: Array) -> Sample:
        """Draw rows, all alike in weight; `key` is consumed.

        At least `row_length` + 1 slots of each stream must have been written.
        """
        key_slot, key_stream = jax.random.split(key)
        last = state.count - 1 - self.row_length  # a row from here ends at the newest slot
        low, end = jnp.maximum(state.count - self.capacity, 0), last + 1
        if self.whole_histories:
            # Once the ring has wrapped, the start of the oldest slots' episode may be overwritten.
            low, end = jnp.where(low > 0, low + self.longest_episode, 0), state.count
        drawn = jax.random.randint(key_slot, (self.batch_rows,), low, end, jnp.int32)
        drawn = jnp.minimum(drawn, last)
        stream = jax.random.randint(key_stream, (self.batch_rows,), 0, self.num_streams, jnp.int32)
        begin = drawn
        if self.whole_histories:
            begin = drawn - state.storage.time[drawn % self.capacity, stream]
        where = Where(begin % self.capacity, stream)
        return Sample(self.rows(state, where), where, weight=None)

    def rows(self, state: BufferState, where: Where) -> Transition:
        """Read rows, leaves [T, B, ...]."""
        slots = (where.slot + jnp.arange(self.row_length + 1)[:, None]) % self.capacity  # [T, B]
        return jax.tree.map(lambda ring: ring[slots, where.stream], state.storage)


def make_buffer(
    *, capacity: int, num_streams: int, row_length: int, longest_episode: int, batch_rows: int,
    whole_histories: bool = True, kind: type[Buffer] = Buffer,
) -> Buffer:  # fmt: skip
    """Return the functions of a ring of some kind; the other arguments are `Buffer`'s.

    Raises:
      ValueError: when a full ring would not hold the longest episode and a row after it, or its
        slots are too many to be counted.
    """
    if capacity >= 2**31:
        raise ValueError(
            f"buffer_timesteps leaves {capacity} timesteps to each of {num_streams} streams, which "
            f"must be fewer than 2^31"
        )
    fewest = min_capacity(row_length, longest_episode)
    if capacity < fewest:
        raise ValueError(
            f"buffer_timesteps leaves {capacity} timesteps to each of {num_streams} streams; rows "
            f"of {row_length} after episodes of up to {longest_episode} need {fewest}, which is "
            f"{fewest * num_streams} in all"
        )
    return kind(capacity, num_streams, row_length, longest_episode, batch_rows, whole_histories)


def min_capacity(row_length: int, longest_episode: int) -> int:
    """Return the fewest slots of a stream from which a full ring can always draw a row."""
    return longest_episode + row_length + 1
