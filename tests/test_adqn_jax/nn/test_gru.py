"""The GRU's scan and its own backward pass equal a Python loop differentiated by JAX."""

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax.nn.gru import gru_scan, gru_step, split_gates
from adqn_jax.nn.initial import orthogonal_gates

TIME, ROWS, SIZE = 12, 3, 5


def test_scan_and_gradient_equal_a_loop() -> None:
    """Values and all four gradients agree, with episodes starting within rows and before them."""
    keys = jax.random.split(jax.random.key(0), 6)
    kernel = 0.5 * jax.random.normal(keys[0], (SIZE, 3 * SIZE))
    bias = jax.random.normal(keys[1], (3 * SIZE,))
    x = jax.random.normal(keys[2], (TIME, ROWS, 3 * SIZE))
    start = jax.random.bernoulli(keys[3], 0.3, (TIME, ROWS)).at[0].set([True, False, False])
    first = jax.random.normal(keys[5], (ROWS, SIZE))
    weight = jax.random.normal(keys[4], (TIME, ROWS, SIZE))

    def loop(kernel: jax.Array, bias: jax.Array, x: jax.Array, h: jax.Array) -> jax.Array:
        states = []
        for t in range(TIME):
            h = gru_step(kernel, bias, split_gates(x[t]), h, start[t])
            states.append(h)
        return jnp.sum(weight * jnp.stack(states))

    def scan(kernel: jax.Array, bias: jax.Array, x: jax.Array, h: jax.Array) -> jax.Array:
        return jnp.sum(weight * gru_scan(kernel, bias, split_gates(x), start, h))

    ours = jax.value_and_grad(scan, (0, 1, 2, 3))(kernel, bias, x, first)
    theirs = jax.value_and_grad(loop, (0, 1, 2, 3))(kernel, bias, x, first)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)


def test_a_start_forgets() -> None:
    """What came before an episode's start changes nothing after it."""
    keys = jax.random.split(jax.random.key(1), 3)
    kernel = jax.random.normal(keys[0], (SIZE, 3 * SIZE))
    x = jax.random.normal(keys[1], (TIME, ROWS, 3 * SIZE))
    start = jnp.zeros((TIME, ROWS), bool).at[6].set(True)
    other = x.at[:6].set(jax.random.normal(keys[2], (6, ROWS, 3 * SIZE)))
    zeros = jnp.zeros((ROWS, SIZE))
    run = lambda x: gru_scan(kernel, jnp.zeros(3 * SIZE), split_gates(x), start, zeros)  # noqa: E731
    np.testing.assert_array_equal(run(x)[6:], run(other)[6:])
    assert not np.allclose(run(x)[5], run(other)[5])


def test_orthogonal_gates() -> None:
    """Each gate's recurrent matrix is orthogonal, and different."""
    gates = jnp.split(orthogonal_gates(jax.random.normal(jax.random.key(0), (64, 192))), 3, axis=-1)
    for gate in gates:
        np.testing.assert_allclose(gate.T @ gate, np.eye(64), atol=1e-5)
    assert not np.allclose(gates[0], gates[1])
