"""Time compiled functions on a machine that others use too."""

import time
from collections.abc import Callable
from typing import Any

import jax

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
