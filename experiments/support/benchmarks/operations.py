"""Count the operations that a program executes: on a GPU each is a launch, whatever its size.

What a compiler has made of a program is what counts, and `executed` reads that. But it differs from
compiler to compiler. `loops` reads what we have written, which is the same everywhere.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core

from support.benchmarks.flops import inner_programs

#: Equations that only name, shape or broadcast, which costs nothing beside what reads the result.
_SHAPES = frozenset({
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "convert_element_type",
    "stop_gradient", "copy", "copy_p",
})  # fmt: skip
#: Instructions that no device executes.
_NAMES = frozenset({
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all",
    "opt-barrier", "partition-id", "replica-id", "add-dependency",
})  # fmt: skip
_COMPUTATION = re.compile(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r" = .*? ([a-z][a-z0-9-]*)\(")
_ROUNDS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop without another in it, as it is written."""

    length: int
    backward: bool
    products: int  # matrix products of a round
    others: int  # element-wise or so


def loops(function: Callable[..., Any], *args: Any) -> list[Loop]:
    """List the innermost scans that have matrix products, as histories have, in their order.

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
            elif products := names.count("dot_general"):
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


def executed(compiled: Any) -> int:
    """Count the operations that a compiled program executes: fusions, products, copies and such.

    Those in loops count as often as these run, of a condition's branches the one that has most.

    Args:
      compiled: as `jax.jit(function).lower(...).compile()` returns it.

    Raises:
      ValueError: when a loop's number of rounds is not known before it runs.
    """
    return count_instructions(compiled.as_text())


def count_instructions(text: str) -> int:
    """Count what `executed` does, of a program as XLA writes it."""
    programs: dict[str, list[str]] = {}
    entry = name = ""
    for line in text.splitlines():
        if line.endswith("{") and (begin := _COMPUTATION.match(line)):
            name = begin[1]
            entry = name if line.startswith("ENTRY") else entry
            programs[name] = []
        elif name and _INSTRUCTION.search(line):
            programs[name].append(line)
    return _of_program(entry, programs)


def _of_program(name: str, programs: dict[str, list[str]]) -> int:
    return sum(_of_instruction(line, programs) for line in programs[name])


def _of_instruction(line: str, programs: dict[str, list[str]]) -> int:
    found = _INSTRUCTION.search(line)
    assert found is not None
    kind = found[1]
    if kind in _NAMES or kind.endswith("-done"):  # which ends what its start began
        return 0
    if kind == "while":
        rounds = _ROUNDS.search(line)
        if rounds is None:
            raise ValueError("operations in a loop of unknown length cannot be counted")
        return int(rounds[1]) * sum(_of_program(n, programs) for n in _named("body", line))
    if kind == "call":
        return sum(_of_program(n, programs) for n in _named("to_apply", line))
    if kind == "conditional":
        branches = _named("(?:true_computation|false_computation|branch_computations)", line)
        return 1 + max(_of_program(name, programs) for name in branches)
    return 1


def _named(attribute: str, line: str) -> list[str]:
    """Return the programs that an instruction's attribute names: one, or several in braces."""
    lists = re.findall(attribute + r"=(\{[^}]*\}|%?[\w.-]+)", line)
    return [name for names in lists for name in re.findall(r"[\w.-]+", names)]
