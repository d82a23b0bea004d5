"""What less precise matrix products would do to values, losses and gradients.

Computed on any machine: the operands of every product are rounded to as many bits as the
hardware's product would keep, and sums are in float32, as there.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.extend import core

from adqn_jax import Config, envs, make_trainer
from adqn_jax.types import TrainState
from support.benchmarks.steps import sample_rows

#: Bits of the mantissa that a product's operands keep; all have float32's exponent.
MANTISSA_BITS = {"tensorfloat32": 10, "bfloat16": 7}


def deviations(env_name: str, config: Config) -> dict[str, dict[str, float]]:
    """Compare a gradient step in each precision with the same one in float32.

    Args:
      env_name: environment, whose rows come from random actions.
      config: networks, rows and loss.

    Returns:
      By precision: the largest difference of a value Q(h,a), relative to the largest value; of
      Q's loss and its gradient's norm, relative to what they are in float32; and the norm of the
      difference of Q's gradients, relative to the gradient's norm.
    """
    env, env_params = envs.make(env_name)
    trainer = make_trainer(config, env, env_params)
    agent: Any = trainer.agent
    state = jax.jit(trainer.init)(jax.random.key(0))

    def step(state: TrainState) -> tuple[Any, ...]:
        rows, params = sample_rows(trainer, state), state.agent.params
        values = agent.networks.unroll(params, rows.inputs).q
        # Half the size: networks and targets differ, as in training.
        target = jax.tree.map(lambda x: 0.5 * x, params)
        plain = dataclasses.replace(config.hyper, learning_rate=1.0)
        opt_state = state.agent.opt_state
        update = agent.learner.update(plain, params, target, opt_state, rows, state.key)
        # Adam's first moment starts at 0: after a step it is the gradient times 1 - 0.9.
        gradient = optax.tree.get(update.opt_state["q"], "mu")
        seen = update.diagnostics
        return values, seen["loss_q"], seen["grad_norm_q"], gradient

    exact = jax.jit(step)(state)
    result = {}
    for name, bits in MANTISSA_BITS.items():
        values, loss, norm, gradient = jax.jit(with_rounded_products(step, bits))(state)
        difference = jax.tree.map(jnp.subtract, gradient, exact[3])
        result[name] = {
            "values": np.abs(values - exact[0]).max() / np.abs(exact[0]).max(),
            "loss": abs(loss / exact[1] - 1.0),
            "grad_norm": abs(norm / exact[2] - 1.0),
            "gradient": optax.tree.norm(difference) / optax.tree.norm(exact[3]),
        }
    return {name: {k: float(v) for k, v in row.items()} for name, row in result.items()}


def with_rounded_products(function: Callable[..., Any], mantissa_bits: int) -> Callable[..., Any]:
    """Return `function` with the operands of all its matrix products rounded.

    Args:
      function: of arrays; may scan and call, but neither branch nor loop on values.
      mantissa_bits: bits that the operands keep behind the point.
    """

    def rounded(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        flat = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args), mantissa_bits)
        return jax.tree.unflatten(jax.tree.structure(shape), flat)

    return rounded


def _evaluate(jaxpr: core.Jaxpr, consts: Sequence[Any], args: list[Any], bits: int) -> list[Any]:
    values = dict(zip(jaxpr.constvars, consts, strict=True))
    values |= dict(zip(jaxpr.invars, args, strict=True))

    def read(var: Any) -> Any:
        return var.val if isinstance(var, core.Literal) else values[var]

    for equation in jaxpr.eqns:
        results = _apply(equation, [read(var) for var in equation.invars], bits)
        values |= dict(zip(equation.outvars, results, strict=True))
    return [read(var) for var in jaxpr.outvars]


def _apply(equation: Any, args: list[Any], bits: int) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return _scan(equation, args, bits)
    inner = params.get("call_jaxpr", params.get("jaxpr"))
    if isinstance(inner, core.ClosedJaxpr):
        return _evaluate(inner.jaxpr, inner.consts, args, bits)
    if isinstance(inner, core.Jaxpr):  # of jax.checkpoint
        return _evaluate(inner, (), args, bits)
    if name == "dot_general":
        args = [jax.lax.reduce_precision(x, 8, bits) for x in args]
    results = equation.primitive.bind(*args, **params)
    return list(results) if equation.primitive.multiple_results else [results]


def _scan(equation: Any, args: list[Any], bits: int) -> list[Any]:
    params, body = equation.params, equation.params["jaxpr"]
    # Counted here, as versions of JAX name the counts differently.
    last = len(args) - _along(equation.invars, body.jaxpr.invars)
    first = last - (len(equation.outvars) - _along(equation.outvars, body.jaxpr.outvars))
    consts, carry, xs = args[:first], args[first:last], args[last:]

    def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        results = _evaluate(body.jaxpr, body.consts, [*consts, *carry, *x], bits)
        return results[: len(carry)], results[len(carry) :]

    carry, ys = jax.lax.scan(step, carry, xs, length=params["length"], reverse=params["reverse"])
    return [*carry, *ys]


def _along(outside: Sequence[Any], inside: Sequence[Any]) -> int:
    """Count the arrays of a loop that its body sees a slice of."""
    return sum(x.aval.ndim > y.aval.ndim for x, y in zip(outside, inside, strict=True))
