"""The joint loss of U and Q over a batch of rows, and one gradient step on it."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from adqn_jax.types import Array, Params, PyTree, Rows
from adqn_jax.value import losses
from adqn_jax.value.algorithms import Algorithm
from adqn_jax.value.config import Hyperparameters, LossConfig
from adqn_jax.value.networks import ValueNetworks, Values


def loss_fn(
    algorithm: Algorithm,
    config: LossConfig,
    hyper: Hyperparameters,
    rows: Rows,
    online: Values,
    target: Values,
) -> dict[str, Array]:
    """Average the squared errors of each model over a batch.

    Args:
      algorithm: which values bootstrap and what Q regresses on.
      config: static choices.
      hyper: discount and lambda.
      rows: T slots of B rows, of which the last one only bootstraps.
      online: values of the networks that learn, [T, B, A].
      target: values of the target networks, [T, B, A].

    Returns:
      The losses, {"q": scalar} and, where the algorithm has a U, {"u": scalar}. Their sum is
      minimised; the models share no parameters, so each loss moves its own.
    """
    returns = target_returns(config, hyper, rows, target)
    weights = slot_weights(config, rows)[:-1]
    td_error = jax.vmap(jax.vmap(losses.td_error))
    action = rows.action[:-1]

    result = {}
    if online.u is not None:
        result["u"] = jnp.sum(weights * td_error(online.u[:-1], action, returns) ** 2)
    if algorithm.regress_on == "bootstrap":
        squared = td_error(online.q[:-1], action, returns) ** 2
    else:
        assert target.u is not None, "only an algorithm with a U regresses on it"
        errors = jax.vmap(jax.vmap(losses.regression_errors))(online.q[:-1], target.u[:-1]) ** 2
        if config.regress_actions == "all":
            squared = errors.mean(-1)
        else:
            squared = jnp.take_along_axis(errors, action[..., None], -1)[..., 0]
    return result | {"q": jnp.sum(weights * squared)}


def target_returns(config: LossConfig, hyper: Hyperparameters, rows: Rows, target: Values) -> Array:
    """Compute the return that each slot but the last regresses on, float [T-1, B]."""
    bootstraps = target.q if target.u is None else target.u
    v = jax.vmap(jax.vmap(losses.bootstrap_value))(bootstraps, target.q)[1:]

    ends = rows.terminated
    if config.time_limit == "terminates":
        ends = ends | rows.truncated
    discount = jnp.where(ends[:-1], 0.0, hyper.discount)

    # A trace goes on through a slot that holds a transition; a final slot, which holds none, is
    # bootstrapped from.
    trace = rows.valid[1:]
    if config.cut_at_exploration:
        trace = trace & (rows.action == jnp.argmax(target.q, axis=-1))[1:]
    trace = trace.astype(v.dtype)

    if config.returns == "lambda":
        trace = hyper.return_lambda * trace
        multi_step = losses.lambda_returns
    else:
        multi_step = functools.partial(losses.n_step_returns, n=config.n_step)
    return jax.vmap(multi_step, 1, 1)(rows.reward[:-1], discount, v, trace)


def slot_weights(config: LossConfig, rows: Rows) -> Array:
    """Weigh the slots for an average over transitions or over whole episodes.

    Returns:
      Weights that sum to 1, float [T, B]; 0 in slots that hold no transition and in the last one.
    """
    valid = rows.valid.at[-1].set(False).astype(jnp.float32)
    if config.average == "transition":
        return valid / valid.sum()

    # Number the episodes of a row; an episode is whole if its end is in the row.
    number = jnp.cumsum(rows.inputs.start, axis=0) - 1
    length = rows.inputs.start.shape[0]
    episode_sum = jax.vmap(lambda x, n: jax.ops.segment_sum(x, n, length)[n], 1, 1)
    over = (rows.terminated | rows.truncated).astype(jnp.float32) * valid
    whole = valid * episode_sum(over, number)
    share = whole / jnp.maximum(episode_sum(valid, number), 1.0)
    return share / share.sum()


@dataclasses.dataclass(frozen=True)
class Learner:
    """Gradient steps on batches of rows; each network has an optimiser of its own."""

    networks: ValueNetworks
    algorithm: Algorithm
    config: LossConfig
    max_grad_norm: float

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of what `update` reports."""
        nothing = dict.fromkeys(self.networks.models, jnp.float32(0.0))
        return tuple(_diagnostics(nothing, nothing, nothing))

    def init_opt_state(self, params: Params) -> PyTree:
        """Return the optimiser's first state, one per network."""
        adam = self._optimizer(Hyperparameters())
        return {name: adam.init(params[name]) for name in params}

    def update(
        self, hyper: Hyperparameters, params: Params, target_params: Params, opt_state: PyTree,
        rows: Rows,
    ) -> tuple[Params, PyTree, dict[str, Array]]:  # fmt: skip
        """Take one gradient step.

        Returns:
          The new parameters, the optimiser's state, and diagnostics, scalars: `loss_q`,
          `grad_norm_q` (before clipping), `mean_q` (of actions taken), and the same of U.
        """
        target = self.networks.unroll(target_params, rows.inputs)

        def loss(params: Params) -> tuple[Array, Any]:
            online = self.networks.unroll(params, rows.inputs)
            by_model = loss_fn(self.algorithm, self.config, hyper, rows, online, target)
            mean = {name: _mean_taken(getattr(online, name), rows) for name in by_model}
            return sum(by_model.values(), jnp.float32(0.0)), (by_model, mean)

        with self.networks.precision():
            grads, (by_model, mean) = jax.grad(loss, has_aux=True)(params)
        adam = self._optimizer(hyper)
        norms, new_params, new_opt_state = {}, {}, {}
        for name, grad in grads.items():
            norms[name] = optax.tree.norm(grad)
            updates, new_opt_state[name] = adam.update(grad, opt_state[name], params[name])
            new_params[name] = optax.apply_updates(params[name], updates)
        return new_params, new_opt_state, _diagnostics(by_model, mean, norms)

    def _optimizer(self, hyper: Hyperparameters) -> optax.GradientTransformation:
        """Adam for one network, after clipping by the norm of its gradient (0: no clipping)."""
        adam = optax.adam(hyper.learning_rate, eps=hyper.adam_eps)
        if self.max_grad_norm:
            return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), adam)
        return adam


def _diagnostics(
    loss: dict[str, Array], mean: dict[str, Array], grad_norm: dict[str, Array]
) -> dict[str, Array]:
    """Give what was measured of each network the name that metrics have for it."""
    measured = {"loss": loss, "mean": mean, "grad_norm": grad_norm}
    return {f"{what}_{name}": x for what, of in measured.items() for name, x in of.items()}


def _mean_taken(values: Array, rows: Rows) -> Array:
    taken = jnp.take_along_axis(values, rows.action[..., None], -1)[..., 0]
    return jnp.sum(taken * rows.valid) / rows.valid.sum()
