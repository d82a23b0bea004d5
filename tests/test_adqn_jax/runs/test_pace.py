"""How long a chunk is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax.runs.pace import CHUNK_SECONDS, Pace


@pytest.mark.parametrize("seconds", [1e-5, 0.02, 0.3, CHUNK_SECONDS, 7.0])
def test_settles_at_the_seconds_of_a_chunk(seconds: float) -> None:
    """From one iteration on, whatever an iteration takes; chunks grow by 2 at most."""
    pace, before = Pace(), 1
    assert pace.of(10**6) == 1
    for _ in range(20):
        pace.took(pace.iterations, seconds * pace.iterations)
        assert 1 <= pace.iterations <= 2 * before
        before = pace.iterations
    assert pace.iterations == pytest.approx(max(1, CHUNK_SECONDS / seconds), abs=1)


@given(st.integers(1, 10**6), st.integers(1, 10**5))
def test_what_is_left_is_cut_in_equal_parts(wanted: int, left: int) -> None:
    """None is longer than wanted, nor are there more than needed; they differ by 1 at most."""
    pace, parts = Pace(wanted), []
    for _ in range(100):
        if left:
            parts.append(pace.of(left))
            left -= parts[-1]
    if left == 0:
        assert max(parts) <= wanted
        assert max(parts) - min(parts) <= 1
        assert len(parts) == -(-sum(parts) // wanted)


def test_a_short_chunk_says_as_much() -> None:
    """The next is as long as it would have been after a long one."""
    pace = Pace(40)
    pace.took(2, 2 * CHUNK_SECONDS / 40)
    assert pace.iterations == 40


def test_a_slow_chunk_counts_at_once() -> None:
    """Where a machine becomes busy the next chunk is shorter; a clock may stand still."""
    pace = Pace(40)
    pace.took(40, 4 * CHUNK_SECONDS)
    assert pace.iterations == 10
    pace.took(10, 0.0)
    assert pace.iterations == 20
