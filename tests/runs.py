"""Short runs of commands in this process, compiled once for all of them; and made-up ones."""

import contextlib
import copy
import csv
import dataclasses
import functools
import io
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import jax

import run
from adqn_jax import Config, SeedRunner, envs, runs
from adqn_jax.results import experiment, metrics
from adqn_jax.results.experiment import Experiment
from adqn_jax.runs import pace
from support import chosen, cli, options

ROOT = pathlib.Path(__file__).parents[1]
SEEDS = 3  # on two devices: one place is left over
CHUNKS = 12  # of an iteration each, four of them between log points
#: An algorithm of each family, and what its short run needs beyond what all have.
OF_ALGORITHMS = {
    "adqn": (
        *("--total-timesteps", "480", "--warmup-timesteps", "240", "--buffer-timesteps", "1200"),
        *("--row-length", "20", "--replay-ratio", "2", "--batch-rows", "2"),
        *("--replay", "prioritised"),
    ),
    "ppo-asym": (
        *("--total-timesteps", "240", "--minibatches", "2"),
        *("--target", "periodic", "--target-period", "40"),
    ),
    "a2d": (
        *("--total-timesteps", "240", "--buffer-timesteps", "40", "--batch-rows", "4"),
        *("--epochs", "1", "--value-epochs", "1", "--value-minibatches", "2"),
    ),
}
_WORDS = (
    *("--env", "heavenhell-1", "--seeds", str(SEEDS), "--log-every", "80", "--num-envs", "2"),
    *("--steps-per-iteration", "10", "--eval-episodes", "2", "--embedding-size", "4"),
    *("--history-size", "8", "--head-sizes", "8", "--checkpoint-minutes", "1e-9"),
)


def words_of(algo: str) -> tuple[str, ...]:
    """Return the options of an algorithm's short run."""
    return (*_WORDS, "--algo", algo, *OF_ALGORITHMS[algo])


def folder_of(algo: str) -> pathlib.Path:
    """Return where its results go, below the current folder."""
    return pathlib.Path("runs", "heavenhell-1", algo)


WORDS = words_of("adqn")
FOLDER = folder_of("adqn")

#: What takes the place of a `SeedRunner`'s method, by its name; called with that method first.
Hooks = dict[str, Callable[..., Any]]


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a script ended."""

    code: int
    out: str
    err: str


def call(main: Callable[[], None], *words: str) -> Ended:
    """Run a script's main as a user would, in this process."""
    out, err, code = io.StringIO(), io.StringIO(), "0"
    with (
        mock.patch.object(sys, "argv", ["script.py", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.run(main)
        except SystemExit as end:
            code = str(end.code)
    return Ended(int(code), out.getvalue(), err.getvalue())


def script(name: str, *words: str, cwd: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run a script of experiments/ as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments" / name), *words],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


def train(
    *words: str, hooks: Hooks | None = None, algo: str = "adqn", chunk_seconds: float = 0.0
) -> Ended:
    """Run the short run, with further words, below the current folder.

    By default chunks are an iteration each, as if every one took too long.
    """

    def main() -> None:
        args = options.parse([*words_of(algo), *words])
        run.train(args, functools.partial(_runner, hooks or {}))

    with mock.patch.object(pace, "CHUNK_SECONDS", chunk_seconds):
        return call(main)


@functools.cache
def compiled(algo: str = "adqn") -> SeedRunner:
    """Compile the short run of an algorithm."""
    args = options.parse(words_of(algo))
    env, env_params = envs.make(args.env)
    point = runs.Point(chosen.experiment(args, env), pathlib.Path())
    runner = runs.make_runner([point], env, env_params)
    compile_quickly(runner)
    return runner


def compile_quickly(runner: SeedRunner) -> None:
    """Compile what runs for moments only."""
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        runner.compile()
    finally:
        jax.config.update("jax_disable_most_optimizations", False)


def _runner(hooks: Hooks, points: Sequence[runs.Point], *env: Any) -> SeedRunner:
    trainer = runs.make_runner(points, *env).trainer  # it may be for more timesteps
    runner = copy.copy(compiled(trainer.config.algorithm))
    runner.trainer = trainer
    return hooked(runner, hooks)


def hooked(runner: SeedRunner, hooks: Hooks) -> SeedRunner:
    """Let hooks stand before a compiled runner's methods; it is not compiled again."""
    methods = {n: getattr(runner, n) for n in hooks} | {"compile": lambda **_: None}
    for name, hook in hooks.items():
        methods[name] = functools.partial(hook, methods[name])
    vars(runner).update(methods)
    return runner


def write_run(
    folder: pathlib.Path, rows: Sequence[dict[str, Any]], observe: str = "observation",
    **changes: Any,
) -> pathlib.Path:  # fmt: skip
    """Write a run of <env>/<algo>/<name> with these rows, as run.py would; changes are options."""
    folder.mkdir(parents=True)
    env, algo = folder.parts[-3:-1]
    seeds = len({row["seed"] for row in rows})
    config = Config(algo).replace(**changes)
    made_up = Experiment(env, {}, observe, seeds, 0, config)
    experiment.write(folder, made_up.to_json())
    metrics.write(folder / "metrics.csv", rows)
    return folder


def write_curves(
    path: str, returns: Sequence[Sequence[float]], seconds_each: float, **changes: Any
) -> None:
    """Write a run with a log point each 100 timesteps: the seeds' returns there, and seconds."""
    rows = [
        {"seed": seed, "timesteps": 100 * (point + 1), "eval_return": value, "failed": 0}
        | {"training_seconds": seconds_each * (point + 1)}
        for point, values in enumerate(returns)
        for seed, value in enumerate(values)
    ]
    write_run(pathlib.Path(path), rows, **changes)


def after(calls: int, act: Callable[[], None]) -> Callable[..., Any]:
    """Make a hook that acts once, after so many calls of the method."""
    left = [calls]

    def hook(method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        result = method(*args, **named)
        left[0] -= 1
        if left[0] == 0:
            act()
        return result

    return hook


def rows_of(folder: pathlib.Path) -> list[dict[str, str]]:
    """Read metrics.csv without its wall-clock columns."""
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    clock = [c for c in rows[0] if c.endswith(("_seconds", "_per_second"))]
    assert clock
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    """Read every file below a folder; folders are there, too, as empty bytes."""
    return {
        path.relative_to(folder).as_posix(): b"" if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }
