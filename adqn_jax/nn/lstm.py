"""Long short-term memory over rows of several episodes.

The projection of the inputs is the caller's, products over all steps at once; the gates are
arrays of their own, as in gru.py.

Gates:  i = σ(x_i + h V_i + b_i),  f = σ(x_f + h V_f + b_f),  g = tanh(x_g + h V_g + b_g),
o = σ(x_o + h V_o + b_o),  c' = f c + i g,  h' = o tanh(c'),  and h = c = 0 where an episode starts.

Source: Hochreiter and Schmidhuber (1997); with a forget gate: Gers et al. (2000).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from adqn_jax.types import Array

_GATES = 4


class LSTMState(NamedTuple):
    """What is remembered, float [..., H] each."""

    h: Array  # the output
    c: Array  # the cell


def lstm_step(
    kernel: Array, bias: Array, x: Sequence[Array], state: LSTMState, start: Array
) -> LSTMState:
    """Advance the state by one step.

    Args:
      kernel: recurrent weights V, float [H, 4H], gates side by side: i, f, g, o.
      bias: recurrent biases b, float [4H].
      x: projected inputs, float [..., H] for each gate.
      state: after the step before, float [..., H] each.
      start: whether an episode starts here, which forgets the state, bool [...].

    Returns:
      The state after this step.
    """
    h, c = (jnp.where(start[..., None], 0.0, part) for part in state)
    kernels, biases = (jnp.split(joint, _GATES, axis=-1) for joint in (kernel, bias))
    i, f, g, o = (a + h @ v + b for a, v, b in zip(x, kernels, biases, strict=True))
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return LSTMState(jax.nn.sigmoid(o) * jnp.tanh(c), c)


def lstm_scan(
    kernel: Array, bias: Array, x: Sequence[Array], start: Array, first: LSTMState
) -> tuple[Array, LSTMState]:
    """Run an LSTM along rows.

    Args:
      kernel: recurrent weights V, float [H, 4H], gates side by side: i, f, g, o.
      bias: recurrent biases b, float [4H].
      x: projected inputs, float [T, B, H] for each gate.
      start: where episodes start, bool [T, B].
      first: state before the first step, float [B, H] each.

    Returns:
      The outputs h after each step, float [T, B, H], and the state after the last.
    """

    def step(state: LSTMState, now: tuple[Sequence[Array], Array]) -> tuple[LSTMState, Array]:
        state = lstm_step(kernel, bias, now[0], state, now[1])
        return state, state.h

    last, outputs = jax.lax.scan(step, first, (tuple(x), start))
    return outputs, last
