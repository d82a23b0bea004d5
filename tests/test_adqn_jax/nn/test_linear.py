"""Linear layers: parts that are multiplied one by one are what they are when joined."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.nn import initial
from adqn_jax.nn.linear import Linear


@pytest.mark.parametrize("lead", [(), (5,), (3, 2)])
@pytest.mark.parametrize("widths", [(4,), (3, 1), (2, 5, 4)])
def test_parts_are_multiplied_as_if_joined(lead: tuple[int, ...], widths: tuple[int, ...]) -> None:
    """Values and gradients of weights and of every part are those of the joined parts."""
    keys = jax.random.split(jax.random.key(0), len(widths) + 1)
    parts = [jax.random.normal(k, (*lead, n)) for k, n in zip(keys, widths, strict=False)]
    layer = Linear(6, initial.xavier_relu)
    params = initial.draw(layer.init(keys[-1], *parts), keys[-1])
    params = jax.tree.map(lambda x: x + 0.1, params)  # a bias of zero would hide itself

    def apart(params: dict, parts: list[jax.Array]) -> jax.Array:
        return jnp.sum(jnp.sin(layer.apply(params, *parts)))

    def joined(params: dict, parts: list[jax.Array]) -> jax.Array:
        return jnp.sum(jnp.sin(layer.apply(params, jnp.concatenate(parts, axis=-1))))

    found, wanted = (jax.value_and_grad(f, (0, 1))(params, parts) for f in (apart, joined))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), found, wanted)


def test_no_gradient_is_computed_of_a_part_that_nothing_has_learned() -> None:
    """However wide it is: weights' gradients cost what a forward pass does, and no more."""
    learned, told = jnp.ones((8, 4)), jnp.ones((8, 256))
    layer = Linear(16, initial.xavier_relu)
    params = initial.draw(layer.init(jax.random.key(0), learned, told), jax.random.key(0))

    def loss(params: dict, learned: jax.Array) -> jax.Array:
        return jnp.sum(layer.apply(params, learned, told) ** 2)

    def flops(function: object) -> float:
        return jax.jit(function).lower(params, learned).compile().cost_analysis()["flops"]

    # Forward, of the weights, and of the learned part, which is a sixty-fourth.
    assert flops(jax.grad(loss, (0, 1))) < 2.2 * flops(loss)
