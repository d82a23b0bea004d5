"""The named algorithms as data: where the expert comes from, and what the student sees."""

import dataclasses
from typing import Literal

from adqn_jax.config import find_algorithm


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """One row of the table of docs/imitation.md."""

    name: str
    expert: Literal["learnt", "given"]
    """Whether the expert learns by reinforcement, or is a policy file's and stays as it is."""
    student: Literal["none", "history", "state"]
    """What the student sees; without one, the expert itself is what is trained."""
    encodes: bool = False
    """Whether the expert sees, in the state's place, what an encoder makes of the history."""
    acts_on_state: bool = False
    """Whether what is trained, and saved, sees the privileged state and no history."""


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("expert", "learnt", "none", acts_on_state=True),
        Algorithm("ail", "given", "history"),
        Algorithm("dagger", "given", "state", acts_on_state=True),
        Algorithm("a2d", "learnt", "history"),
        Algorithm("pre-encoder", "learnt", "none", encodes=True),
    )
}


def get_algorithm(name: str) -> Algorithm:
    """Return the algorithm called `name`; raises ValueError when there is none."""
    return find_algorithm(ALGORITHMS, name)
