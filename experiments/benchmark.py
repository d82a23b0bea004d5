"""Measure throughput, and write what was measured with the hardware's name."""

import copy
import dataclasses
import functools
import json
import pathlib
import sys
from typing import Any

import jax

import cli
import envs as environments
import presets
from adqn_jax import Config, make_trainer
from adqn_jax.buffer import min_capacity, nbytes
from folder import versions
from timing import Runs, best_seconds

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
        _write(json_file, {"steps_per_second": rates})


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
    best = best_seconds({name: lambda: run(state, jax.random.key(1))}, seconds)
    return copies * num_steps / best[name]


def replay(
    names: tuple[str, ...] = PAPER,
    algo: str = "adqn-vr",
    preset: str = "fast",
    seconds: float = 2.0,
    json_file: pathlib.Path | None = None,
) -> None:
    """Measure what it costs to derive observations when sampling, instead of storing them.

    Args:
      names: environments, as `run.py --env` takes them.
      algo: algorithm, whose gradient step is the yardstick.
      preset: settings of the networks and of the rows.
      seconds: least time that a measurement takes.
      json_file: where to write the results, too.
    """
    head = ("bytes/timestep", "if stored", "us/row", "if stored", "share of a gradient step")
    print(f"{'':>24}" + "".join(f"{title:>26}" for title in head))
    results = {}
    for name in names:
        results[name] = _replay_costs(name, presets.preset(preset, name, algo), seconds)
        print(f"{name:>24}" + "".join(f"{value:>26.4g}" for value in results[name].values()))
    if json_file is not None:
        _write(json_file, {"replay": results})


def _replay_costs(name: str, config: Config, seconds: float) -> dict[str, float]:
    env, params = environments.make(name)
    stores = copy.copy(env)
    stores.observes_deterministically = False
    runs: Runs = {}
    sizes = {}
    for way, chosen in (("derived", env), ("stored", stores)):
        trainer = make_trainer(_with_small_buffer(config, params), chosen, params)
        state = jax.jit(trainer.init)(jax.random.key(0))
        slots = trainer.plan.capacity * trainer.plan.num_envs
        sizes[way] = nbytes(state.buffer) / slots
        rows = jax.jit(lambda s, t=trainer: t.codec.decode(t.buffer.sample(s.buffer, s.key)))
        runs[way] = functools.partial(rows, state)
    update = jax.jit(
        lambda s, rows: trainer.update(config.hyper, s.params, s.target_params, s.opt_state, rows)
    )
    runs["update"] = functools.partial(update, state, runs["stored"]())
    best = best_seconds(runs, seconds)
    per_row = {way: 1e6 * best[way] / config.train.batch_rows for way in ("derived", "stored")}
    return {
        "bytes_derived": sizes["derived"],
        "bytes_stored": sizes["stored"],
        "us_per_row_derived": per_row["derived"],
        "us_per_row_stored": per_row["stored"],
        "extra_share_of_update": (best["derived"] - best["stored"]) / best["update"],
    }


def _with_small_buffer(config: Config, env_params: Any) -> Config:
    """Hold as little as rows can be drawn from."""
    longest = int(env_params.max_steps_in_episode)
    timesteps = config.train.num_envs * min_capacity(config.train.row_length or longest, longest)
    train = dataclasses.replace(
        config.train, buffer_timesteps=timesteps, warmup_timesteps=timesteps
    )
    return dataclasses.replace(config, train=train)


def _write(path: pathlib.Path, results: dict[str, Any]) -> None:
    path.write_text(json.dumps(results | {"made_with": versions()}, indent=2) + "\n")


def main() -> None:
    """Choose what to measure."""
    jobs: dict[str, Any] = {"envs": envs, "replay": replay}
    cli.parse(jobs, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
