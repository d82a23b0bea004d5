"""Measure throughput, and write what was measured with the hardware's name."""

import json
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import tyro

import cli
import envs as environments
from folder import versions

PAPER = ("heavenhell-3", "heavenhell-4", "carflag", "cleaner", "memory-four-rooms-7x7")


def envs(
    names: tuple[str, ...] = PAPER,
    copies: tuple[int, ...] = (1, 16, 256, 4096),
    seconds: float = 0.5,
    json_file: pathlib.Path | None = None,
) -> None:
    """Measure environments alone: steps per second of random actions, automatic resets included.

    Args:
      names: environments, as `run.py --env` takes them.
      copies: how many are stepped side by side, on one device.
      seconds: least time that a measurement takes.
      json_file: where to write the results, too.
    """
    if not names or not copies or min(copies) < 1:
        raise ValueError("name at least one environment, and numbers of copies of at least 1")
    print(f"{'steps/s with copies':>24}" + "".join(f"{n:>14,}" for n in copies))
    rates = {}
    for name in names:
        rates[name] = {n: _steps_per_second(name, n, seconds) for n in copies}
        print(f"{name:>24}" + "".join(f"{rate:>14,.0f}" for rate in rates[name].values()))
    if json_file is not None:
        results = {"steps_per_second": rates, "made_with": versions()}
        json_file.write_text(json.dumps(results, indent=2) + "\n")


def _steps_per_second(name: str, copies: int, seconds: float) -> float:
    env, params = environments.make(name)

    def steps(state: Any, key: jax.Array, num_steps: int) -> Any:
        def body(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
            state, seen = carry
            key_action, key_step = jax.random.split(key)
            action = jax.random.randint(key_action, (copies,), 0, env.num_actions)
            keys = jax.random.split(key_step, copies)
            observation, state, reward, *_ = jax.vmap(env.step, (0, 0, 0, None))(
                keys, state, action, params
            )
            # Observations and rewards are used, lest the compiler leave them out.
            seen = seen + sum(x.sum() for x in jax.tree.leaves(observation)) + reward.sum()
            return (state, seen), None

        return jax.lax.scan(body, (state, 0.0), jax.random.split(key, num_steps))[0]

    keys = jax.random.split(jax.random.key(0), copies)
    state = jax.vmap(env.reset, (0, None))(keys, params)[1]
    num_steps = max(8, 65_536 // copies)
    run = jax.jit(lambda state, key: steps(state, key, num_steps))
    return copies * num_steps / _best_seconds(lambda: run(state, jax.random.key(1)), seconds)


def _best_seconds(function: Callable[[], Any], seconds: float) -> float:
    """Time a compiled function: the best of at least three calls."""
    jax.block_until_ready(function())
    best, begin, calls = float("inf"), time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        jax.block_until_ready(function())
        best = min(best, time.perf_counter() - start)
        calls += 1
    return best


def main() -> None:
    """Choose what to measure."""
    tyro.extras.subcommand_cli_from_dict({"envs": envs}, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
