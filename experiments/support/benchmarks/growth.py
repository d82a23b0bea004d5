"""What an iteration costs as work grows, beside what is predicted of it before it runs.

Of memory the prediction is that of `run.py --dry-run`. Of time there is none: what a processor does
in a second must be measured. From one measurement the others are predicted by the FLOPs of their
matrix products, as if every product ran at the same rate and nothing else took time.
"""

import ctypes
import dataclasses
import gc
import json as json_format
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import jax

from adqn_jax import Config, SeedRunner, envs, make_trainer
from adqn_jax.runs.memory import Memory
from support import cli
from support.benchmarks.flops import count_flops
from support.benchmarks.output import JsonFile, write
from support.benchmarks.setting import value_based
from support.benchmarks.timing import best_seconds, no_cache
from support.benchmarks.train import peak_bytes, products

#: What grows, each while the others stay.
AXES = ("seeds", "num_envs", "row_length", "history_size", "buffer_timesteps")
_BENCHMARK = pathlib.Path(__file__).parents[2] / "benchmark.py"
_MMAP_THRESHOLD = -3  # in malloc.h
_STATUS = pathlib.Path("/proc/self/status")
#: Iterations that are timed together, of those between log points.
_ITERATIONS = 4
_ITERATIONS_PER_LOG = 128


