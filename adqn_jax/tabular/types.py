"""What the exact algorithms take: a finite POMDP, and a finite set of its histories.

Axes: N histories, S states, A actions, O observations, K iterations. Arrays are NumPy's, float64.
"""

import dataclasses
from typing import Protocol

import numpy as np

Array = np.ndarray


class Model(Protocol):
    """A finite POMDP as arrays; `adqn_jax.envs.POMDP` is one, and checks them.

    An action ends the episode, after its reward, where `terminal` says so. Nothing is observed
    before the first action: the first history is empty.
    """

    @property
    def transition(self) -> Array:  # [S, A, S'] Pr(s' | s, a)
        """Transition probabilities."""

    @property
    def observation(self) -> Array:  # [A, S', O] Pr(o | a, s')
        """Observation probabilities."""

    @property
    def reward(self) -> Array:  # [S, A]
        """Expected rewards."""

    @property
    def start(self) -> Array:  # [S] Pr(s_0)
        """Distribution of the first state."""

    @property
    def terminal(self) -> Array | None:  # [S, A] bool, None: never
        """Where an action ends the episode."""

    @property
    def discount(self) -> float:
        """Discount per step."""


@dataclasses.dataclass(frozen=True, eq=False)
class Histories:
    """N histories and what may follow each, the first of them the empty one.

    In a tree they are histories up to a horizon, and the values beyond it are 0: that is the
    POMDP with so many steps. In a belief graph each stands for all histories with one belief,
    which is all that values depend on, and there is no horizon. Only reachable ones are there, so
    Pr(s|h) > 0 marks the pairs (h, s) at which U means something; elsewhere U is 0.
    """

    belief: Array  # [N, S] Pr(s | h)
    probability: Array  # [N, A, O] Pr(o and the episode goes on | h, a)
    successor: Array  # [N, A, O] int64, the history hao; N where there is none

    @property
    def count(self) -> int:
        """N."""
        return self.belief.shape[0]


def goes_on(model: Model) -> Array:
    """Return the transitions that do not end the episode, Pr(s' and it goes on | s, a)."""
    if model.terminal is None:
        return model.transition
    return model.transition * ~model.terminal[..., None]
