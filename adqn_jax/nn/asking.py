"""What an encoded history is asked for beside values or actions, by name."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from adqn_jax.nn.belief import Belief
from adqn_jax.nn.recall import Recall
from adqn_jax.types import Array, Params

#: "recall", what the episode has shown, and "belief", the state; their parameters and weights are
#: called so, too.
Asks = Mapping[str, Recall | Belief]


def init(asks: Asks, encoded: Array) -> Params:
    """Return first parameters, zeros; `encoded`, [..., H], gives shapes only."""
    return {name: asked.init(jax.random.key(0), encoded) for name, asked in asks.items()}


def tell(asks: Asks, params: Params, encoded: Array) -> dict[str, Array]:
    """Return what encoded histories, [T, B, H], tell, [T, B, N], of each that has parameters."""
    return {
        name: jnp.asarray(asked.apply(params[name], encoded))
        for name, asked in asks.items()
        if name in params
    }
