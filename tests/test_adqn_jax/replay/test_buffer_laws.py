"""Laws of the ring, for episodes and sizes drawn at random: a model in NumPy says what is so."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax.replay import Buffer, BufferState, make_buffer
from adqn_jax.replay.buffer import min_capacity
from adqn_jax.types import Transition

STREAMS, ROWS = 2, 8
#: Row length, longest episode, and slots beyond the fewest: few shapes are few compilations.
SIZES = ((1, 1, 0), (1, 4, 1), (3, 1, 0), (4, 3, 0), (5, 7, 3), (8, 2, 6))


@dataclasses.dataclass(frozen=True)
class Written:
    """All slots that were ever written, [N, E], each with its number and stream as its data."""

    buffer: Buffer
    time: np.ndarray

    @property
    def slots(self) -> Transition:
        """The slots, the older first."""
        slot, stream = np.indices(self.time.shape).astype(np.int32)
        return Transition(slot, stream, slot % 5, np.float32(slot), self.time, slot * 0)

    @property
    def state(self) -> BufferState:
        """What the ring holds of them: slot t in place t modulo the capacity."""
        written, capacity = len(self.time), self.buffer.capacity

        def ring(leaf: np.ndarray) -> np.ndarray:
            stored = np.zeros((capacity, *leaf.shape[1:]), leaf.dtype)
            stored[np.arange(written) % capacity] = leaf  # of several, the last one stays
            return stored

        return BufferState(jax.tree.map(ring, self.slots), np.int32(written))


@st.composite
def written(draw: Any, fewest: int = 0) -> Written:
    """Draw a ring and what was written: at least a row; `fewest` rings' lengths of slots."""
    row, longest, more = draw(st.sampled_from(SIZES))
    buffer = _buffer(row, longest, more)
    least = max(row + 1, fewest * buffer.capacity)
    number = draw(st.integers(least, least + 3 * buffer.capacity))
    # An episode that runs out of time has one slot more, its last observation.
    lengths = st.lists(st.integers(1, longest + 1), min_size=number, max_size=number)
    time = [np.concatenate([np.arange(n) for n in draw(lengths)]) for _ in range(STREAMS)]
    return Written(buffer, np.stack([of_stream[:number] for of_stream in time], 1).astype(np.int32))


@functools.cache
def _buffer(row: int, longest: int, more: int) -> Buffer:
    return make_buffer(
        capacity=min_capacity(row, longest) + more, num_streams=STREAMS, row_length=row,
        longest_episode=longest, batch_rows=ROWS,
    )  # fmt: skip


@functools.cache
def compiled(buffer: Buffer, method: str) -> Any:
    """Compile a method of a ring, once for each shape."""
    return jax.jit(getattr(buffer, method))


@given(written(), st.integers(0, 2**32 - 1))
def test_rows_are_whole_histories(ring: Written, seed: int) -> None:
    """Consecutive slots of one stream, from an episode's first on, all of them still stored."""
    rows = compiled(ring.buffer, "sample")(ring.state, jax.random.key(seed)).slots
    slot, stream = np.asarray(rows.env_state), np.asarray(rows.observation)
    number, length = len(ring.time), ring.buffer.row_length + 1
    assert slot.shape == (length, ROWS)
    np.testing.assert_array_equal(slot, slot[0] + np.arange(length)[:, None])
    np.testing.assert_array_equal(stream, np.broadcast_to(stream[0], stream.shape))
    assert (rows.time[0] == 0).all()
    assert slot.min() >= max(0, number - ring.buffer.capacity)
    assert slot.max() < number
    theirs = jax.tree.map(lambda leaf: leaf[slot, stream], ring.slots)
    jax.tree.map(np.testing.assert_array_equal, rows, theirs)


@given(written(), st.data())
def test_extending_is_adding_repeatedly(ring: Written, data: st.DataObject) -> None:
    """One slot or a few at a time, from wherever the ring stands; the ring is the model's."""
    buffer, number = ring.buffer, len(ring.time)
    of_length = data.draw(st.sampled_from([1, 2, 5]))
    at = data.draw(st.integers(0, number - min(number, of_length)))
    before = Written(buffer, ring.time[:at]).state
    slots = jax.tree.map(lambda leaf: leaf[at : at + of_length], ring.slots)
    taken = len(slots.time)
    extended = compiled(buffer, "extend")(before, slots)
    added = before
    for i in range(taken):
        added = compiled(buffer, "add")(added, jax.tree.map(lambda leaf, i=i: leaf[i], slots))
    model = Written(buffer, ring.time[: at + taken]).state
    jax.tree.map(np.testing.assert_array_equal, extended, added)
    jax.tree.map(np.testing.assert_array_equal, extended, model)


@given(st.sampled_from(SIZES))
def test_an_empty_ring_is_like_its_example(size: tuple[int, int, int]) -> None:
    """Zeros of the example's shapes and dtypes, in as many places as there are."""
    example = Transition(jnp.zeros(3, jnp.int8), None, *(jnp.ones((), d) for d in "BfHB"))
    state = _buffer(*size).init(example)
    places = (_buffer(*size).capacity, STREAMS)
    for ring, leaf in zip(jax.tree.leaves(state.storage), jax.tree.leaves(example), strict=True):
        assert (ring.shape, ring.dtype) == ((*places, *leaf.shape), leaf.dtype)
        assert not np.asarray(ring).any()
    assert int(state.count) == 0
