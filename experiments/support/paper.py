"""What papers show: environments, algorithms, and statements about them."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

#: In the order of the paper's figure.
ENVS = ("heavenhell-3", "heavenhell-4", "carflag", "cleaner", "memory-four-rooms-7x7")
ALGORITHMS = ("dqn", "adqn", "adqn-vr", "adqn-state", "adqn-state-vr")

#: What each claim is about, by its letter.
CLAIMS = "abcdefg"

Relation = Literal["solves", "does not solve", "ends above", "does not end below"]


@dataclasses.dataclass(frozen=True)
class Statement:
    """Something that the paper's figure shows."""

    claim: str
    env: str
    algo: str
    relation: Relation
    other: str = ""  # algorithm, of what compares two

    def __str__(self) -> str:
        """Return the sentence."""
        return f"{self.algo} {self.relation} {self.other}".strip()


def statements() -> Iterator[Statement]:
    """List what is claimed, of Figure 1 (a to e) and of critics (f, g)."""
    asymmetric, others = ("adqn", "adqn-vr"), ("dqn", "adqn-state", "adqn-state-vr")
    for claim, env in (("a", "heavenhell-3"), ("b", "heavenhell-4")):
        yield from (Statement(claim, env, algo, "solves") for algo in asymmetric)
        yield from (Statement(claim, env, algo, "does not solve") for algo in others)
    for claim, env in (("c", "carflag"), ("d", "cleaner")):
        for algo in asymmetric:
            yield from (Statement(claim, env, algo, "ends above", other) for other in others)
    rooms = "memory-four-rooms-7x7"
    for algo, other in (("adqn-vr", "adqn"), ("adqn", "dqn"), ("adqn-state", "dqn")):
        yield Statement("e", rooms, algo, "ends above", other)
    yield from (Statement("e", rooms, algo, "does not solve") for algo in (*asymmetric, *others))
    # Baisero and Amato (2022): V(h,s) is best or equal; V(s) is not, where things are to find out.
    for claim, base in (("f", "a2c"), ("g", "ppo")):
        for env in ENVS[:-1]:
            yield Statement(claim, env, f"{base}-asym", "does not end below", base)
        for env in ENVS[:3]:
            yield Statement(claim, env, f"{base}-asym", "ends above", f"{base}-state")
