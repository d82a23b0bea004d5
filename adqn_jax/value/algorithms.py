"""The named algorithms as data: which model bootstraps, which value Q regresses on."""

import dataclasses
from typing import Literal

from adqn_jax.config import find_algorithm


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """One row of the paper's table of algorithms (Section 4.3)."""

    name: str
    privileged: Literal["none", "history-state", "state"]
    """What U sees: there is no U, U(h,s,a), or U(s,a)."""
    regress_on: Literal["bootstrap", "privileged"]
    """What Q regresses on: the bootstrapped target, or the values of U (variance reduction)."""

    @property
    def has_u(self) -> bool:
        """Whether a privileged model is trained beside Q; it then also bootstraps."""
        return self.privileged != "none"


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("dqn", "none", "bootstrap"),
        Algorithm("adqn", "history-state", "bootstrap"),  # Eqs. 16, 17
        Algorithm("adqn-vr", "history-state", "privileged"),  # Eqs. 18, 19
        Algorithm("adqn-state", "state", "bootstrap"),  # Eqs. 20, 21
        Algorithm("adqn-state-vr", "state", "privileged"),  # Eqs. 22, 23
    )
}


def get_algorithm(name: str) -> Algorithm:
    """Return the algorithm called `name`; raises ValueError when there is none."""
    return find_algorithm(ALGORITHMS, name)
