"""How many seeds fit."""

import dataclasses
import math

import pytest

from adqn_jax.runs.memory import Memory, TooLargeError

#: Ten seeds of 100 bytes each, which share 300 to work with.
TEN = Memory(
    seeds=10, parameters=1, parts={"replay": 800}, total=1300, available=1300.0, shared=300
)


@pytest.mark.parametrize(
    ("available", "most"), [(1300.0, 10), (1299.0, 9), (500.0, 2), (400.0, 1), (399.0, 0), (9.0, 0)]
)
def test_as_many_fit_as_there_is_room_for(available: float, most: int) -> None:
    """What all share is needed by one seed, too."""
    memory = dataclasses.replace(TEN, available=available)
    assert memory.most_seeds == most
    if most == TEN.seeds:
        memory.check()
        return
    with pytest.raises(TooLargeError, match=f"10 seeds need .*: at most {most} seeds fit") as error:
        memory.check()
    assert error.value.most_seeds == most


def test_memory_that_cannot_be_known_suffices() -> None:
    """As many seeds fit as are asked for."""
    memory = dataclasses.replace(TEN, available=math.inf)
    memory.check()
    assert memory.most_seeds == 10
    assert "how much there is cannot be known" in memory.table()
