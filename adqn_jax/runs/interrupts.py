"""What ends a run before its time, and the exit codes that say so.

    0         done
    1         all seeds have failed: their numbers are not finite; what there is was written
    2         bad input; nothing was changed
    70        an environment that the host steps has failed; --resume goes on (EX_SOFTWARE)
    74        results could not be written (EX_IOERR)
    75        --timeout reached; --resume goes on (EX_TEMPFAIL)
    129, 130, 143  interrupted by SIGHUP, SIGINT, SIGTERM; --resume goes on (128 + signal)

A second SIGINT ends the process at once, by the signal itself.
"""

import contextlib
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

ALL_FAILED = 1
ENVIRONMENT_FAILED = 70
CANNOT_WRITE = 74
TIMEOUT = 75


class StopError(Exception):
    """Ends a script with a sentence on stderr and an exit code."""

    def __init__(self, code: int, sentence: str):
        """Keep both."""
        super().__init__(sentence)
        self.code = code


def reason(error: OSError) -> str:
    """Say why a file could not be read or written."""
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename else why


def _signals() -> list[signal.Signals]:
    """Return the signals that ask a run to stop; a hang-up unless it is ignored, as by nohup."""
    asked = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        asked.append(signal.SIGHUP)
    return asked


class Interrupts:
    """Notes SIGINT, SIGTERM and SIGHUP, instead of ending at once; asked between compiled programs.

    It does so within `with`, any number of times; what was noted stays.

    Python sees a signal only when a compiled program, or the compiler, has returned.
    """

    def __init__(self, timeout_minutes: float, option: str = "--timeout"):
        """Start the clock; `option` is where the user has set it."""
        self._option = option
        self._deadline = time.monotonic() + timeout_minutes * 60
        self._signal: signal.Signals | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        """Note signals from now on."""
        if threading.current_thread() is threading.main_thread():  # others get no signals
            for number in _signals():
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave them to whom they went before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # print() may be interrupted by this very handler, and must not be entered twice.
        with contextlib.suppress(OSError):  # nobody may be there to read it
            os.write(2, b"\nstopping as soon as all is saved; Ctrl-C leaves at once\n")

    @property
    def stop(self) -> bool:
        """Whether to stop now."""
        return self._signal is not None or time.monotonic() >= self._deadline

    @property
    def code(self) -> int:
        """The exit code of stopping now."""
        return TIMEOUT if self._signal is None else 128 + self._signal

    @property
    def reason(self) -> str:
        """Why to stop now."""
        return (
            f"{self._option} reached" if self._signal is None else f"{self._signal.name} received"
        )
