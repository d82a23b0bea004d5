"""The joint loss of U and Q over a batch of rows, and one gradient step on it."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.descent import adam, begin, descend
from adqn_jax.types import Array, Params, PyTree, Rows
from adqn_jax.value.algorithms import Algorithm
from adqn_jax.value.config import Hyperparameters, LossConfig
from adqn_jax.value.networks import ValueNetworks
from adqn_jax.value.regression import Compared, Regression, taken


def average(
    config: LossConfig,
    rows: Rows,
    compared: dict[str, Compared],
    row_weight: Array | None = None,
) -> dict[str, Array]:
    """Average each model's losses over a batch; rows may weigh, float [B].

    The sum over models is minimised. Each loss moves its own model, and an encoder that both share.
    """
    weights = slot_weights(config, rows)[:-1]
    if row_weight is not None:
        weights = weights * row_weight
    return {name: jnp.sum(weights * of.loss) for name, of in compared.items()}


def slot_weights(config: LossConfig, rows: Rows) -> Array:
    """Weigh the slots for an average over transitions or over whole episodes.

    Returns:
      Weights that sum to 1, float [T, B]; 0 in slots that hold no transition and in the last one.
    """
    valid = rows.valid.at[-1].set(False).astype(jnp.float32)
    if config.average == "transition":
        return valid / jnp.maximum(valid.sum(), 1.0)

    # Number the episodes of a row; an episode is whole if its end is in the row.
    number = jnp.cumsum(rows.inputs.start, axis=0) - 1
    length = rows.inputs.start.shape[0]
    episode_sum = jax.vmap(lambda x, n: jax.ops.segment_sum(x, n, length)[n], 1, 1)
    over = (rows.terminated | rows.truncated).astype(jnp.float32) * valid
    whole = valid * episode_sum(over, number)
    share = whole / jnp.maximum(episode_sum(valid, number), 1.0)
    return share / jnp.maximum(share.sum(), 1.0)  # whole episodes; there may be none


@struct.dataclass
class Update:
    """What a gradient step comes to."""

    params: Params
    opt_state: PyTree
    diagnostics: dict[str, Array]  # scalars
    errors: Array  # [T-1, B] how far off the values of each transition were, mean of the models'


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
        of_values = dict.fromkeys(self.networks.models, jnp.float32(0.0))
        asked = dict.fromkeys(self.networks.asks, jnp.float32(0.0))
        return tuple(_diagnostics(of_values | asked, of_values, of_values | asked))

    def init_opt_state(self, params: Params) -> PyTree:
        """Return the optimiser's first state, one per network."""
        optimiser = self._optimiser(Hyperparameters())
        return {name: begin(optimiser, params[name]) for name in params}

    def update(
        self, hyper: Hyperparameters, params: Params, target_params: Params, opt_state: PyTree,
        rows: Rows, key: Array, row_weight: Array | None = None,
    ) -> Update:  # fmt: skip
        """Take one gradient step.

        Args:
          hyper: traced numbers.
          params: of the networks that learn.
          target_params: of the target networks; empty where the networks are their own targets.
          opt_state: the optimiser's.
          rows: T slots of B rows, of which the last one only bootstraps.
          key: consumed; read where values are distributions.
          row_weight: factor on each row's losses, float [B]; None: 1.

        Returns:
          What has changed; the diagnostics are `loss_q`, `grad_norm_q` (before clipping), `mean_q`
          (of actions taken), and the same of U; with `recall_weight`, `loss_recall`, nats, and
          `grad_norm_recall`, of what is asked beside; likewise with `belief_weight`.
        """
        networks = self.networks
        keys = jax.random.split(key, 3)
        regression = Regression(self.algorithm, self.config, hyper, networks.distribution)
        target = networks.outputs(target_params, rows.inputs, keys[1]) if target_params else None

        def loss(params: Params) -> tuple[Array, Any]:
            online = networks.outputs(params, rows.inputs, keys[0])
            own = jax.lax.stop_gradient(online) if target is None else target
            compared = regression.compare(rows, online, own, keys[2])
            by_model = average(self.config, rows, compared, row_weight)
            mean = {name: _mean_taken(getattr(online.values, name), rows) for name in by_model}
            total = sum(by_model.values(), jnp.float32(0.0))
            for name, told in online.asked.items():
                by_model[name] = self._untold(name, told, rows)
                total = total + getattr(self.config, f"{name}_weight") * by_model[name]
            return total, (compared, by_model, mean)

        with networks.precision():
            grads, (compared, by_model, mean) = jax.grad(loss, has_aux=True)(params)
        optimisers = dict.fromkeys(grads, self._optimiser(hyper))
        norms, new_params, new_opt_state = descend(optimisers, grads, opt_state, params)
        errors = [of_model.error for of_model in compared.values()]
        return Update(
            params=new_params,
            opt_state=new_opt_state,
            diagnostics=_diagnostics(by_model, mean, norms),
            errors=jnp.stack(errors).mean(0),
        )

    def _untold(self, name: str, told: Array, rows: Rows) -> Array:
        """Return the mean over transitions of what Q's history does not tell, a scalar."""
        left = self.networks.asks[name].loss(told, rows.inputs)
        return jnp.sum(slot_weights(self.config, rows) * left)

    def _optimiser(self, hyper: Hyperparameters) -> Any:
        return adam(hyper.learning_rate, hyper.adam_eps, self.max_grad_norm)


def _diagnostics(
    loss: dict[str, Array], mean: dict[str, Array], grad_norm: dict[str, Array]
) -> dict[str, Array]:
    """Give what was measured of each network the name that metrics have for it."""
    measured = {"loss": loss, "mean": mean, "grad_norm": grad_norm}
    return {f"{what}_{name}": x for what, of in measured.items() for name, x in of.items()}


def _mean_taken(values: Array, rows: Rows) -> Array:
    return jnp.sum(taken(values, rows.action) * rows.valid) / jnp.maximum(rows.valid.sum(), 1)
