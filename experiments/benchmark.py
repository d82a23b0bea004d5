"""Measure throughput, and write what was measured with the hardware's name."""

import dataclasses
import pathlib
import sys
from typing import Any

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax import envs as environments
from adqn_jax.results.figures import check_writable
from support import chosen, options, paper
from support.benchmarks.draw import draw_measured
from support.benchmarks.environments import steps_per_second
from support.benchmarks.growth import cost, growth
from support.benchmarks.kernels import kernels
from support.benchmarks.operations import loops_of_a_step
from support.benchmarks.output import JsonFile, write
from support.benchmarks.parts import measure_parts
from support.benchmarks.peers import contender, peers, peers_table
from support.benchmarks.ppo import ppo
from support.benchmarks.precision import deviations
from support.benchmarks.processes import processes
from support.benchmarks.reference import reference
from support.benchmarks.replay import replay_costs, with_small_buffers
from support.benchmarks.runners import runners
from support.benchmarks.setting import Setting, check_seeds
from support.benchmarks.start import seconds_to_progress
from support.benchmarks.timing import no_cache
from support.benchmarks.train import Throughput, measure


def envs(
    names: tuple[str, ...] = paper.ENVS,
    copies: tuple[int, ...] = (1, 16, 256, 4096),
    seconds: float = 0.5,
    json: JsonFile = None,
) -> None:
    """Measure environments alone: steps per second of random actions, automatic resets included.

    Args:
      names: environments, as `run.py --env` takes them.
      copies: how many are stepped side by side, on one device.
      seconds: least time that a measurement takes.
      json: where to write the results, too.
    """
    if not names or not copies or min(copies) < 1:
        raise ValueError("name at least one environment, and numbers of copies of at least 1")
    for name in names:
        environments.make(name)  # what there is not is refused before any is measured
    print(f"{'steps/s with copies':>24}" + "".join(f"{n:>14,}" for n in copies))
    rates = {}
    for name in names:
        rates[name] = {n: steps_per_second(name, n, seconds) for n in copies}
        cells = "".join(f"{rate:>14,.0f}" for rate in rates[name].values())
        print(f"{name:>24}{cells}", flush=True)
        if json is not None:  # what is there, should the next fail
            write(json, {"steps_per_second": rates})


def replay(
    names: tuple[str, ...] = paper.ENVS,
    algo: str = "adqn-vr",
    preset: str = "fast",
    seconds: float = 2.0,
    json: JsonFile = None,
) -> None:
    """Measure what it costs to derive observations when sampling, instead of storing them.

    Args:
      names: environments, as `run.py --env` takes them.
      algo: algorithm, whose gradient step is the yardstick.
      preset: settings of the networks and of the rows.
      seconds: least time that a measurement takes.
      json: where to write the results, too.
    """
    configs = with_small_buffers(names, algo, preset)
    head = ("bytes/timestep", "if stored", "us/row", "if stored", "share of a gradient step")
    print(f"{'':>24}" + "".join(f"{title:>26}" for title in head))
    results = {}
    for name, config in configs.items():
        results[name] = replay_costs(name, config, seconds)
        cells = "".join(f"{value:>26.4g}" for value in results[name].values())
        print(f"{name:>24}{cells}", flush=True)
        if json is not None:
            write(json, {"replay": results})


def precision(
    names: tuple[str, ...] = paper.ENVS,
    algo: str = "adqn-vr",
    preset: str = "paper",
    json: JsonFile = None,
) -> None:
    """Measure what --matmul-precision changes where it acts: operands rounded, on any machine.

    Args:
      names: environments, as `run.py --env` takes them.
      algo: algorithm.
      preset: settings of the networks and of the rows.
      json: where to write the results, too.
    """
    results = {}
    for name, config in with_small_buffers(names, algo, preset).items():
        results[name] = deviations(name, config)
        for kind, row in results[name].items():
            cells = "".join(f"{what:>12} {value:8.1e}" for what, value in row.items())
            print(f"{name:>24} {kind:>14}{cells}", flush=True)
        if json is not None:
            write(json, {"relative_deviation": results})


