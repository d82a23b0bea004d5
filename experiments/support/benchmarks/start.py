"""How long a user waits for the first progress of a run: a cold start, and one more."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

_RUN = pathlib.Path(__file__).parents[2] / "run.py"
_PROGRESS = "return "  # in the progress bar after the first chunk of training


def seconds_to_progress(words: list[str]) -> dict[str, float]:
    """Start run.py twice, without a compilation cache and with the one that the first has left.

    Args:
      words: after `run.py`; where the results go is added.

    Returns:
      Seconds from the start of the process until its progress bar first shows trained timesteps.

    Raises:
      ValueError: when a run ends before.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}
        return {
            name: _seconds([*words, "--out", f"{folder}/{name}"], environment)
            for name in ("cold", "cached")
        }


def _seconds(words: list[str], environment: dict[str, str]) -> float:
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
    seen = ""
    try:
        while _PROGRESS not in seen:
            seen += os.read(reader, 4096).decode(errors="replace")
        return time.perf_counter() - begin
    except OSError as error:  # the terminal is closed: the run has ended
        last = seen.strip().splitlines()[-1] if seen.strip() else "no message"
        raise ValueError(f"run.py {' '.join(words)} ended before it trained: {last}") from error
    finally:
        process.kill()
        process.wait()
        os.close(reader)
