"""How long a chunk is."""

import pytest

from adqn_jax.runs.pace import CHUNK_SECONDS, Pace


@pytest.mark.parametrize("seconds", [1e-5, 0.02, 0.3, CHUNK_SECONDS, 7.0])
def test_settles_at_the_seconds_of_a_chunk(seconds: float) -> None:
    """From one iteration on, whatever an iteration takes; chunks before grow by 2 at most."""
    pace, before = Pace(), 1
    assert pace.iterations == 1
    for _ in range(20):
        pace.took(pace.iterations, seconds * pace.iterations)
        assert 1 <= pace.iterations <= 2 * before
        before = pace.iterations
    assert pace.iterations == pytest.approx(max(1, CHUNK_SECONDS / seconds), abs=1)


def test_a_chunk_cut_short_says_as_much() -> None:
    """The last before a log point may be short; the next is as long as it would have been."""
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
