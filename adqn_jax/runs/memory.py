"""What a run needs of memory, the devices' and the host's, known before anything is allocated."""

import contextlib
import dataclasses
import math
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import jax

from adqn_jax.parallel import SeedRunner
from adqn_jax.runs import cluster

#: Copies of the states on the host while a checkpoint is written: ours, and two of Orbax's.
_COPIES = 3


class TooLargeError(ValueError):
    """A run does not fit; `most_seeds` of it would."""

    def __init__(self, sentence: str, most_seeds: int):
        """Keep both."""
        super().__init__(sentence)
        self.most_seeds = most_seeds


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes of a run, over all devices of all processes, and how many there are."""

    seeds: int  # that are run, those that only fill places included
    parameters: int  # numbers, of all networks of a seed, target networks apart
    parts: dict[str, int]  # of the agent's state
    total: int  # with the program's own needs, once it is compiled
    available: float  # infinite where that cannot be known
    shared: int = 0  # of the total, what does not grow with the seeds
    saving: int = 0  # beside it, of the hosts, while a checkpoint is written
    host: float | None = None  # what the hosts have, where the devices have memory of their own

    @classmethod
    def of(cls, runner: SeedRunner) -> "Memory":
        """Measure a compiled run."""
        total, shared = (cluster.count() * x for x in (runner.bytes_needed, runner.bytes_shared))
        return dataclasses.replace(cls.at_least(runner), total=total, shared=shared)

    @classmethod
    def at_least(cls, runner: SeedRunner) -> "Memory":
        """Measure the states alone, which takes neither memory nor a compiled program."""
        agent, state = runner.trainer.agent, runner.seed_shapes
        seeds = cluster.count() * runner.places
        host = cluster.count() * min(cluster.gather(_host_memory()))
        device = _device_memory()
        parts, params = agent.parts(state.agent), agent.params(state.agent)
        return cls(
            seeds=seeds,
            parameters=sum(math.prod(x.shape) for x in jax.tree.leaves(params)),
            parts={name: seeds * _bytes(part) for name, part in parts.items()},
            total=seeds * _bytes(state),
            available=host if device is None else cluster.count() * min(cluster.gather(device)),
            saving=_COPIES * seeds * _bytes(state),
            host=None if device is None else host,
        )

    @property
    def _rooms(self) -> list[tuple[str, int, int, float]]:
        """What each memory is, what it must hold, what of that no seed adds to, and its size."""
        if self.host is None:
            needed = self.total + self.saving
            return [("memory, checkpoints included,", needed, self.shared, self.available)]
        return [
            ("memory", self.total, self.shared, self.available),
            ("the host's memory, checkpoints included,", self.saving, 0, self.host),
        ]

    @property
    def most_seeds(self) -> int:
        """How many seeds would fit; as many as there are where the memory cannot be known."""
        most = [
            self.seeds if size == math.inf else (size - shared) * self.seeds // (needed - shared)
            for _, needed, shared, size in self._rooms
        ]
        return max(0, int(min(most)))

    def check(self) -> None:
        """Refuse what does not fit.

        Raises:
          TooLargeError: naming the number of seeds that does.
        """
        for what, needed, _, size in self._rooms:
            if needed <= size:
                continue
            sentence = (
                f"{self.seeds} seeds need {_gib(needed)} of {what} and there are {_gib(size)}: "
                f"at most {self.most_seeds} seeds fit"
            )
            if "replay" in self.parts:
                replay = _gib(self.parts["replay"])
                sentence += f"; or lower buffer_timesteps, which takes {replay}"
            raise TooLargeError(sentence, self.most_seeds)

    def table(self) -> str:
        """Say it all."""
        lines = [f"{self.parameters:,} parameters in a seed's networks", ""]
        lines += [f"{'':>28}{'a seed':>14}{f'{self.seeds} seeds':>14}"]
        rows = self.parts | {
            "all, with working memory": self.total,
            "the host, for a checkpoint": self.saving,
        }
        lines += [f"{n:>28}{_gib(b / self.seeds):>14}{_gib(b):>14}" for n, b in rows.items()]
        there = f"there are {_gib(self.available)} of memory: at most {self.most_seeds} seeds fit"
        lines += ["", there if self.available < math.inf else "how much there is cannot be known"]
        return "\n".join(lines)


def _bytes(tree: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _device_memory() -> float | None:
    """Return the bytes of all local devices; None where these use the host's."""
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        return None
    return sum(device.memory_stats()["bytes_limit"] for device in devices)


def _host_memory(root: pathlib.Path = pathlib.Path("/")) -> float:
    """Return the bytes that this process may use of the host; infinite where nobody knows."""
    try:
        there: float = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not everywhere can one ask
        return math.inf
    return min([there, *_cgroup_limits(root)])


def _cgroup_limits(root: pathlib.Path) -> Iterator[int]:
    """List what containers and schedulers, such as SLURM, allow this process, in bytes."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        # Version 2 has one tree, and version 1 one for memory. A limit holds for all below it.
        top = root / "sys/fs/cgroup" / controllers
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            for name in ("memory.max", "memory.limit_in_bytes"):
                with contextlib.suppress(OSError, ValueError):  # none, or "max"
                    yield int((folder / name).read_text())
            if folder == top:
                break


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB" if size >= 2**27 else f"{size / 2**20:.3g} MiB"
