"""A run as a process of its own, to be killed; and what it leaves, to be compared."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from adqn_jax.runs import lock
from adqn_jax.runs.checkpoint import Checkpoints
from runs import files_of, rows_of

ROOT = pathlib.Path(__file__).parents[1]
SEEDS = 3
#: Some seconds of training, a checkpoint every quarter of a second, or after each chunk.
WORDS = (
    *("--env", "heavenhell-1", "--seeds", str(SEEDS), "--log-every", "400", "--num-envs", "2"),
    *("--eval-episodes", "2", "--embedding-size", "4", "--history-size", "8"),
    *("--head-sizes", "8", "--checkpoint-minutes", "0.004"),
)
#: An algorithm of each family, and what its run needs beyond that.
OF_ALGORITHMS = {
    "adqn": (
        *("--total-timesteps", "16000", "--warmup-timesteps", "400", "--buffer-timesteps", "4000"),
        *("--row-length", "20", "--replay-ratio", "8", "--batch-rows", "1"),
    ),
    "ppo-asym": (
        *("--total-timesteps", "8000", "--steps-per-iteration", "20"),
        *("--epochs", "8", "--minibatches", "2"),
    ),
    "a2d": (
        *("--total-timesteps", "16000", "--steps-per-iteration", "20", "--history", "gru"),
        *("--row-length", "5", "--buffer-timesteps", "400", "--batch-rows", "8"),
        *("--value-epochs", "2", "--value-minibatches", "2"),
    ),
}


@dataclasses.dataclass
class Run:
    """The run in a folder of its own, over as many processes as it takes."""

    cwd: pathlib.Path
    algo: str = "adqn"

    @property
    def folder(self) -> pathlib.Path:
        """Where it leaves its results."""
        return self.cwd / "runs" / "heavenhell-1" / self.algo / "default"

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Begin, or go on with what is there."""
        words = (*WORDS, "--algo", self.algo, *OF_ALGORITHMS[self.algo])
        resume = ["--resume"] if (self.folder / "config.json").exists() else []
        return subprocess.Popen(
            [sys.executable, str(ROOT / "experiments" / "run.py"), *words, *resume],
            cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | environment,
        )  # fmt: skip

    def is_at_work(self, process: subprocess.Popen[str]) -> bool:
        """Whether this process holds the folder: its handlers of signals are set up."""
        try:
            holder: int = json.loads((self.folder / lock.NAME).read_text())["pid"]
        except (OSError, ValueError):  # not there, or not yet written
            return False
        return holder == process.pid

    def kill(self, process: subprocess.Popen[str], number: signal.Signals) -> int:
        """Send a signal; check what the process says and leaves, and return its exit code."""
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        expected = {0, -number} if number == signal.SIGKILL else {0, -number, 128 + number}
        assert process.returncode in expected, (process.returncode, err)
        newest = Checkpoints(self.folder / "checkpoints", SEEDS).newest()
        assert newest is None or newest.damaged == (), "a kill never damages a checkpoint"
        return process.returncode

    def finish(self) -> None:
        """Let it run to its end."""
        process = self.start()
        _, err = process.communicate(timeout=900)
        assert process.returncode == 0, err

    def results(self) -> dict[str, Any]:
        """Read metrics without the clock's columns, policies, and the final state."""
        checkpoints = Checkpoints(self.folder / "checkpoints", SEEDS)
        newest = checkpoints.newest()
        assert newest is not None
        states = ocp.PyTreeCheckpointer().restore(
            checkpoints.folder / str(newest.iterations) / "states"
        )
        return {
            "rows": rows_of(self.folder),
            "policies": files_of(self.folder / "policy"),
            "iterations": newest.iterations,
            "states": [(x.dtype, x.tobytes()) for x in map(np.asarray, jax.tree.leaves(states))],
        }


def wait_until(process: subprocess.Popen[str], moment: Callable[[], bool]) -> None:
    """Wait for a moment in a process's life, which must not end before."""
    deadline = time.monotonic() + 600
    while not moment():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
