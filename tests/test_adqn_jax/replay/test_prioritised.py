"""Prioritised replay: how often rows are drawn, what they weigh, and where priorities go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.replay import PrioritisedBuffer, make_buffer
from adqn_jax.replay.buffer import Where, min_capacity
from adqn_jax.replay.prioritised import Priorities, PrioritisedState, row_priority
from adqn_jax.types import FINAL, Transition

STREAMS, ROW, LONGEST = 3, 5, 4


def build(rows: int = 64, whole: bool = True, more: int = 30) -> PrioritisedBuffer:
    """Make the buffer under test."""
    buffer = make_buffer(
        capacity=min_capacity(ROW, LONGEST) + more, num_streams=STREAMS, row_length=ROW,
        longest_episode=LONGEST, batch_rows=rows, whole_histories=whole, kind=PrioritisedBuffer,
    )  # fmt: skip
    assert isinstance(buffer, PrioritisedBuffer)
    return buffer


def slots(number: int, seed: int = 0) -> Transition:
    """Record which slot of which stream each is; episodes of random lengths, some truncated."""
    rng = np.random.default_rng(seed)
    time, end = np.zeros((2, number, STREAMS), np.int32)
    for stream in range(STREAMS):
        lengths = rng.integers(1, LONGEST + 2, number)
        time[:, stream] = np.concatenate([np.arange(n) for n in lengths])[:number]
    end[time == LONGEST] = FINAL
    slot, stream = np.indices((number, STREAMS)).astype(np.int32)
    return Transition(slot, stream, slot % 5, np.float32(slot), time, end)


def filled(buffer: PrioritisedBuffer, written: Transition) -> PrioritisedState:
    """Write all slots."""
    state = buffer.init(jax.tree.map(lambda x: jnp.asarray(x[0, 0]), written))
    extended = jax.jit(buffer.extend)(state, written)
    assert isinstance(extended, PrioritisedState)
    return extended


def items(buffer: PrioritisedBuffer, written: Transition) -> list[tuple[int, int]]:
    """List where rows can begin, in NumPy: places in the ring and streams."""
    number = len(written.time)
    oldest = max(0, number - buffer.capacity)
    return [
        (slot % buffer.capacity, stream)
        for slot in range(oldest, number - ROW)
        for stream in range(STREAMS)
        if (written.time[slot, stream] == 0 if buffer.whole_histories
            else written.end[slot, stream] != FINAL)
    ]  # fmt: skip


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("number", [ROW + 1, 30, 39, 40, 100, 177])
def test_every_whole_row_is_an_item(number: int, whole: bool) -> None:
    """From an episode's start, or from any slot; before and after the ring has wrapped."""
    buffer, written = build(512, whole), slots(number)
    state = filled(buffer, written)
    sample = jax.jit(buffer.sample)(state, jax.random.key(1))
    expected = items(buffer, written)
    got = set(zip(*(x.tolist() for x in sample.where), strict=True))
    assert got <= set(expected)
    assert len(got) > 0.9 * len(expected) or len(expected) > 100
    row = np.asarray(sample.slots.env_state)
    np.testing.assert_array_equal(row, row[0] + np.arange(ROW + 1)[:, None])
    assert row.max() < number
    assert row.min() >= number - buffer.capacity


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_frequencies_and_weights(alpha: float) -> None:
    """Rows are drawn as p^α / sum, within three standard deviations; weights make up for it."""
    buffer, written = build(256), slots(100)
    state, places = filled(buffer, written), items(buffer, written)
    where = Where(*(jnp.asarray(x, jnp.int32) for x in zip(*places, strict=True)))
    priority = jnp.linspace(0.1, 2.0, len(places)) ** 2
    priorities = buffer.put_back(state.priorities, where, priority, alpha)
    state = state.replace(priorities=priorities)
    draw = jax.jit(jax.vmap(lambda key: buffer.sample(state, key, 0.7)))
    sample = draw(jax.random.split(jax.random.key(0), 400))

    chance = np.asarray(priority) ** alpha
    chance = chance / chance.sum()
    number = {place: i for i, place in enumerate(places)}
    flat = zip(*(np.ravel(x).tolist() for x in sample.where), strict=True)
    index = np.array([number[place] for place in flat])
    counts, total = np.bincount(index, minlength=len(places)), index.size
    deviation = (counts - total * chance) / np.sqrt(total * chance * (1 - chance))
    assert np.abs(deviation).max() < 4.0
    assert np.mean(np.abs(deviation) < 3.0) > 0.97
    expected = (len(places) * chance) ** -0.7
    np.testing.assert_allclose(np.ravel(sample.weight), (expected / expected.max())[index], 1e-4)


