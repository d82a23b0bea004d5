"""Count the operations in the loops of a program, which bound a GPU: each may be a launch.

Here they are counted as they are written, which is the same on every machine. What a compiler makes
of them, fewer and larger ones, differs between devices and versions: `kernels` counts that.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core

from adqn_jax import Config, TrainState, envs, make_trainer
from support.benchmarks.flops import inner_programs
from support.benchmarks.steps import one_update, sample_rows

#: Equations that only name, shape or broadcast, which costs nothing beside what reads the result.
_SHAPES = frozenset({
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "convert_element_type",
    "stop_gradient", "copy", "copy_p",
})  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop without another in it, as it is written."""

    length: int
    backward: bool
    products: int  # matrix products of a round
    others: int  # element-wise or so


def loops_of_a_step(env_name: str, config: Config) -> list[Loop]:
    """List the innermost loops of a gradient step of value-based learning."""
    trainer = make_trainer(config, *envs.make(env_name))

    def step(state: TrainState) -> Any:
        return one_update(trainer, state, sample_rows(trainer, state))

    return loops(step, jax.eval_shape(trainer.init, jax.random.key(0)))


def loops(function: Callable[..., Any], *args: Any) -> list[Loop]:
    """List the innermost scans, in their order.

    Args:
      function: a function that JAX can trace.
      *args: its arguments; shapes will do.
    """
    return list(_loops(jax.make_jaxpr(function)(*args).jaxpr))


def _loops(jaxpr: core.Jaxpr) -> Iterator[Loop]:
    for equation in jaxpr.eqns:
        for inner in inner_programs(equation.params):
            names = list(_names(inner))
            if equation.primitive.name != "scan" or {"scan", "while"} & set(names):
                yield from _loops(inner)
            else:
                products = names.count("dot_general")
                others = len([name for name in names if name not in _SHAPES]) - products
                yield Loop(equation.params["length"], equation.params["reverse"], products, others)


def _names(jaxpr: core.Jaxpr) -> Iterator[str]:
    """Yield the names of all equations, those of functions that are called in their place."""
    for equation in jaxpr.eqns:
        called = list(inner_programs(equation.params))
        if not called or equation.primitive.name in ("scan", "while"):
            yield equation.primitive.name
        for inner in called:
            yield from _names(inner)
