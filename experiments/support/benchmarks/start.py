"""How long a user waits for the first progress of a run: a cold start, and one more."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

_RUN = pathlib.Path(__file__).parents[2] / "run.py"
#: What run.py shows, in this order, and what it has done by then.
_MARKS = {
    "introduced": " seeds on ",  # imported, read the command, made the environment
    "compiled": "compiled in ",  # traced and compiled what begins and what trains
    "begun": "%|",  # the progress bar: drawn parameters, warmed up
    "progress": "return ",  # in that bar: trained the first chunk
}


def seconds_to_progress(words: list[str]) -> dict[str, dict[str, float]]:
    """Start run.py twice, without a compilation cache and with the one that the first has left.

    Args:
      words: after `run.py`; where the results go is added.

    Returns:
      For `cold` and `cached`, seconds from the start of the process until it shows each of
      `introduced`, `compiled`, `begun` and `progress`: the first trained timesteps.

    Raises:
      ValueError: when a run ends before.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}
        return {
            name: _seconds([*words, "--out", f"{folder}/{name}"], environment)
            for name in ("cold", "cached")
        }


def _seconds(words: list[str], environment: dict[str, str]) -> dict[str, float]:
    try:  # where there are such terminals: not on Windows
        import pty
        import termios
    except ImportError as error:
        raise ValueError(f"starts are measured at a terminal of Unix: {error}") from error
    reader, terminal = pty.openpty()  # a progress bar wants a terminal, and room in it
    termios.tcsetwinsize(terminal, (24, 160))
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(_RUN), *words], env=environment, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    seconds: dict[str, float] = {}
    seen = ""
    try:
        while len(seconds) < len(_MARKS):
            seen += os.read(reader, 4096).decode(errors="replace")
            shown = [name for name, mark in _MARKS.items() if mark in seen]
            seconds |= dict.fromkeys(shown[len(seconds) :], time.perf_counter() - begin)
        return seconds
    except OSError as error:  # the terminal is closed: the run has ended
        last = seen.strip().splitlines()[-1] if seen.strip() else "no message"
        raise ValueError(f"run.py {' '.join(words)} ended before it trained: {last}") from error
    finally:
        process.kill()
        process.wait()
        os.close(reader)