def test_new_rows_have_the_largest_priority() -> None:
    """The largest that there was; what is overwritten takes its priority along."""
    buffer, written = build(), slots(60)
    state = filled(buffer, jax.tree.map(lambda x: x[:45], written))
    slot, stream = items(buffer, jax.tree.map(lambda x: x[:45], written))[-1]
    one = Where(jnp.array([slot]), jnp.array([stream]))
    priorities = buffer.put_back(state.priorities, one, jnp.array([9.0]), 0.5)
    assert priorities.of_slot[slot, stream] == 3.0 == priorities.largest
    state = state.replace(priorities=priorities)
    later = buffer.extend(state, jax.tree.map(lambda x: jnp.asarray(x[45:]), written))
    assert isinstance(later, PrioritisedState)
    new = np.arange(45, 60) % buffer.capacity
    expected = np.where(written.time[45:] == 0, 3.0, 0.0)
    np.testing.assert_array_equal(later.priorities.of_slot[new], expected)
    old = np.setdiff1d(np.arange(buffer.capacity), new)
    np.testing.assert_array_equal(later.priorities.of_slot[old], priorities.of_slot[old])


def test_a_row_drawn_twice_keeps_the_larger() -> None:
    """In whatever order they are put back."""
    buffer = build()
    state = filled(buffer, slots(40))
    twice = Where(jnp.array([7, 7]), jnp.array([1, 1]))
    for pair in ([0.2, 0.1], [0.1, 0.2]):
        put = buffer.put_back(state.priorities, twice, jnp.array(pair), 1.0)
        assert put.of_slot[7, 1] == jnp.float32(0.2)


def test_a_row_follows_its_transitions() -> None:
    """0.9 of the largest error, 0.1 of the mean; what holds no transition does not count."""
    errors = jnp.array([[1.0, 5.0], [3.0, 7.0], [100.0, 9.0]])
    valid = jnp.array([[True, False], [True, False], [False, False]])
    np.testing.assert_allclose(row_priority(errors, valid, 0.5), [0.9 * 3 + 0.1 * 2 + 0.5, 0.5])


def test_the_bytes_of_priorities() -> None:
    """Four for each slot."""
    state = build().init(jax.tree.map(lambda x: jnp.asarray(x[0, 0]), slots(1)))
    assert state.priorities.of_slot.nbytes == 4 * build().capacity * STREAMS


@pytest.mark.parametrize("streams", [1, 16])
def test_large_rings_draw_rows_only(streams: int) -> None:
    """Sums of 60,000 chances round; what is drawn begins a row, and its weight is at most 1."""
    buffer = PrioritisedBuffer(60_000, streams, 100, 100, 512)
    time = (jnp.arange(60_000) % 101).astype(jnp.int32)
    slot = Transition(time, time, time, jnp.float32(time), time, jnp.zeros_like(time))
    storage = jax.tree.map(lambda x: jnp.broadcast_to(x[:, None], (60_000, streams)), slot)
    priority = jax.random.uniform(jax.random.key(0), (60_000, streams), minval=1e-3)
    of_slot = jnp.where(storage.time == 0, priority, 0.0)
    state = PrioritisedState(storage, jnp.int32(60_000), Priorities(of_slot, jnp.float32(1.0)))
    draw = jax.jit(jax.vmap(lambda key: buffer.sample(state, key, 0.4)))
    for seed in range(4):
        sample = draw(jax.random.split(jax.random.key(seed), 64))
        assert (of_slot[sample.where] > 0.0).all()
        assert ((sample.weight > 0.0) & (sample.weight <= 1.0)).all()
