"""What a run needs of a device's memory, known before anything is allocated."""

import dataclasses
import math
import os
from typing import Any

import jax

from adqn_jax.parallel import SeedRunner
from adqn_jax.runs import cluster


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
        parts, params = agent.parts(state.agent), agent.params(state.agent)
        return cls(
            seeds=seeds,
            parameters=sum(math.prod(x.shape) for x in jax.tree.leaves(params)),
            parts={name: seeds * _bytes(part) for name, part in parts.items()},
            total=seeds * _bytes(state),
            available=cluster.count() * min(cluster.gather(_available())),
        )

    @property
    def most_seeds(self) -> int:
        """How many seeds would fit; as many as there are where the memory cannot be known."""
        if self.available == math.inf:
            return self.seeds
        of_seed = (self.total - self.shared) / self.seeds
        return max(0, int((self.available - self.shared) // of_seed))

    def check(self) -> None:
        """Refuse what does not fit.

        Raises:
          TooLargeError: naming the number of seeds that does.
        """
        if self.total > self.available:
            sentence = (
                f"{self.seeds} seeds need {_gib(self.total)} of memory, and there are "
                f"{_gib(self.available)}: at most {self.most_seeds} seeds fit"
            )
            if "replay" in self.parts:
                replay = _gib(self.parts["replay"])
                sentence += f"; or lower buffer_timesteps, which takes {replay}"
            raise TooLargeError(sentence, self.most_seeds)

    def table(self) -> str:
        """Say it all."""
        lines = [f"{self.parameters:,} parameters in a seed's networks", ""]
        lines += [f"{'':>28}{'a seed':>14}{f'{self.seeds} seeds':>14}"]
        rows = self.parts | {"all, with working memory": self.total}
        lines += [f"{n:>28}{_gib(b / self.seeds):>14}{_gib(b):>14}" for n, b in rows.items()]
        there = f"there are {_gib(self.available)} of memory: at most {self.most_seeds} seeds fit"
        lines += ["", there if self.available < math.inf else "how much there is cannot be known"]
        return "\n".join(lines)


def _bytes(tree: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _available() -> float:
    """Return the bytes that there are, over all local devices; infinite where nobody knows."""
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):  # not everywhere can one ask
            return math.inf
    return sum(device.memory_stats()["bytes_limit"] for device in devices)


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB" if size >= 2**27 else f"{size / 2**20:.3g} MiB"
