"""Short runs of run.py in this process, compiled once for all of them."""

import contextlib
import copy
import csv
import dataclasses
import functools
import io
import pathlib
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import jax

import cli
import envs
import run
import session
from adqn_jax import Config, SeedRunner, Trainer, make_trainer

SEEDS = 3  # on two devices: one place is left over
CHUNKS = 12
WORDS = (
    *("--env", "heavenhell-1", "--algo", "adqn", "--seeds", str(SEEDS)),
    *("--total-timesteps", "480", "--warmup-timesteps", "240", "--log-every", "80"),
    *("--buffer-timesteps", "1200", "--num-envs", "2", "--row-length", "20"),
    *("--steps-per-iteration", "10", "--replay-ratio", "2", "--batch-rows", "2"),
    *("--eval-episodes", "2", "--embedding-size", "4", "--history-size", "8"),
    *("--head-sizes", "8", "--checkpoint-minutes", "1e-9"),
)
FOLDER = pathlib.Path("runs", "heavenhell-1", "adqn")

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


def train(*words: str, hooks: Hooks | None = None) -> Ended:
    """Run the short run, with further words, below the current folder."""
    with mock.patch.object(session, "SeedRunner", functools.partial(_runner, hooks or {})):
        return call(run.main, *WORDS, *words)


@functools.cache
def compiled() -> SeedRunner:
    """Compile the short run."""
    args = run.parse(list(WORDS))
    config = Config(args.algo, args.hyper, args.network, args.loss, args.train)
    runner = SeedRunner(make_trainer(config, *envs.make(args.env)), SEEDS, args.hyper)
    jax.config.update("jax_disable_most_optimizations", True)  # it runs for moments only
    runner.compile()
    jax.config.update("jax_disable_most_optimizations", False)
    return runner


def _runner(hooks: Hooks, trainer: Trainer, *_: Any) -> SeedRunner:
    runner = copy.copy(compiled())
    runner.trainer = trainer  # it may be one for more timesteps
    vars(runner)["compile"] = lambda: None
    for name, hook in hooks.items():
        vars(runner)[name] = functools.partial(hook, getattr(runner, name))
    return runner


def after(calls: int, act: Callable[[], None]) -> Callable[..., Any]:
    """Make a hook that acts once, after so many calls of the method."""
    left = [calls]

    def hook(method: Callable[..., Any], *args: Any) -> Any:
        result = method(*args)
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
