"""Ours and peers by turns, each in a process of its own, until the task is solved."""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from adqn_jax import envs
from adqn_jax.results.tables import markdown
from support import cli, presets
from support.benchmarks.checkouts import OlderEnvironment
from support.benchmarks.contenders import PEERS, TARGET, Task, settings, train
from support.benchmarks.output import JsonFile, write

_COMMAND = pathlib.Path(__file__).parents[2] / "benchmark.py"
_SPARE_SECONDS = 300.0  # to start, compile, and reach the log point after its time is up
_ONE_DEVICE = "--xla_force_host_platform_device_count=1"
#: Threads of XLA's CPU runtime. As many QR decompositions side by side as it has threads wait for
#: each other: with two, orthogonal weights of four seeds are never drawn.
_THREADS = 8
_INFINITE = float("inf")

Row = dict[str, Any]


def contender(task: Task) -> None:
    """Train one contender of `peers` in this process, and tell each log point as a line of JSON.

    Args:
      task: what is trained.
    """
    for line in train(task):
        print(json.dumps(line), flush=True)


def peers(
    purejaxrl: pathlib.Path | None = None, purejaxql: pathlib.Path | None = None,
    names: tuple[str, ...] = ("carflag", "heavenhell-3", "heavenhell-4"),
    algos: tuple[str, ...] = ("adqn-vr",), seeds: int = 4, rounds: int = 1,
    seconds: float = 300.0, change: tuple[str, ...] = (), json: JsonFile = None,
) -> None:  # fmt: skip
    """Train ours and others by turns until the mean greedy return over seeds reaches 0.9.

    Each has a process of its own and the same cores. Ours are trained by the preset `fast`.

    Args:
      purejaxrl: a checkout of github.com/luchris429/purejaxrl; it needs the package distrax.
      purejaxql: a checkout of github.com/mttga/purejaxql.
      names: environments whose observations are Discrete or a Box, as `run.py --env` takes them.
      algos: ours.
      seeds: seeds of each, trained side by side.
      rounds: how often each is trained, each time with other seeds; medians count.
      seconds: how long each may train; compiling is not counted.
      change: settings of every peer to change, as NAME=VALUE.
      json: where to write the results, too.
    """
    given = {"purejaxrl": purejaxrl, "purejaxql": purejaxql}
    checkouts = {who: path for who, path in given.items() if path is not None}
    if not names or not algos or not checkouts or rounds < 1:
        raise ValueError("name environments, algorithms, a checkout of a peer, and rounds")
    tasks = [
        Task(who, name, checkouts.get(who), seeds, root, seconds, change if who in PEERS else ())
        for name, root, who in itertools.product(names, range(rounds), (*algos, *checkouts))
    ]
    for task in tasks:
        check(task)
    results: dict[str, Any] = {
        "setting": {"target": TARGET, "seeds": seeds, "rounds": rounds, "seconds": seconds},
        "files": {who: _digest(path / PEERS[who].FILE) for who, path in checkouts.items()},
        "peers": [],
    }
    for task in tasks:
        results["peers"].append(run(task))
        print(_told(results["peers"][-1]), flush=True)
        if json is not None:  # as far as it has come
            write(json, results)
    print(table(results))


def peers_table(json: pathlib.Path) -> None:
    """Print what `peers` has measured as a table in Markdown.

    Args:
      json: the file that it has written.
    """
    print(table(read(json)))


