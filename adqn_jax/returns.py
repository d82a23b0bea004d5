"""Returns along one row, unbatched: what values regress on, and what advantages are made of.

Callers vmap them over rows. `v_t` is the value of the step reached; `discount_t` is 0 where nothing
comes after it.
"""

import chex
import jax
import jax.numpy as jnp

from adqn_jax.types import Array


def following(valid: Array, value: Array, value_after: Array) -> tuple[Array, Array]:
    """Return what `lambda_returns` needs of streams that are cut where they go on.

    Args:
      valid: whether a slot holds a transition, bool [T, E].
      value: of each slot, float [T, E].
      value_after: of the slot that comes next, float [E].

    Returns:
      The value of each step reached, and its trace: 1, but 0 where a return must bootstrap; float
      [T, E] each.
    """
    # A final slot holds no transition: it is bootstrapped from. What follows a stream is, too.
    goes_on = valid[1:].astype(value.dtype)
    trace = jnp.concatenate([goes_on, jnp.zeros_like(value[:1])])
    return jnp.concatenate([value[1:], value_after[None]]), trace


def lambda_returns(reward_t: Array, discount_t: Array, v_t: Array, trace_t: Array) -> Array:
    """Mix bootstrapped returns of all lengths along a row.

    G_t = r_t + γ_t [(1 - λ_t) v_t + λ_t G_{t+1}], and G = v past the end. Trace 0 gives the
    one-step targets of the paper; 1, in a row that ends with an episode, Monte Carlo returns.
    G minus the value of the step left is the generalised advantage estimate, Σ_k (γλ)^k δ_{t+k}.

    Source: Sutton and Barto (2018), Eq. 12.20; Schulman et al. (2016), "High-dimensional continuous
    control using generalized advantage estimation", Eq. 16.

    Args:
      reward_t: rewards on reaching each step, float [T].
      discount_t: discount at each step, 0 at a termination, float [T].
      v_t: bootstrap value of each step reached, float [T].
      trace_t: λ at each step reached, 0 where the return is cut there, float [T].

    Returns:
      The returns of the T steps left, float [T].
    """
    chex.assert_rank([reward_t, discount_t, v_t, trace_t], 1)
    chex.assert_equal_shape([reward_t, discount_t, v_t, trace_t])

    def back(return_t: Array, step: tuple[Array, ...]) -> tuple[Array, Array]:
        reward, discount, v, trace = step
        return_tm1 = reward + discount * ((1.0 - trace) * v + trace * return_t)
        return return_tm1, return_tm1

    steps = (reward_t, discount_t, v_t, trace_t)
    return jax.lax.scan(back, v_t[-1], steps, reverse=True)[1]


def n_step_returns(reward_t: Array, discount_t: Array, v_t: Array, trace_t: Array, n: int) -> Array:
    """Bootstrap n steps ahead along a row, or earlier at its end and where a trace is 0.

    G⁽⁰⁾_t = v_{t-1} and G⁽ᵏ⁾_t = r_t + γ_t [v_t (1 - λ_t) + λ_t G⁽ᵏ⁻¹⁾_{t+1}]: the returns of
    `lambda_returns`, of which only the n-step one is kept where λ is 1.

    Args:
      reward_t: rewards on reaching each step, float [T].
      discount_t: discount at each step, 0 at a termination, float [T].
      v_t: bootstrap value of each step reached, float [T].
      trace_t: 0 where the return is cut, 1 elsewhere, float [T].
      n: number of rewards in a return, at least 1.

    Returns:
      The returns of the T steps left, float [T].
    """
    chex.assert_rank([reward_t, discount_t, v_t, trace_t], 1)
    chex.assert_equal_shape([reward_t, discount_t, v_t, trace_t])
    return_t = v_t
    for step in range(n):
        # In the first round the value stands at its own step; later returns start one further.
        ahead = v_t if step == 0 else jnp.append(return_t[1:], v_t[-1])
        return_t = reward_t + discount_t * ((1.0 - trace_t) * v_t + trace_t * ahead)
    return return_t
