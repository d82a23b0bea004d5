"""The named algorithms as data: which model bootstraps, which value Q regresses on."""

import dataclasses
from typing import Literal, get_args

from adqn_jax.config import find_algorithm

_Privileged = Literal["none", "history-state", "state"]
_RegressOn = Literal["bootstrap", "privileged"]


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """One row of the paper's table of algorithms (Section 4.3)."""

    name: str
    privileged: _Privileged
    """What U sees: there is no U, U(h,s,a), or U(s,a)."""
    regress_on: _RegressOn
    """What Q regresses on: the bootstrapped target, or the values of U (variance reduction)."""

    def __post_init__(self) -> None:
        """Refuse what no algorithm is.

        Raises:
          ValueError: when a word is unknown, or Q is to regress on a U that there is not.
        """
        for name, words in (("privileged", _Privileged), ("regress_on", _RegressOn)):
            if getattr(self, name) not in get_args(words):
                raise ValueError(
                    f"{self.name}: {name} must be one of {', '.join(get_args(words))}, got "
                    f"{getattr(self, name)!r}"
                )
        if self.regress_on == "privileged" and not self.has_u:
            raise ValueError(f"{self.name}: Q cannot regress on U where there is none")

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
