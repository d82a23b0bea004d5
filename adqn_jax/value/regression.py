"""What Q and U regress on, and how far from it they are."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax.types import Array, Rows
from adqn_jax.value import losses
from adqn_jax.value.algorithms import Algorithm
from adqn_jax.value.config import Hyperparameters, LossConfig
from adqn_jax.value.distributions import Distribution, Returns
from adqn_jax.value.networks import Values


@dataclasses.dataclass(frozen=True)
class Regression:
    """What each model regresses on, and how far from it every transition is."""

    algorithm: Algorithm
    config: LossConfig
    hyper: Hyperparameters
    distribution: Distribution

    def losses(
        self, rows: Rows, online: Values, target: Values, key: Array | None
    ) -> dict[str, Array]:
        """Compare each model with what it regresses on, in every transition.

        Args:
          rows: T slots of B rows, of which the last one only bootstraps.
          online: outputs of the networks that learn, [T, B, A, *shape].
          target: outputs of the target networks, [T, B, A, *shape].
          key: consumed; `returns` says when it is read.

        Returns:
          The losses, float [T-1, B], of "q" and, where the algorithm has a U, of "u".
        """
        mean = self.distribution.mean
        bootstraps = online if self.config.bootstrap == "trust-region" else target
        selects = online if self.config.select == "online" else bootstraps
        returns = self.returns(rows, bootstraps, mean(selects.q), key)
        action = rows.action[:-1]

        def regress(name: str, on: Returns) -> Array:
            outputs, before = (taken(getattr(x, name)[:-1], action) for x in (online, target))
            return self._compare(rows, outputs, before, online.fractions, on)

        result = {}
        if online.u is not None:
            result["u"] = regress("u", returns)
        if self.algorithm.regress_on == "bootstrap":
            return result | {"q": regress("q", returns)}
        assert bootstraps.u is not None, "only an algorithm with a U regresses on it"
        everything = self.distribution.returns(bootstraps.u[:-1])
        if self.config.regress_actions == "taken":
            of_taken = jax.tree.map(lambda x: taken(x, action), everything)
            return result | {"q": regress("q", of_taken)}
        over_actions = jax.vmap(
            functools.partial(self._compare, rows), in_axes=(2, 2, None, 2), out_axes=2
        )
        errors = over_actions(online.q[:-1], target.q[:-1], online.fractions, everything)
        return result | {"q": errors.mean(-1)}

    def returns(
        self, rows: Rows, bootstraps: Values, q_selector: Array, key: Array | None
    ) -> Returns:
        """Compute what each slot but the last bootstraps.

        A distribution of lambda-returns is a mixture over their lengths. It is sampled: each atom,
        or, where atoms have probabilities, each slot, bootstraps after a length of its own.

        Args:
          rows: T slots of B rows.
          bootstraps: outputs of the networks that bootstrap, [T, B, A, *shape].
          q_selector: the values of Q that choose the bootstrap action, float [T, B, A].
          key: consumed; read for lambda-returns of distributions only.

        Returns:
          Atoms, and perhaps their probabilities, [T-1, B, *shape].
        """
        outputs = bootstraps.q if bootstraps.u is None else bootstraps.u
        z = jax.tree.map(
            lambda x: jax.vmap(jax.vmap(losses.bootstrap_value))(x, q_selector)[1:],
            self.distribution.returns(outputs),
        )
        ends = rows.terminated
        if self.config.time_limit == "terminates":
            ends = ends | rows.truncated
        discount = jnp.where(ends[:-1], 0.0, self.hyper.discount)

        # A trace goes on through a slot that holds a transition; a final slot, which holds none,
        # is bootstrapped from.
        trace = rows.valid[1:]
        if self.config.cut_at_exploration:
            trace = trace & (rows.action == jnp.argmax(q_selector, axis=-1))[1:]
        trace = trace.astype(q_selector.dtype)

        multi_step: Any = functools.partial(losses.n_step_returns, n=self.config.n_step)
        if self.config.returns == "lambda":
            multi_step = losses.lambda_returns
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
        self, rows: Rows, outputs: Array, before: Array, fractions: Array | None, on: Returns
    ) -> Array:
        """Compare an action's outputs, [T-1, B, *shape], with what they regress on; [T-1, B].

        `before` are the target network's, from which the trust region is measured.
        """
        distribution = self.distribution
        fractions = None if fractions is None else fractions[:-1]
        loss = functools.partial(distribution.loss, self.hyper)
        result: Array = jax.vmap(jax.vmap(loss))(outputs, fractions, on)
        if self.config.bootstrap == "target":
            return result
        value, valid = distribution.mean(outputs), rows.valid[:-1]
        spread = jnp.std(value, where=valid)
        width = self.hyper.trust_alpha * jnp.where(valid.any(), spread, 0.0)
        regressed_on = distribution.expected(on)
        keeps = losses.in_trust_region(value, distribution.mean(before), regressed_on, width)
        return jnp.where(keeps, result, 0.0)


def taken(values: Array, action: Array) -> Array:
    """Pick what belongs to the actions, [T, B, ...], of [T, B, A, ...]."""
    picked: Array = jax.vmap(jax.vmap(lambda of_actions, a: of_actions[a]))(values, action)
    return picked
