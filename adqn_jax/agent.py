"""The seam between the training loop and what learns in it: an agent is pure functions of a seed.

The trainer knows environments, time and evaluation, and no algorithm; an agent knows networks,
losses and what it replays, and no environment's step. Policies, pictures and diagnostics use the
part that needs no environment, `Networks`.
"""

from typing import Any, Protocol, TypeVar

from adqn_jax.plan import Plan
from adqn_jax.types import Array, Inputs, Params, PyTree, Rollout, Transition

S = TypeVar("S")
Who = Any  # parameters of whoever acts, and how it explores; a pytree


class Networks(Protocol):
    """What acts and what is evaluated, chosen from spaces alone."""

    def init(self, key: Array, inputs: Inputs) -> Params:
        """Draw parameters; `key` is consumed, `inputs`, leaves [T, B, ...], give shapes only."""

    def memory(self, *lead: int) -> PyTree:
        """Return the actor's empty memory, leaves [*lead, ...]."""

    def actor(
        self, params: Params, epsilon: Array | float = 0.0, greedy: bool | None = None
    ) -> Who:
        """Return who acts with these parameters, but at random now and then.

        It takes what looks best, or, of policies that have probabilities and with `greedy` false,
        draws its actions; None does as it was configured.

        Raises:
          ValueError: when there are no probabilities to draw from.
        """

    def act(
        self, who: Who, memory: PyTree, inputs: Inputs, key: Array
    ) -> tuple[Array, PyTree, Array]:
        """Choose actions, int32 [...], or float32 [..., N] of a Box; `key` is consumed.

        Returns:
          The actions; the memory after this slot; a score for each action, float [..., A], or what
          else the choice was made by.
        """

    def look(self, params: Params, inputs: Inputs) -> dict[str, Array]:
        """Evaluate every network along rows, [T, B, A] or [T, B], by name: "Q(h,a)", "V(s)"."""


class Agent(Protocol[S]):
    """An algorithm; S is its own part of `TrainState`."""

    @property
    def networks(self) -> Networks:
        """What acts and what is evaluated."""

    @property
    def plan(self) -> Plan:
        """Warm-up, steps and gradient steps of an iteration."""

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of what `learn` reports."""

    def init(self, key: Array, example: Transition) -> S:
        """Start from scratch; `key` is consumed, `example`, leaves [E, ...], gives shapes only."""

    def novice(self, state: S) -> Who:
        """Return who gathers the warm-up."""

    def behaviour(self, state: S, hyper: Any, timesteps: Array) -> Who:
        """Return who gathers data once so many timesteps have been simulated."""

    def policy(self, state: S) -> Who:
        """Return who is evaluated."""

    def others(self, state: S) -> dict[str, Who | None]:
        """Return who else is evaluated, by what it is; the metrics have `<name>_return` of each.

        None is `policy` itself, by another name: it is evaluated once.
        """

    def deployed(self, state: S) -> Params:
        """Return the parameters of `policy`, and of what is saved with it; many seeds will do."""

    def warm_up(self, state: S, rollout: Rollout) -> S:
        """Take in what the novice gathered."""

    def learn(
        self, state: S, rollout: Rollout, hyper: Any, timesteps: Array, key: Array
    ) -> tuple[S, dict[str, Array]]:
        """Take an iteration's gradient steps; `timesteps` includes the rollout, `key` is consumed.

        Returns:
          The new state, and `diagnostics`, scalars.
        """

    def annealed(self, hyper: Any, timesteps: Array) -> dict[str, Array]:
        """Return the numbers that change with time, by the names that metrics have for them."""

    def params(self, state: S) -> Params:
        """Return the parameters of all networks, targets apart; many seeds will do."""

    def learned(self, state: S) -> PyTree:
        """Return all that must stay finite: every network's parameters."""

    def parts(self, state: S) -> dict[str, PyTree]:
        """Name the parts of a state that take memory."""
