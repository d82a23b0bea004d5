"""Gradient steps: rows dealt out to minibatches, an optimiser of its own for each network.

A network's parameters are one vector to its optimiser: XLA compiles each operation once, and not
once for each of a dozen arrays, and what it makes of it runs a little faster, too.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from adqn_jax.types import Array, Params, PyTree


def deal(key: Array, epochs: int, number: int, rows: int) -> Array:
    """Deal rows out anew in every epoch, int32 [epochs * number, rows // number].

    `key` is consumed; the last `rows % number` of an epoch are left out.
    """
    keys = jax.random.split(key, epochs)
    order = jax.vmap(lambda k: jax.random.permutation(k, rows))(keys)
    return order[:, : rows // number * number].reshape(epochs * number, rows // number)


def adam(rate: Array | float, eps: Array | float, max_norm: float) -> Any:
    """Return Adam of a vector, after clipping by the gradient's norm (0: no clipping)."""
    plain = optax.adam(rate, eps=eps)
    return optax.chain(optax.clip_by_global_norm(max_norm), plain) if max_norm else plain


def begin(optimizer: Any, params: Params) -> PyTree:
    """Return the state of a network's optimiser before its first step."""
    return optimizer.init(ravel_pytree(params)[0])


def descend(
    optimizers: Mapping[str, Any], grads: Params, opt_state: Params, params: Params
) -> tuple[dict[str, Array], Params, PyTree]:
    """Step down each network's gradient.

    Returns:
      The gradients' norms before clipping, scalars; the parameters; the optimisers' states.
    """
    norms, stepped, states = {}, {}, {}
    for name, grad in grads.items():
        (flat, unravel), (flat_grad, _) = ravel_pytree(params[name]), ravel_pytree(grad)
        norms[name] = jnp.linalg.norm(flat_grad)
        update, states[name] = optimizers[name].update(flat_grad, opt_state[name], flat)
        stepped[name] = unravel(flat + update)
    return norms, stepped, states
