"""How evenly the ring is drawn from, and what it refuses; test_buffer_laws.py has its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.replay import Buffer, BufferState, make_buffer
from adqn_jax.replay.buffer import min_capacity
from adqn_jax.types import Transition

STREAMS, ROW, LONGEST, ROWS = 3, 10, 7, 64


def counter_slots(num_slots: int, seed: int) -> Transition:
    """Record which slot of which stream each slot is; episodes of random lengths 1..LONGEST."""
    rng = np.random.default_rng(seed)
    time = np.zeros((num_slots, STREAMS), np.int32)
    for stream in range(STREAMS):
        lengths = rng.integers(1, LONGEST + 1, num_slots)
        time[:, stream] = np.concatenate([np.arange(n) for n in lengths])[:num_slots]
    slot, stream = np.meshgrid(np.arange(num_slots), np.arange(STREAMS), indexing="ij")
    return Transition(
        env_state=jnp.asarray(slot),
        observation=jnp.asarray(stream),
        action=jnp.asarray(slot % 5),
        reward=jnp.asarray(slot, jnp.float32),
        time=jnp.asarray(time),
        end=jnp.zeros_like(jnp.asarray(slot)),
    )


def build(capacity: int) -> Buffer:
    """Make the buffer under test."""
    return make_buffer(
        capacity=capacity,
        num_streams=STREAMS,
        row_length=ROW,
        longest_episode=LONGEST,
        batch_rows=ROWS,
    )


def filled(buffer: Buffer, slots: Transition) -> BufferState:
    """Add all slots, one after another."""
    state = buffer.init(jax.tree.map(lambda x: x[0, 0], slots))
    return jax.lax.scan(lambda s, x: (buffer.add(s, x), None), state, slots)[0]


def test_coverage_is_nearly_uniform() -> None:
    """Away from the ends of the ring, slots are drawn alike, within what one episode can do."""
    buffer = build(400)
    state = filled(buffer, counter_slots(400, seed=3))
    keys = jax.random.split(jax.random.key(0), 400)
    rows = jax.jit(jax.vmap(lambda key: buffer.sample(state, key).slots))(keys)
    drawn = np.asarray(rows.env_state).ravel() * STREAMS + np.asarray(rows.observation).ravel()
    counts = np.bincount(drawn, minlength=400 * STREAMS).reshape(400, STREAMS)
    inner = counts[LONGEST + ROW : -2 * ROW].astype(float)
    per_slot = inner / (len(keys) * ROWS / (400 * STREAMS))  # expected visits, in rows' slots
    assert abs(per_slot.mean() - (ROW + 1)) < 0.3
    assert per_slot.min() > ROW + 1 - LONGEST - 1.5
    assert per_slot.max() < ROW + 1 + LONGEST + 1.5
    newest = counts[-ROW:].mean() / (len(keys) * ROWS / (400 * STREAMS))
    assert 0.5 * ROW < newest < 2.2 * ROW


def test_too_small_is_refused() -> None:
    """A ring that could not always draw a row says how large it must be."""
    with pytest.raises(ValueError, match="need 18, which is 54 in all"):
        build(min_capacity(ROW, LONGEST) - 1)


def test_too_large_is_refused() -> None:
    """So does one whose slots could not be counted."""
    with pytest.raises(ValueError, match=r"must be fewer than 2\^31"):
        build(2**31)