@dataclasses.dataclass(frozen=True)
class Work:
    """What is trained; one gradient step in every iteration."""

    env: str = "carflag"
    """Environment, as `run.py --env` takes it."""
    algo: str = "adqn-vr"
    """Algorithm."""
    preset: str = "fast"
    """Settings of all that is not named here."""
    seeds: int = 4
    """Seeds, trained side by side."""
    num_envs: int = 64
    """Environments of a seed."""
    row_length: int = 160
    """Transitions in a row."""
    history_size: int = 64
    """Width of what encodes the history."""
    buffer_timesteps: int = 400_000
    """Timesteps that the replay buffer of a seed holds."""
    rows: int = 16
    """Rows in a gradient step."""
    steps: int = 8
    """Steps of each environment in an iteration."""
    seconds: float = 2.0
    """Least time that a measurement takes."""

    def __post_init__(self) -> None:
        """Refuse what cannot be divided by; the rest is refused where it is used."""
        if min(self.seeds, self.steps, self.num_envs) < 1:
            raise ValueError("seeds, steps and num_envs must be at least 1")

    def config(self) -> Config:
        """Return a run of such iterations, which is not trained to its end."""
        timesteps = self.num_envs * self.steps
        return value_based(self.preset, self.env, self.algo).replace(
            num_envs=self.num_envs, row_length=self.row_length, history_size=self.history_size,
            buffer_timesteps=self.buffer_timesteps, batch_rows=self.rows,
            steps_per_iteration=self.steps, replay_ratio=self.rows * self.row_length / timesteps,
            warmup_timesteps=self.num_envs * self.row_length,
            log_every=_ITERATIONS_PER_LOG * timesteps,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cost:
    """What was measured, and what was predicted; of all seeds together."""

    seconds: float  # of an iteration
    flops: int  # of its matrix products
    product_gflops: float  # billions of FLOPs per second, of large matrix products, by turns
    bytes: int  # at most, beyond those that were in use before the states were made
    predicted_bytes: int  # by the dry run
    bytes_before: int  # in use before; on a CPU of the process
    bytes_compiling: int  # at most until all was compiled; on a CPU of the process

    @property
    def flops_per_product(self) -> float:
        """FLOPs done in the time of one of a large product."""
        return self.flops / (self.seconds * self.product_gflops * 1e9)


def cost(work: Work, json: JsonFile = None) -> None:
    """Measure what an iteration of one run costs; `growth` calls this, each time in a new process.

    Args:
      work: what is trained.
      json: where to write the results, too.
    """
    measured = _measure(work)
    for name, value in dataclasses.asdict(measured).items():
        print(f"{name:>24} {value:>18,.6g}")
    if json is not None:
        write(json, {"work": dataclasses.asdict(work), "cost": dataclasses.asdict(measured)})


def growth(
    work: Work, axes: tuple[str, ...] = AXES, factors: tuple[int, ...] = (2, 4),
    json: JsonFile = None,
) -> None:  # fmt: skip
    """Measure how time and memory grow with the work, one axis at a time, against predictions.

    Args:
      work: where all axes begin.
      axes: what grows: seeds, num_envs, row_length, history_size, buffer_timesteps.
      factors: by how much.
      json: where to write the results, too, for `draw`.
    """
    if not set(axes) <= set(AXES) or not axes:
        raise ValueError(f"axes must be some of {', '.join(AXES)}, got {' '.join(axes)}")
    if not factors or min(factors) < 2:
        raise ValueError(f"factors must be at least 2, got {factors}")
    load = [os.getloadavg()[0]]
    base, rows = _in_new_process(work), []
    about = {"work": dataclasses.asdict(work), "cores": cli.cores(), "load_average": load}
    print("| what grows | to | iteration | of predicted | memory | of predicted |", flush=True)
    for axis in axes:
        for factor in (1, *sorted(factors)):
            value = getattr(work, axis) * factor
            found = base
            if factor > 1:
                found = _in_new_process(dataclasses.replace(work, **{axis: value}))
            rows.append({"axis": axis, "value": value, **_beside(found, base)})
            print(line(rows[-1]), flush=True)
            load.append(os.getloadavg()[0])
            if json is not None:  # what is there, should the next take too long
                write(json, {**about, "growth": rows})


def _beside(found: Cost, base: Cost) -> dict[str, float]:
    """Put a cost beside what is predicted of it; of its time by that of the base."""
    predicted = found.flops / (base.flops_per_product * found.product_gflops * 1e9)
    return {
        **dataclasses.asdict(found),
        "predicted_seconds": predicted,
        "seconds_of_predicted": found.seconds / predicted,
        "bytes_of_predicted": found.bytes / found.predicted_bytes,
    }


def line(row: dict[str, Any]) -> str:
    """Say what was found at a point, as a row of the table in docs/performance.md."""
    cells = (
        row["axis"].replace("_", " "), f"{row['value']:,}", f"{1e3 * row['seconds']:,.0f} ms",
        f"{row['seconds_of_predicted']:.2f}", f"{row['bytes'] / 2**20:,.0f} MiB",
        f"{row['bytes_of_predicted']:.2f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _in_new_process(work: Work) -> Cost:
    """Measure in a process whose memory nothing has grown before.

    Raises:
      ValueError: when it cannot be measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cost.json"
        words = [f"--{k.replace('_', '-')}={v}" for k, v in dataclasses.asdict(work).items()]
        done = subprocess.run(
            [sys.executable, str(_BENCHMARK), "cost", *words, "--json", str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ValueError(last.removeprefix("error: "))
        return Cost(**json_format.loads(path.read_text())["cost"])


def _measure(work: Work) -> Cost:
    env, env_params = envs.make(work.env)
    config = work.config()
    runner = SeedRunner(make_trainer(config, env, env_params), work.seeds, config.hyper)
    with no_cache():  # what compiling takes is told, too
        runner.compile()
    bytes_compiling = peak_bytes()
    # Before times: what these free would be taken again, and seem to cost nothing.
    bytes_before, most = _grown(lambda: _live(runner))
    seconds, product_rate = _timed(runner, work.seconds)
    trainer, shapes = runner.trainer, runner.seed_shapes
    return Cost(
        seconds=seconds,
        flops=runner.places * count_flops(lambda x: trainer.iterate(x, config.hyper, 1), shapes),
        product_gflops=product_rate / 1e9,
        bytes=most,
        predicted_bytes=Memory.of(runner).total,
        bytes_before=bytes_before,
        bytes_compiling=bytes_compiling,
    )


def _timed(runner: SeedRunner, seconds: float) -> tuple[float, float]:
    """Return the seconds of an iteration, and the FLOPs of large products in a second."""
    states = [runner.init(jax.random.key(0))]

    def iterate() -> Any:
        states.append(runner.iterate(states.pop(), _ITERATIONS))  # donates the states before
        return states[0]

    product, flops = products(runner)
    best = best_seconds({"product": product, "iterations": iterate}, seconds)
    return best["iterations"] / _ITERATIONS, flops / best["product"]


def _live(runner: SeedRunner) -> None:
    """Do once all that a run does with its states."""
    states = runner.init(jax.random.key(0))
    for _ in range(2):
        states = jax.block_until_ready(runner.iterate(states, _ITERATIONS))
    runner.evaluate(states)


def _grown(run: Callable[[], None]) -> tuple[int, int]:
    """Return the bytes in use before, and how many more there were at most while it ran.

    They are of all devices, at most until now; on a CPU of the process, whose own needs a first run
    has met.

    Raises:
      ValueError: when there is neither an accelerator nor Linux to ask.
    """
    devices = jax.local_devices()
    if devices[0].memory_stats() is not None:
        before = sum(device.memory_stats()["bytes_in_use"] for device in devices)
        run()
        return before, peak_bytes() - before
    if not _STATUS.exists():
        raise ValueError("the memory of a process on a CPU can be measured on Linux only")
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, 2**20)  # arrays that are freed go back to the system at once
    run()
    gc.collect()
    library.malloc_trim(0)  # and so does all else
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak is forgotten
    before = _resident("VmRSS")
    run()
    return before, _resident("VmHWM") - before


def _resident(name: str) -> int:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])
