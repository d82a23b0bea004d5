"""Heads: what a dueling one composes, and quantiles at fractions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.nn import initial
from adqn_jax.nn.heads import DuelingHead, Head, ImplicitQuantileHead, midpoints

FEATURES, ACTIONS = 5, 3


def advantage_bias(params: Any) -> str:
    """Name the layer that gives advantages: the last."""
    return max(params["params"])


@pytest.mark.parametrize("outputs", [(ACTIONS,), (ACTIONS, 4)])
@pytest.mark.parametrize("subtract", ["mean", "max"])
@pytest.mark.parametrize("sizes", [(), (8,), (8, 6)])
def test_dueling_identities(subtract: Any, outputs: tuple[int, ...], sizes: Any) -> None:
    """The advantages' mean or maximum is the value; a constant added to them changes nothing."""
    head = DuelingHead(sizes, outputs, 1.0, subtract)
    x = jax.random.normal(jax.random.key(0), (6, FEATURES))
    params = initial.init(head, jax.random.key(1), x)
    values = head.apply(params, x)
    assert values.shape == (6, *outputs)

    last = advantage_bias(params)
    raised = jax.tree.map(lambda leaf: leaf, params)
    raised["params"][last]["bias"] = params["params"][last]["bias"] + 3.0
    np.testing.assert_allclose(head.apply(raised, x), values, atol=1e-5)

    # What the advantages are does not move the mean, or the maximum, which is the value.
    other = jax.tree.map(lambda leaf: leaf, params)
    other["params"][last]["kernel"] = 2.0 * params["params"][last]["kernel"][:, ::-1]
    of = getattr(jnp, subtract)
    np.testing.assert_allclose(of(head.apply(other, x), 1), of(values, 1), atol=1e-5)
    assert np.abs(head.apply(other, x) - values).max() > 0.1


def test_quantiles_at_fractions() -> None:
    """By default at the middles of equal shares; each fraction has its own value."""
    head = ImplicitQuantileHead(Head((8,), (ACTIONS,), 1.0), 4)
    x = jax.random.normal(jax.random.key(0), (6, FEATURES))
    params = initial.init(head, jax.random.key(1), x)
    usual = head.apply(params, x)
    assert usual.shape == (6, ACTIONS, 4)
    asked = jnp.broadcast_to(midpoints(4)[::-1], (6, 4))
    np.testing.assert_allclose(head.apply(params, x, asked), usual[..., ::-1], atol=1e-6)
    np.testing.assert_allclose(midpoints(4), [0.125, 0.375, 0.625, 0.875])
    assert np.ptp(usual, axis=-1).min() > 1e-4
