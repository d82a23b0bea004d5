"""How many seeds fit."""

import dataclasses
import math
import os
import pathlib

import pytest

from adqn_jax.runs.memory import Memory, TooLargeError, _host_memory

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


def test_checkpoints_need_memory_of_the_host() -> None:
    """Beside the run where this is on the host, too; else whatever the devices have."""
    on_host = dataclasses.replace(TEN, saving=1000, available=2300.0)
    on_host.check()
    assert dataclasses.replace(on_host, available=2299.0).most_seeds == 9
    on_device = dataclasses.replace(TEN, saving=1000, host=500.0)
    with pytest.raises(TooLargeError, match=r"checkpoints included, .*: at most 5 seeds fit"):
        on_device.check()
    dataclasses.replace(on_device, host=math.inf).check()


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        ("0::/jobs/7", {"jobs/memory.max": "4096", "jobs/7/memory.max": "max"}, 4096),
        (
            "3:cpu:/a\n4:memory:/b",
            {"cpu/a/memory.max": "1", "memory/b/memory.limit_in_bytes": "8"},
            8,
        ),
        ("0::/", {}, None),
        (None, {}, None),
    ],
    ids=["version-2", "version-1", "no-limit", "no-groups"],
)
def test_a_container_s_limit_counts(
    group: str | None, files: dict[str, str], limit: int | None, tmp_path: pathlib.Path
) -> None:
    """The least that holds for this process, however many its machine has."""
    if group is not None:
        files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
        files["proc/self/cgroup"] = group
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert _host_memory(tmp_path) == (there if limit is None else limit)


def test_memory_that_cannot_be_known_suffices() -> None:
    """As many seeds fit as are asked for."""
    memory = dataclasses.replace(TEN, available=math.inf)
    memory.check()
    assert memory.most_seeds == 10
    assert "how much there is cannot be known" in memory.table()
