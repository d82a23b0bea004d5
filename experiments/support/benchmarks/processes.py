"""How the rate of training grows with the number of processes, each on a core of its own."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

from support.benchmarks.output import JsonFile, write

_RUN = pathlib.Path(__file__).parents[2] / "run.py"
_RATE = re.compile(r"timesteps +([0-9,]+) /s")


def processes(
    env: str = "carflag",
    algo: str = "adqn-vr",
    seeds: int = 8,
    total_timesteps: int = 100_000,
    cores: tuple[int, ...] = (0, 1),
    rounds: int = 3,
    json: JsonFile = None,
) -> None:
    """Train with one process on a core and with one on each of several, as --distributed does.

    Args:
      env: environment, as `run.py --env` takes it.
      algo: algorithm.
      seeds: of the run, shared out.
      total_timesteps: of each seed.
      cores: that processes are pinned to.
      rounds: how often each is measured, by turns; the best counts.
      json: where to write the results, too.
    """
    if len(set(cores)) < 2 or rounds < 1:
        raise ValueError("name at least two cores, and one round")
    words = ["--env", env, "--algo", algo, "--seeds", str(seeds)]
    words += ["--total-timesteps", str(total_timesteps)]
    found = rates(words, list(cores), rounds)
    for number, rate in found.items():
        print(f"{number:>4} processes {rate:>12,.0f} timesteps/s {rate / found[1]:6.2f} times one")
    if json is not None:
        write(json, {"words": words, "timesteps_per_second": found})


def rates(words: list[str], cores: list[int], rounds: int) -> dict[int, float]:
    """Train with one process, and with one on each of the cores, by turns; the best round counts.

    Args:
      words: after `run.py`; where the results go is added.
      cores: those that processes are pinned to, the first of them that of the one alone.
      rounds: how often each is measured.

    Returns:
      Timesteps per second over all seeds, without compiling, by number of processes.

    Raises:
      ValueError: when a run fails, or a process cannot be pinned to a core here.
    """
    if not hasattr(os, "sched_setaffinity") or not set(cores) <= os.sched_getaffinity(0):
        raise ValueError(f"cannot pin processes to the cores {cores} here")
    best: dict[int, float] = {}
    for _ in range(rounds):
        for number in (1, len(cores)):
            best[number] = max(best.get(number, 0.0), _rate(words, cores[:number]))
    return best


def _rate(words: list[str], cores: list[int]) -> float:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        together = ["--out", folder, "--distributed", "--coordinator", coordinator]
        together += ["--processes", str(len(cores)), "--process"]
        processes = [_start([*words, *together, str(i)], core) for i, core in enumerate(cores)]
        said = [process.communicate() for process in processes]
    found = _RATE.search(said[0][0])
    if found is None:
        last = (said[0][1].strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"run.py {' '.join(words)} did not end well: {last}")
    return float(found[1].replace(",", ""))


def _start(words: list[str], core: int) -> subprocess.Popen[str]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # which the process inherits
    try:
        return subprocess.Popen(
            [sys.executable, str(_RUN), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    finally:
        os.sched_setaffinity(0, allowed)
