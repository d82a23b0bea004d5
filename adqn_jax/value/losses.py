"""TD errors: pure functions of one transition or one row, unbatched.

Callers vmap them, square, mask and average; see `learner.py`. `v_t` is the value that
bootstraps, `q_t_selector` the values that choose the bootstrap action: in the paper always those
of the target Q, because an action that maximises U would know the state.
"""

import chex
import jax
import jax.numpy as jnp

from adqn_jax.types import Array


def bootstrap_value(v_t: Array, q_t_selector: Array) -> Array:
    """Take the value of the action that the selector prefers: v_t[argmax_a q_t_selector[a]].

    Bootstrap of Eqs. 16-23: v = U⁻(h',s',a*) or Q⁻(h',a*), a* = argmax_a Q⁻(h',a).

    Args:
      v_t: values of the model that bootstraps, float [A].
      q_t_selector: values of the model that selects, float [A].

    Returns:
      The bootstrap value, a scalar.
    """
    chex.assert_rank([v_t, q_t_selector], 1)
    chex.assert_equal_shape([v_t, q_t_selector])
    return v_t[jnp.argmax(q_t_selector)]


def lambda_returns(reward_t: Array, discount_t: Array, v_t: Array, trace_t: Array) -> Array:
    """Mix bootstrapped returns of all lengths along a row.

    G_t = r_t + γ_t [(1 - λ_t) v_t + λ_t G_{t+1}], and G = v past the end. Trace 0 gives the
    one-step targets of the paper.

    Source: Sutton and Barto (2018), Eq. 12.20.

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


def td_error(q_tm1: Array, a_tm1: Array, target_tm1: Array) -> Array:
    """Compare the value of the action taken with its target: G - q[a].

    Eqs. 16, 17, 18, 20, 21, 22. The target is a constant: no gradient flows through it.

    Args:
      q_tm1: action values at the step left, float [A].
      a_tm1: the action taken there, int scalar.
      target_tm1: the return to regress on, float scalar.

    Returns:
      The TD error, a scalar.
    """
    chex.assert_rank([q_tm1, a_tm1, target_tm1], [1, 0, 0])
    return jax.lax.stop_gradient(target_tm1) - q_tm1[a_tm1]


def regression_errors(q_tm1: Array, u_tm1: Array) -> Array:
    """Compare Q with U for every action: U⁻(h,s,·) - Q(h,·).

    Eqs. 19, 23, with the values of the target network and over all actions, as in the authors'
    trainer; the paper's own form is the entry of the action taken. U is a constant here.

    Args:
      q_tm1: Q at the step left, float [A].
      u_tm1: U at the step left, float [A].

    Returns:
      The errors, float [A].
    """
    chex.assert_rank([q_tm1, u_tm1], 1)
    chex.assert_equal_shape([q_tm1, u_tm1])
    return jax.lax.stop_gradient(u_tm1) - q_tm1
