"""Gradient steps: rows dealt out to minibatches, an optimiser of its own for each network."""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from adqn_jax.types import Array, Params, PyTree


def deal(key: Array, epochs: int, number: int, rows: int) -> Array:
    """Deal rows out anew in every epoch, int32 [epochs * number, rows // number].

    `key` is consumed; the last `rows % number` of an epoch are left out.
    """
    keys = jax.random.split(key, epochs)
    order = jax.vmap(lambda k: jax.random.permutation(k, rows))(keys)
    return order[:, : rows // number * number].reshape(epochs * number, rows // number)


def adam(rate: Array | float, eps: Array | float, max_norm: float) -> Any:
    """Return Adam, after clipping by the norm of a network's gradient (0: no clipping)."""
    plain = optax.adam(rate, eps=eps)
    return optax.chain(optax.clip_by_global_norm(max_norm), plain) if max_norm else plain


def descend(
    optimizers: Mapping[str, Any], grads: Params, opt_state: Params, params: Params
) -> tuple[dict[str, Array], Params, PyTree]:
    """Step down each network's gradient.

    Returns:
      The gradients' norms before clipping, scalars; the parameters; the optimisers' states.
    """
    norms, stepped, states = {}, {}, {}
    for name, grad in grads.items():
        norms[name] = optax.tree.norm(grad)
        updates, states[name] = optimizers[name].update(grad, opt_state[name], params[name])
        stepped[name] = optax.apply_updates(params[name], updates)
    return norms, stepped, states
