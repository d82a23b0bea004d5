"""Time compiled functions on a machine that others use too."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

Runs = dict[str, Callable[[], Any]]


def best_seconds(runs: Runs, seconds: float) -> dict[str, float]:
    """Time functions by turns: the best call of each, of three rounds at least.

    What slows the machine down for a while then meets all of them, and ratios stay honest.

    Args:
      runs: functions without arguments, compiled and warmed up by a first call that is not timed.
      seconds: least time that all rounds take together, per function.
    """
    for run in runs.values():
        jax.block_until_ready(run())
    best, begin, rounds = dict.fromkeys(runs, float("inf")), time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - begin < seconds * len(runs):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            best[name] = min(best[name], time.perf_counter() - start)
        rounds += 1
    return best


@contextlib.contextmanager
def no_cache() -> Iterator[None]:
    """Compile without the compilation cache: compile times are then of a cold start."""
    config: Any = jax.config  # its annotations do not name this flag
    before = config.jax_enable_compilation_cache
    config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # which is in use since the first compilation, flag or not
    try:
        yield
    finally:
        config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()
