"""Steps on a network's parameters as one vector are those on its arrays."""

import jax
import numpy as np
import optax
import pytest

from adqn_jax.descent import adam, begin, descend


@pytest.mark.parametrize("max_norm", [0.0, 0.5], ids=["free", "clipped"])
def test_as_optax_has_it(max_norm: float) -> None:
    """Parameters after three steps, and the norms before clipping, of two networks."""
    keys = iter(jax.random.split(jax.random.key(0), 30))

    def network() -> dict[str, jax.Array]:
        shapes = {"bias": (3,), "kernel": (4, 3), "scale": ()}
        return {name: jax.random.normal(next(keys), shape) for name, shape in shapes.items()}

    params = {"q": network(), "u": network()}
    ours = {name: adam(0.1, 1e-3, max_norm) for name in params}
    clip = [optax.clip_by_global_norm(max_norm)] if max_norm else []
    theirs = optax.chain(*clip, optax.adam(0.1, eps=1e-3))
    states = {name: begin(ours[name], params[name]) for name in params}
    expected, their_states = dict(params), {name: theirs.init(params[name]) for name in params}
    for _ in range(3):
        grads = {"q": network(), "u": network()}
        norms, params, states = descend(ours, grads, states, params)
        for name, grad in grads.items():
            step, their_states[name] = theirs.update(grad, their_states[name])
            expected[name] = optax.apply_updates(expected[name], step)
            np.testing.assert_allclose(norms[name], optax.tree.norm(grad), rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), params, expected)