def read(path: pathlib.Path) -> dict[str, Any]:
    """Read what `peers` has written.

    Raises:
      ValueError: when it is something else.
      OSError: when there is no such file.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        table(found)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"{path} is not what benchmark.py peers --json writes") from error
    return found


def check(task: Task) -> None:
    """Refuse what cannot be trained, before anything is.

    Raises:
      ValueError: when there is no such environment or checkout, or they do not fit.
    """
    env, env_params = envs.make(task.env)
    if task.checkout is None:
        presets.preset("fast", task.env, task.contender)
        return
    OlderEnvironment(env, env_params)
    settings(task)
    PEERS[task.contender].load(task.checkout)


def run(task: Task) -> Row:
    """Train a contender in a process of its own.

    A peer has one XLA device and its threads, on all cores. Orthogonal weights come from QR
    decompositions, which have hung in XLA on a CPU with several devices.

    Raises:
      ValueError: when it fails, or hangs before its first log point.
    """
    process = subprocess.Popen(
        [sys.executable, str(_COMMAND), "contender", *_words(task)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | _flags(task),
    )  # fmt: skip
    limit = task.seconds + _SPARE_SECONDS
    timer = threading.Timer(limit, process.kill)  # of one that hangs
    timer.start()
    try:
        said, complaint = process.communicate()
    finally:
        in_time = timer.is_alive()
        timer.cancel()
        process.kill()
    first, *log = map(json.loads, said.splitlines() or ["{}"])
    if (in_time and process.returncode) or not log:
        last = (complaint.strip().splitlines() or ["no message"])[-1].removeprefix("error: ")
        why = last if in_time else f"it has reached no log point within {limit:.0f} s"
        raise ValueError(f"{task.contender} on {task.env} failed: {why}")
    about = {"env": task.env, "contender": task.contender, "root": task.root}
    return about | first | measures(log, task.seeds) | {"log": log}


def _flags(task: Task) -> dict[str, str]:
    flags = os.environ.get("XLA_FLAGS", "")
    if task.contender not in PEERS:
        return {}
    return {"XLA_FLAGS": f"{flags} {_ONE_DEVICE}", "NPROC": str(max(_THREADS, cli.cores()))}


def _words(task: Task) -> Iterator[str]:
    for name, value in dataclasses.asdict(task).items():
        if value not in (None, ()):
            yield from (f"--{name}", *map(str, value if isinstance(value, tuple) else (value,)))


def measures(log: Sequence[Row], seeds: int) -> Row:
    """Return when the mean over seeds has reached the target, and each seed, and what it took.

    Args:
      log: log points, as `contenders.train` yields them.
      seeds: how many.
    """
    last = log[-1]
    of_seeds = [_first(log, [at["returns"][seed] for at in log]) for seed in range(seeds)]
    return {
        "reached": _first(log, [statistics.fmean(at["returns"]) for at in log]),
        "seeds_reached": of_seeds,
        "steps_per_second": round(seeds * last["timesteps"] / last["training_seconds"], 1),
        "peak_bytes": max(at["peak_bytes"] for at in log),
    }


def _first(log: Sequence[Row], returns: Sequence[float]) -> Row | None:
    """Return when a return first was the target, if ever."""
    for at, value in zip(log, returns, strict=True):
        if value >= TARGET:
            return {"timesteps": at["timesteps"], "seconds": at["seconds"]}
    return None


def table(results: dict[str, Any]) -> str:
    """Return a table in Markdown, a row for each environment and contender; medians over rounds.

    Args:
      results: what `peers` writes.
    """
    keys = dict.fromkeys((row["env"], row["contender"]) for row in results["peers"])
    runs = {
        key: [row for row in results["peers"] if (row["env"], row["contender"]) == key]
        for key in keys
    }
    ours = {
        env: _median(of_who, "seconds")
        for (env, who), of_who in reversed(runs.items())
        if who not in PEERS
    }
    rows = []
    for (env, who), of_who in runs.items():
        seconds = _median(of_who, "seconds")
        seeds = [at for row in of_who for at in row["seeds_reached"]]
        rows.append({
            "environment": f"`{env}`",
            "contender": f"`{who}`",
            "seconds to 0.9": _cell(seconds, of_who, "seconds", ".0f"),
            "times ours": _times(seconds, of_who, ours[env]),
            "timesteps to 0.9": _cell(_median(of_who, "timesteps"), of_who, "timesteps", ",.0f"),
            "seeds that once reach it": f"{sum(at is not None for at in seeds)} of {len(seeds)}",
            "compiling": f"{_typical(of_who, 'compile_seconds'):.0f} s",
            "steps per second": f"{_typical(of_who, 'steps_per_second'):,.0f}",
            "peak memory": f"{max(row['peak_bytes'] for row in of_who) / 1e9:.1f} GB",
        })  # fmt: skip
    return markdown(rows)


def settings_table() -> str:
    """Return what is set otherwise than peers have published it, as docs/performance.md has it."""
    return markdown([
        {
            "": f"`{who}`",
            "setting": f"`{name}`",
            "as published": f"{adapter.PUBLISHED[name]:,}",
            "here": f"{value:,}",
        }
        for who, adapter in PEERS.items()
        for name, value in adapter.TUNED.items()
    ])  # fmt: skip


def _typical(runs: Sequence[Row], what: str) -> float:
    return statistics.median(row[what] for row in runs)


def _median(runs: Sequence[Row], what: str) -> float:
    """Return the median of what it took; a run that has not reached it took infinitely long."""
    return statistics.median(row["reached"][what] if row["reached"] else _INFINITE for row in runs)


def _cell(value: float, runs: Sequence[Row], what: str, form: str) -> str:
    if value < _INFINITE:
        return f"{value:{form}}"
    return f"not within {min(row['log'][-1][what] for row in runs):{form}}"


def _times(seconds: float, runs: Sequence[Row], ours: float) -> str:
    if ours == _INFINITE:
        return ""
    if seconds < _INFINITE:
        return f"{seconds / ours:.2f}"
    return f"more than {min(row['log'][-1]['seconds'] for row in runs) / ours:.1f}"


def _told(row: Row) -> str:
    reached = row["reached"]
    if reached is None:
        last = row["log"][-1]
        how = f"not within {last['seconds']:.0f} s, {last['timesteps']:,} timesteps"
    else:
        how = f"0.9 after {reached['seconds']:.0f} s, {reached['timesteps']:,} timesteps"
    return f"{row['env']:>16} {row['contender']:>12} seeds of root {row['root']}: {how}"


def _digest(path: pathlib.Path) -> str:
    """Name what a checkout's file holds, which may have no commit."""
    return f"{path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
