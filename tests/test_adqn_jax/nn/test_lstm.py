"""The LSTM's scan equals flax's cell, called step by step."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax.nn.lstm import LSTMState, lstm_scan, lstm_step

TIME, ROWS, SIZE = 9, 3, 5


def test_scan_equals_flax() -> None:
    """With episodes starting within rows and before them, and from any state."""
    keys = jax.random.split(jax.random.key(0), 6)
    kernel = 0.5 * jax.random.normal(keys[0], (SIZE, 4 * SIZE))
    bias = jax.random.normal(keys[1], (4 * SIZE,))
    x = jax.random.normal(keys[2], (TIME, ROWS, 4 * SIZE))
    start = jax.random.bernoulli(keys[3], 0.3, (TIME, ROWS)).at[0].set([True, False, False])
    first = LSTMState(*jax.random.normal(keys[4], (2, ROWS, SIZE)))

    # Flax projects the inputs itself: each gate takes its own part of them.
    gates = dict(zip("ifgo", jnp.split(kernel, 4, -1), strict=True))
    biases = dict(zip("ifgo", jnp.split(bias, 4), strict=True))
    eye = dict(zip("ifgo", jnp.split(jnp.eye(4 * SIZE), 4, -1), strict=True))
    params = {f"h{gate}": {"kernel": gates[gate], "bias": biases[gate]} for gate in gates}
    params |= {f"i{gate}": {"kernel": eye[gate]} for gate in gates}
    cell = nn.LSTMCell(SIZE)

    h, c = first
    expected = []
    for t in range(TIME):
        h, c = (jnp.where(start[t][:, None], 0.0, part) for part in (h, c))
        (c, h), _ = cell.apply({"params": params}, (c, h), x[t])
        expected.append(h)
    by_gate = jnp.split(x, 4, -1)
    got, last = jax.jit(lstm_scan)(kernel, bias, by_gate, start, first)
    np.testing.assert_allclose(got, jnp.stack(expected), atol=1e-6)

    state = first
    for t in range(TIME):
        state = lstm_step(kernel, bias, [part[t] for part in by_gate], state, start[t])
        np.testing.assert_allclose(state.h, got[t], atol=1e-6)
    np.testing.assert_allclose(state.c, c, atol=1e-6)
    np.testing.assert_allclose(last.h, state.h, atol=1e-6)
    np.testing.assert_allclose(last.c, state.c, atol=1e-6)
