"""What a device executes, as JAX's profiler saw it: how many operations, how busy they keep it."""

import collections
import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax

from adqn_jax import Config, SeedRunner, envs, make_trainer
from support.benchmarks.output import JsonFile, write
from support.benchmarks.setting import Setting, check_seeds
from support.benchmarks.train import timed_parts

_LONGEST = 10  # kinds of operations that are named
_NESTING = ("while", "conditional", "call")  # on a CPU, beside what is within them


@dataclasses.dataclass(frozen=True)
class Executed:
    """What one device executed; times in milliseconds."""

    gradient_steps: int  # of one seed on a CPU, of all seeds at once on an accelerator
    operations: int  # on a GPU: kernels launched, copies included
    operations_per_step: float
    span_ms: float  # from the first operation's beginning to the last one's end
    busy_ms: float  # of these, with at least one operation at work
    busy_share: float
    mean_us: float  # of an operation
    longest: list[dict[str, Any]]  # kinds of operations that took most: name, number, ms


def kernels(setting: Setting, seeds: int = 20, json: JsonFile = None) -> None:
    """Count what a device executes in a gradient step and in an iteration, and how busy it is.

    Args:
      setting: what is trained.
      seeds: seeds, trained side by side.
      json: where to write the results, too.
    """
    check_seeds(seeds)
    results = measure_kernels(setting.env, setting.config(), seeds)
    for name, executed in results.items():
        print(f"{name}: {executed.operations_per_step:,.0f} operations per gradient step", end="")
        print(f" of {executed.mean_us:.1f} us, busy {executed.busy_share:.0%} of ", end="")
        print(f"{executed.span_ms / executed.gradient_steps:.2f} ms")
        for kind in executed.longest:
            print(f"{kind['ms']:>12.3f} ms in {kind['number']:>7,} x {kind['name'][:80]}")
    if json is not None:
        rows = {name: dataclasses.asdict(executed) for name, executed in results.items()}
        write(json, {"setting": dataclasses.asdict(setting), "seeds": seeds, "kernels": rows})


def measure_kernels(env_name: str, config: Config, num_seeds: int) -> dict[str, Executed]:
    """Profile the gradient steps of an iteration, and an iteration, of all seeds together.

    Args:
      env_name: environment.
      config: the run; a few iterations of it are trained.
      num_seeds: seeds, trained side by side.

    Raises:
      ValueError: when the profiler saw no operation.
    """
    env, env_params = envs.make(env_name)
    runner = SeedRunner(make_trainer(config, env, env_params), num_seeds, config.hyper)
    runner.compile()
    runs, _ = timed_parts(runner, 1)
    steps = runner.trainer.plan.updates_per_iteration
    if jax.default_backend() == "cpu":  # its seeds take theirs in turn
        steps *= runner.places
    return {name: profile(runs[name], steps) for name in ("update", "loop")}


def profile(run: Callable[[], Any], gradient_steps: int) -> Executed:
    """Call a function once to warm it up, and once more under the profiler.

    Args:
      run: a function without arguments.
      gradient_steps: how many of them a call takes.

    Raises:
      ValueError: when the profiler saw no operation.
    """
    jax.block_until_ready(run())
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(run())
        return _summary(list(_operations(pathlib.Path(folder))), gradient_steps)


def _operations(folder: pathlib.Path) -> Iterator[tuple[str, float, float]]:
    """Yield name, begin and end, in nanoseconds, of what the first device executed."""
    for file in folder.rglob("*.xplane.pb"):
        planes = {
            plane.name: plane for plane in jax.profiler.ProfileData.from_file(str(file)).planes
        }
        devices = sorted(name for name in planes if name.startswith(("/device:GPU", "/device:TPU")))
        for plane in [planes[name] for name in devices[:1]] or planes.values():
            for line in plane.lines:
                # A GPU's streams, whatever is on them; a TPU's operations; a CPU's, by their mark.
                all_of_it = line.name.startswith("Stream #") or line.name == "XLA Ops"
                for event in line.events:
                    marked = not devices and any(key == "hlo_op" for key, _ in event.stats)
                    if all_of_it or (marked and not event.name.startswith(_NESTING)):
                        yield event.name, event.start_ns, event.start_ns + event.duration_ns


def _summary(operations: list[tuple[str, float, float]], gradient_steps: int) -> Executed:
    if not operations:
        raise ValueError("JAX's profiler saw no operation on this device")
    spans = [(begin, end) for _, begin, end in operations]
    span = max(end for _, end in spans) - min(begin for begin, _ in spans)
    busy = covered(spans)
    by_kind: dict[str, list[float]] = collections.defaultdict(list)
    for name, begin, end in operations:
        by_kind[name].append((end - begin) / 1e6)
    longest = sorted(by_kind.items(), key=lambda kind: -sum(kind[1]))[:_LONGEST]
    return Executed(
        gradient_steps=gradient_steps,
        operations=len(operations),
        operations_per_step=len(operations) / gradient_steps,
        span_ms=span / 1e6,
        busy_ms=busy / 1e6,
        busy_share=busy / span if span else 1.0,
        mean_us=sum(end - begin for begin, end in spans) / len(spans) / 1e3,
        longest=[{"name": k, "number": len(ms), "ms": sum(ms)} for k, ms in longest],
    )


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much of the line a set of intervals covers."""
    covered, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered
