"""Count the multiplications and additions of a program's matrix products."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core


def count_flops(function: Callable[..., Any], *args: Any) -> int:
    """Count the FLOPs of the matrix products and convolutions that a call would execute.

    Two for a multiplication with its addition; loops count as often as they run, and what is
    element-wise counts nothing.

    Args:
      function: a function that JAX can trace.
      *args: its arguments; shapes will do.

    Raises:
      ValueError: when a loop's number of rounds is not known before it runs.
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*args).jaxpr)


def _of_jaxpr(jaxpr: core.Jaxpr) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        lhs = equation.invars[0].aval.shape
        return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(lhs[d] for d in contracted)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        per_output = math.prod(kernel) // kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2 * math.prod(equation.outvars[0].aval.shape) * per_output
    inner = sum(map(_of_jaxpr, inner_programs(params)))
    if name == "while" and inner:
        raise ValueError("a matrix product in a loop of unknown length cannot be counted")
    return inner * params["length"] if name == "scan" else inner


def inner_programs(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    """Yield the programs that an equation calls."""
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, core.Jaxpr):
                yield item
