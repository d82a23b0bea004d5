"""The named algorithms as data: what the critic sees, and what it and the actor minimise."""

import dataclasses
from typing import Literal

from adqn_jax.config import find_algorithm


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """One row of the table of docs/actor-critic.md."""

    name: str
    critic: Literal["none", "history", "history-state", "state"]
    """What the critic sees: there is none, V(h), V(h,s), or V(s)."""
    estimate: Literal["monte-carlo", "bootstrap"]
    """What returns are: all rewards of the episode, or some and the critic's value of the rest."""
    loss: Literal["policy-gradient", "clip"]
    """What the actor minimises: the policy gradient's surrogate, or that of PPO."""


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("reinforce", "none", "monte-carlo", "policy-gradient"),
        Algorithm("reinforce-baseline", "history", "monte-carlo", "policy-gradient"),
        Algorithm("a2c", "history", "bootstrap", "policy-gradient"),
        Algorithm("a2c-asym", "history-state", "bootstrap", "policy-gradient"),
        Algorithm("a2c-state", "state", "bootstrap", "policy-gradient"),
        Algorithm("ppo", "history", "bootstrap", "clip"),
        Algorithm("ppo-asym", "history-state", "bootstrap", "clip"),
        Algorithm("ppo-state", "state", "bootstrap", "clip"),
    )
}


def get_algorithm(name: str) -> Algorithm:
    """Return the algorithm called `name`; raises ValueError when there is none."""
    return find_algorithm(ALGORITHMS, name)
