"""The joint loss of U and Q over a batch of rows, and one gradient step on it."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from adqn_jax import losses
from adqn_jax.algorithms import Algorithm
from adqn_jax.config import Hyperparameters, LossConfig
from adqn_jax.networks import Networks
from adqn_jax.types import Array, Params, PyTree, Rows, Values


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
    number = jnp.cumsum(rows.start, axis=0) - 1
    length = rows.start.shape[0]
    of_episode = jax.vmap(lambda x, n: jax.ops.segment_sum(x, n, length)[n], 1, 1)
    over = (rows.terminated | rows.truncated).astype(jnp.float32) * valid
    whole = valid * of_episode(over, number)
    share = whole / jnp.maximum(of_episode(valid, number), 1.0)
    return share / share.sum()


def optimizer(hyper: Hyperparameters, max_grad_norm: float) -> optax.GradientTransformation:
    """Adam for one network, after clipping by the norm of its gradient (0: no clipping)."""
    adam = optax.adam(hyper.learning_rate, eps=hyper.adam_eps)
    if max_grad_norm:
        return optax.chain(optax.clip_by_global_norm(max_grad_norm), adam)
    return adam


def init_opt_state(max_grad_norm: float, params: Params) -> PyTree:
    """Return the optimiser's first state, one per network."""
    adam = optimizer(Hyperparameters(), max_grad_norm)
    return {name: adam.init(params[name]) for name in params}


UpdateFn = Callable[
    [Hyperparameters, Params, Params, PyTree, Rows], tuple[Params, PyTree, dict[str, Array]]
]


def make_update(
    networks: Networks, algorithm: Algorithm, config: LossConfig, max_grad_norm: float
) -> UpdateFn:
    """Build `update(hyper, params, target_params, opt_state, rows)`, one gradient step.

    It returns the new parameters and optimiser state, and the step's diagnostics: `loss_q`,
    `grad_norm_q` (before clipping), `mean_q` (of actions taken), and the same of U.
    """

    def loss(
        params: Params, target: Values, hyper: Hyperparameters, rows: Rows
    ) -> tuple[Array, dict[str, Array]]:
        online = networks.unroll(params, rows)
        by_model = loss_fn(algorithm, config, hyper, rows, online, target)
        diagnostics = {f"loss_{name}": value for name, value in by_model.items()}
        diagnostics |= {f"mean_{n}": _mean_taken(getattr(online, n), rows) for n in by_model}
        return sum(by_model.values(), jnp.float32(0.0)), diagnostics

    def update(
        hyper: Hyperparameters, params: Params, target_params: Params, opt_state: PyTree, rows: Rows
    ) -> tuple[Params, PyTree, dict[str, Array]]:
        target = networks.unroll(target_params, rows)
        with networks.precision():
            grads, diagnostics = jax.grad(loss, has_aux=True)(params, target, hyper, rows)
        adam = optimizer(hyper, max_grad_norm)
        new_params, new_opt_state = {}, {}
        for name, grad in grads.items():
            diagnostics[f"grad_norm_{name}"] = optax.tree.norm(grad)
            updates, new_opt_state[name] = adam.update(grad, opt_state[name], params[name])
            new_params[name] = optax.apply_updates(params[name], updates)
        return new_params, new_opt_state, diagnostics

    return update


def diagnostic_names(algorithm: Algorithm) -> tuple[str, ...]:
    """Name the diagnostics of `update`."""
    models = ("q", "u") if algorithm.has_u else ("q",)
    return tuple(f"{what}_{m}" for what in ("loss", "mean", "grad_norm") for m in models)


def _mean_taken(values: Array, rows: Rows) -> Array:
    taken = jnp.take_along_axis(values, rows.action[..., None], -1)[..., 0]
    return jnp.sum(taken * rows.valid) / rows.valid.sum()
