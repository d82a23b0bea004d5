"""Several processes of one run, on this machine."""

import dataclasses
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])


@dataclasses.dataclass
class Peers:
    """Processes that were started with the same words, each of which has one device."""

    processes: list[subprocess.Popen[str]]

    @classmethod
    def start(
        cls, script: pathlib.Path, words: Sequence[str], count: int, cwd: pathlib.Path
    ) -> "Peers":
        """Start so many processes of a script, and tell each which it is."""
        devices = "--xla_force_host_platform_device_count"
        flags = re.sub(rf"{devices}=\d+", f"{devices}=1", os.environ["XLA_FLAGS"])
        together = ["--distributed", "--coordinator", f"localhost:{free_port()}"]
        together += ["--processes", str(count), "--process"]
        return cls([
            subprocess.Popen(
                [sys.executable, str(script), *words, *together, str(i)],
                cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=os.environ | {"XLA_FLAGS": flags},
            )
            for i in range(count)
        ])  # fmt: skip

    def kill(self, process: int, number: signal.Signals) -> None:
        """Send one of them a signal."""
        self.processes[process].send_signal(number)

    def wait(self, seconds: float = 1800) -> list[tuple[int, str, str]]:
        """Wait for all; return of each its exit code, and what it has said, also on stderr."""
        said = [process.communicate(timeout=seconds) for process in self.processes]
        codes = [process.returncode for process in self.processes]
        return [(code, *words) for code, words in zip(codes, said, strict=True)]
