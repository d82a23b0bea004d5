"""What every command does at its edges: devices, compilation cache, and bad input.

Importing it sets nothing up. A command calls `set_up` before it imports what makes JAX look for
devices, as gymnax does; and `run` to end with an exit code and at most one sentence.
"""

import contextlib
import ctypes
import gc
import io
import os
import pathlib
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, TextIO

try:
    import tyro
except ModuleNotFoundError:
    sys.stderr.write("error: the package tyro is not installed: pip install -e '.[experiments]'\n")
    sys.exit(2)

#: An argument that is given without its name.
Positional = tyro.conf.Positional
_EXPERIMENTS = pathlib.Path(__file__).parents[1]


def set_up(join: Callable[[], None] = lambda: None) -> None:
    """Set JAX up for a command: devices, compilation cache, tracebacks; and Ctrl-C.

    Args:
      join: what is left to do before JAX looks for devices; bad input ends it as it ends `run`.
    """
    _need_no_readers()
    # As long as there is nothing to save, Ctrl-C ends a script without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Imports and traces make objects by the million, to keep: there is little garbage to look for.
    gc.set_threshold(100_000)
    import jax  # takes a second

    _use_every_core()
    _cache_compilations()
    jax.config.update("jax_traceback_filtering", "off")  # so that one sees who raised an error
    try:
        join()
    except ValueError as error:
        if not _is_ours(error):
            raise
        _end(str(error))


def run(main: Callable[[], None]) -> None:
    """Run a script; bad input ends it with one sentence on stderr and exit code 2."""
    from adqn_jax.runs import cluster
    from adqn_jax.runs.ending import StopError, reason

    _need_no_readers()
    if not cluster.is_first():
        on_abort(lambda: cluster.lose(0))
    with cluster.membership():
        try:
            main()
        except StopError as stop:
            print(f"{stop}", file=sys.stderr)
            sys.exit(stop.code)
        except OSError as error:
            _end(reason(error))
        except OverflowError as error:
            _end(f"a number is too large ({error})")
        except ValueError as error:
            if not _is_ours(error):
                raise
            _end(str(error))


def on_abort(act: Callable[[], Any] | None) -> None:
    """Do something when this process aborts, as JAX makes it when process 0 is gone; or no more.

    JAX cannot be told to do otherwise, and Python's own handlers of signals would come too late.
    """
    global _at_abort
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
    _at_abort = handler(int(signal.SIG_DFL)) if act is None else handler(lambda _: act())
    ctypes.CDLL(None).signal(ctypes.c_int(signal.SIGABRT), _at_abort)


_at_abort: Any = None  # must live as long as it may be called


def parse(target: Any, **settings: Any) -> Any:
    """Read the command line with tyro, whose complaints become one sentence.

    Args:
      target: what `tyro.cli` takes, or a function by name of each subcommand.
      settings: passed on to tyro.

    Raises:
      ValueError: when the words do not fit.
    """
    read = tyro.extras.subcommand_cli_from_dict if isinstance(target, dict) else tyro.cli
    boxed = io.StringIO()
    try:
        with contextlib.redirect_stderr(boxed):
            result = read(target, **settings)
    except SystemExit as end:
        if end.code != 2:
            raise
        raise ValueError(_sentence(boxed.getvalue())) from None
    sys.stderr.write(boxed.getvalue())
    return result


def check_seed(seed: int, name: str = "seed") -> None:
    """Refuse what JAX makes no random key of.

    Args:
      seed: root of random keys.
      name: what the user knows it as.

    Raises:
      ValueError: when it is negative, or of more than 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"{name} must be from 0 to 2^32 - 1, got {seed}")


def _sentence(box: str) -> str:
    """Take the words out of the frame that tyro draws, in ASCII or not: complaint; hint."""
    plain = re.sub("\x1b\\[[0-9;]*m", "", box)
    lines = [line.strip("│| ") for line in plain.splitlines()[1:-1]]
    parts = [part.strip(" .") for part in re.split("(?:─|-){3,}", " ".join(lines))]
    return "; ".join([part for part in parts if part][:2])


class _Outlet:
    """A stream that nobody needs to read: what cannot be written is dropped.

    Its reader or its terminal has gone, or its disk is full; what can be written later is written.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what somebody may read."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Send what was written."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        """Empty the buffer: what stays there would fail once more, at the latest as Python ends."""
        number = self._stream.fileno()
        kept, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, number)
            self._stream.flush()
        finally:
            os.dup2(kept, number)
            os.close(kept)
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _need_no_readers() -> None:
    """Let `| head` end, a log fill its disk, or a stream be closed: no error of a script.

    It holds to the end of the process, which flushes both streams once more.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or io.StringIO()  # none: it was closed from the start
        if not isinstance(stream, _Outlet):
            setattr(sys, name, _Outlet(stream))


def _end(sentence: str) -> None:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _is_ours(error: ValueError) -> bool:
    """Whether our own code raised it, as a sentence to the user, and no library by accident."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    package = frame.f_globals["__name__"].partition(".")[0]
    file = pathlib.Path(frame.f_code.co_filename)
    return package == "adqn_jax" or _EXPERIMENTS in file.parents


def _use_every_core() -> None:
    """Make every core a device, unless XLA_FLAGS says otherwise.

    Seeds shared out among as many single-core programs run faster than one program that leaves
    its small products to XLA's threads.
    """
    import jax

    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", cores())
        # A single core's device queues programs, unless the threads that call them run them: who
        # acts would wait for who learns.
        jax.config.update("jax_cpu_enable_async_dispatch", cores() > 1)


def cores() -> int:
    """Return how many cores this process may use, or, where nobody knows, how many there are."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS or Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cache_compilations() -> None:
    """Keep compiled programs between runs, unless JAX is told where or whether to.

    Without a home, or one that can be written to, every run compiles anew.
    """
    import jax

    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    with contextlib.suppress(OSError, RuntimeError):  # the latter: nobody knows where home is
        caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        cache = pathlib.Path(caches) / "adqn_jax"
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(cache))