def start(
    names: tuple[str, ...] = paper.ENVS,
    algos: tuple[str, ...] = paper.ALGORITHMS,
    preset: str = "fast",
    seeds: int = 20,
    json: JsonFile = None,
) -> None:
    """Measure the seconds until run.py shows progress, without and with a compilation cache.

    And those until it has introduced itself, has compiled, and has begun.

    Args:
      names: environments, as `run.py --env` takes them.
      algos: algorithms.
      preset: settings.
      seeds: seeds, trained side by side.
      json: where to write the results, too.
    """
    if not names or not algos:
        raise ValueError("name at least one environment and one algorithm")
    further = ["--preset", preset, "--seeds", str(seeds)]
    runs = {
        (name, algo): ["--env", name, "--algo", algo, *further] for name in names for algo in algos
    }
    for words in runs.values():
        chosen.environment(options.parse(words))  # wrong ones are refused before any begins
    results: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for (name, algo), words in runs.items():
        results.setdefault(name, {})[algo] = seconds_to_progress(words)
        for cache, seconds in results[name][algo].items():
            told = "  ".join(f"{mark} {after:5.1f} s" for mark, after in seconds.items())
            print(f"{name:>24} {algo:>14} {cache:>7}  {told}", flush=True)
        if json is not None:
            write(json, {"seconds_to_progress": results})


def train(setting: Setting, seeds: int = 20, json: JsonFile = None) -> None:
    """Measure training: the gradient steps alone, the whole loop, their shares of the limit.

    Args:
      setting: what is trained.
      seeds: seeds, trained side by side.
      json: where to write the results, too.
    """
    _measure_all(setting, (seeds,), json)


def scaling(
    setting: Setting, seeds: tuple[int, ...] = (1, 2, 5, 10, 20, 40), json: JsonFile = None
) -> None:
    """Measure training with several numbers of seeds.

    Args:
      setting: what is trained.
      seeds: numbers of seeds.
      json: where to write the results, too, for `draw`.
    """
    _measure_all(setting, seeds, json)


def parts(setting: Setting, seeds: int = 20, json: JsonFile = None) -> None:
    """Measure where the time of a gradient step goes, and what its products alone would take.

    Operations in its loops, too: as we have written them; `kernels` counts what a device executes.

    Args:
      setting: what is trained.
      seeds: seeds, trained side by side.
      json: where to write the results, too.
    """
    check_seeds(seeds)
    results = measure_parts(setting.env, setting.config(), seeds, setting.seconds)
    for name, part in results.items():
        print(f"{name:>32} {part['ms']:8.3f} ms, products alone {part['limit_ms']:8.3f} ms", end="")
        print(f", {part['share_of_limit']:4.0%}")
    loops = [dataclasses.asdict(loop) for loop in loops_of_a_step(setting.env, setting.config())]
    for loop in loops:
        direction = "backward" if loop["backward"] else "forward"
        print(f"{direction:>32}, {loop['length']:,} rounds of {loop['products']} products ", end="")
        print(f"and {loop['others']} other operations")
    if json is not None:
        write(json, {"setting": dataclasses.asdict(setting), "parts": results, "loops": loops})


def draw(json: pathlib.Path, to: pathlib.Path = pathlib.Path("scaling.png")) -> None:
    """Draw what `scaling` or `growth` has measured.

    Args:
      json: the file that it has written.
      to: the picture to write.
    """
    check_writable(to)
    draw_measured(json, to)
    print(f"wrote {to}")


def _measure_all(setting: Setting, seeds: tuple[int, ...], json: pathlib.Path | None) -> None:
    check_seeds(seeds)
    results = []
    with no_cache():
        for number in seeds:
            results.append(measure(setting.env, setting.config(), number, setting.seconds))
            print(_table(results[-1]), flush=True)
            if json is not None:  # what is there, should the next take too long
                rows = [dataclasses.asdict(result) for result in results]
                write(json, {"setting": dataclasses.asdict(setting), "training": rows})


def _table(result: Throughput) -> str:
    return "\n".join(
        f"{name:>24} {value:>14,.4g}" for name, value in dataclasses.asdict(result).items()
    )


def main() -> None:
    """Choose what to measure."""
    jobs: dict[str, Any] = {
        "envs": envs, "replay": replay, "precision": precision, "start": start, "train": train,
        "scaling": scaling, "parts": parts, "kernels": kernels, "draw": draw,
        "reference": reference, "peers": peers, "contender": contender,
        "peers-table": peers_table, "ppo": ppo, "processes": processes, "runners": runners,
        "cost": cost, "growth": growth,
    }  # fmt: skip
    omit = (cli.tyro.conf.OmitArgPrefixes,)
    cli.parse(jobs, args=sys.argv[1:], description=__doc__, config=omit)


if __name__ == "__main__":
    cli.run(main)
