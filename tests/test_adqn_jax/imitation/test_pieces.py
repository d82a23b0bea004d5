"""Rows cut from streams, and the ring that keeps the newest."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax.imitation import pieces
from adqn_jax.types import Transition

STREAMS, LENGTH = 3, 2


def transition(number: Any) -> Transition:
    """Make slots of numbers."""
    number = jnp.asarray(number)
    return Transition(number, None, number, number * 1.0, number, number)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_cut_and_join(length: int, number: int, streams: int) -> None:
    """A row is a piece of one stream; joining undoes it."""
    steps = np.arange(length * number * streams).reshape(length * number, streams)
    rows = pieces.cut(jnp.asarray(steps), length)
    assert rows.shape == (length, number * streams)
    for piece in range(number):
        for stream in range(streams):
            begin = piece * length
            row = rows[:, piece * streams + stream]
            np.testing.assert_array_equal(row, steps[begin : begin + length, stream])
    np.testing.assert_array_equal(pieces.join(rows, streams), steps)


def test_the_newest_are_kept() -> None:
    """Five pieces hold the newest five; each of their rows is drawn once, then again."""
    ring = pieces.empty(transition(jnp.zeros(STREAMS, int)), jnp.zeros((STREAMS, 1)), 5, LENGTH)
    add = jax.jit(pieces.add)
    for first in range(0, 8, 2):  # two pieces at a time
        number = jnp.arange(first, first + 2)[:, None, None]
        slots = 100 * number + 10 * jnp.arange(LENGTH)[:, None] + jnp.arange(STREAMS)
        before = 1000 + 100 * number[:, 0] + jnp.arange(STREAMS)
        ring = add(ring, pieces.Pieces(transition(slots), before, before[..., None] * 1.0))
        there = min(first + 2, 5) * STREAMS
        rows = pieces.draw(ring, jax.random.key(first), 2, 20).ravel()
        assert len(set(rows[:there].tolist())) == min(there, 40)
        found, action_tm1, memory = pieces.take(ring, rows)
        assert found.action.shape == (LENGTH, 40)
        kept = set(range(max(0, first - 3), first + 2))
        assert {int(x) for x in found.action[0] // 100} == kept
        np.testing.assert_array_equal(found.action[1], found.action[0] + 10)
        np.testing.assert_array_equal(action_tm1, 1000 + found.action[0])
        np.testing.assert_array_equal(memory[:, 0], action_tm1)
