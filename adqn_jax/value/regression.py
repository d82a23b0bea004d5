"""What Q and U regress on, and how far from it they are."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.returns import lambda_returns, n_step_returns
from adqn_jax.types import Array, Rows
from adqn_jax.value import losses
from adqn_jax.value.algorithms import Algorithm
from adqn_jax.value.config import Hyperparameters, LossConfig
from adqn_jax.value.distributions import Distribution, Returns
from adqn_jax.value.networks import Outputs


@struct.dataclass
class Compared:
    """How far a model is from what it regresses on, in every transition; float [T-1, B] each."""

    loss: Array  # 0 where the trust region drops it
    error: Array  # its size, dropped or not


@dataclasses.dataclass(frozen=True)
class Regression:
    """What each model regresses on, and how far from it every transition is."""

    algorithm: Algorithm
    config: LossConfig
    hyper: Hyperparameters
    distribution: Distribution

    def compare(
        self, rows: Rows, online: Outputs, target: Outputs, key: Array | None
    ) -> dict[str, Compared]:
        """Compare each model with what it regresses on, in every transition.

        Args:
          rows: T slots of B rows, of which the last one only bootstraps.
          online: of the networks that learn, [T, B, A, ...].
          target: of the target networks, [T, B, A, ...].
          key: consumed; `returns` says when it is read.

        Returns:
          How far off is "q" and, where the algorithm has a U, "u".
        """
        bootstraps = online if self.config.bootstrap == "trust-region" else target
        selects = online if self.config.select == "online" else bootstraps
        action = rows.action[:-1]

        def regress(name: str, on: Returns, pick: Callable[[Array], Array]) -> Compared:
            values, before = (pick(getattr(x.values, name)[:-1]) for x in (online, target))
            outputs = pick(getattr(online, name)[:-1])
            return self._compare(rows, outputs, online.fractions, values, before, on)

        def of_taken(x: Array) -> Array:
            return taken(x, action)

        result = {}
        bootstrap = bootstraps.q if bootstraps.u is None else bootstraps.u
        returns = self.returns(rows, bootstrap, selects.values.q, key)
        if online.u is not None:
            result["u"] = regress("u", returns, of_taken)
        if self.algorithm.regress_on == "bootstrap":
            share = self.config.privileged_share
            if online.u is not None and share < 1.0 and not self.distribution.shape:
                # U's value varies with the states that h' leaves open. Q's does not, but Q only
                # learns it from its own values, one step at a time.
                bootstrap = share * bootstrap + (1.0 - share) * bootstraps.q
                returns = self.returns(rows, bootstrap, selects.values.q, key)
            return result | {"q": regress("q", returns, of_taken)}
        assert bootstraps.u is not None, "only an algorithm with a U regresses on it"
        returns = self.distribution.returns(bootstraps.u[:-1])
        if self.config.regress_actions == "taken":
            return result | {"q": regress("q", jax.tree.map(of_taken, returns), of_taken)}
        return result | {"q": regress("q", returns, lambda x: x)}

    def returns(
        self, rows: Rows, bootstrap: Array, q_selector: Array, key: Array | None
    ) -> Returns:
        """Compute what each slot but the last bootstraps.

        A distribution of lambda-returns is a mixture over their lengths. It is sampled: each atom,
        or, where atoms have probabilities, each slot, bootstraps after a length of its own.

        Args:
          rows: T slots of B rows.
          bootstrap: outputs of the network that bootstraps, float [T, B, A, ...].
          q_selector: the values of Q that choose the bootstrap action, float [T, B, A].
          key: consumed; read for lambda-returns of distributions only.

        Returns:
          Atoms, and perhaps their probabilities, [T-1, B, *shape].
        """
        z = jax.tree.map(
            lambda x: jax.vmap(jax.vmap(losses.bootstrap_value))(x, q_selector)[1:],
            self.distribution.returns(bootstrap),
        )
        discount = rows.discounts(self.hyper.discount, self.config.time_limit)[:-1]

        # A trace goes on through a slot that holds a transition; a final slot, which holds none,
        # is bootstrapped from.
        trace = rows.valid[1:]
        if self.config.cut_at_exploration:
            trace = trace & (rows.action == jnp.argmax(q_selector, axis=-1))[1:]
        trace = trace.astype(q_selector.dtype)

        multi_step: Any = functools.partial(n_step_returns, n=self.config.n_step)
        if self.config.returns == "lambda":
            multi_step = lambda_returns
            trace = self.hyper.return_lambda * trace
        if self.distribution.shape:
            trace = self._lengths(trace, key)
            multi_step = jax.vmap(multi_step, in_axes=(None, None, 1, 1), out_axes=1)
        over_rows = jax.vmap(multi_step, 1, 1)
        atoms = over_rows(rows.reward[:-1], discount, z.atoms, trace)
        if z.probabilities is None:
            return Returns(atoms, None)
        # A probability goes wherever its atom goes, unpaid and undiscounted.
        nothing, whole = jnp.zeros_like(discount), jnp.ones_like(discount)
        return Returns(atoms, over_rows(nothing, whole, z.probabilities, trace))

    def _lengths(self, trace: Array, key: Array | None) -> Array:
        """Draw traces of 0 and 1, [T-1, B, N], from their probabilities [T-1, B]."""
        (atoms,) = self.distribution.shape
        trace = trace[..., None]
        if self.config.returns == "lambda":
            assert key is not None, "lambda-returns of distributions are drawn"
            drawn = 1 if self.distribution.weighted else atoms
            go_on = jax.random.bernoulli(key, trace, (*trace.shape[:-1], drawn))
            trace = go_on.astype(trace.dtype)
        return jnp.broadcast_to(trace, (*trace.shape[:-1], atoms))

    def _compare(
        self, rows: Rows, outputs: Array, fractions: Array | None, values: Array, before: Array,
        on: Returns,
    ) -> Compared:  # fmt: skip
        """Compare outputs, [T-1, B, *shape] or of every action [T-1, B, A, *shape].

        The trust region is measured by `values`, those of the outputs, and `before`, those of the
        target network, [T-1, B] or [T-1, B, A].
        """
        loss: Any = functools.partial(self.distribution.loss, self.hyper)
        every_action = values.ndim == 3
        if every_action:
            loss = jax.vmap(loss, in_axes=(0, None, 0))
        fractions = None if fractions is None else fractions[:-1]
        each: Array = jax.vmap(jax.vmap(loss))(outputs, fractions, on)
        counted = each
        if self.config.bootstrap == "trust-region":
            valid = rows.valid[:-1, :, None] if every_action else rows.valid[:-1]
            spread = jnp.std(values, where=valid)
            width = self.hyper.trust_alpha * jnp.where(valid.any(), spread, 0.0)
            expected = self.distribution.expected(on)
            counted = jnp.where(losses.in_trust_region(values, before, expected, width), each, 0.0)
        if every_action:
            each, counted = each.mean(-1), counted.mean(-1)
        return Compared(counted, self.distribution.error(jax.lax.stop_gradient(each)))


def taken(values: Array, action: Array) -> Array:
    """Pick what belongs to the actions, [T, B, ...], of [T, B, A, ...]."""
    picked: Array = jax.vmap(jax.vmap(lambda of_actions, a: of_actions[a]))(values, action)
    return picked
