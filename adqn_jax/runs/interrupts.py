"""Signals and time limits, noted as they come, and obeyed when all is saved."""

import contextlib
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from adqn_jax.runs import cluster
from adqn_jax.runs.ending import TIMEOUT


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
        self._why: tuple[int, str] | None = None  # once it was noticed

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
        """Whether to stop now: as soon as any process of the run has been asked to."""
        own = self._own if self._signal or time.monotonic() >= self._deadline else None
        for process, asked in enumerate(cluster.gather(own)):
            if asked and not self._why:
                self._why = asked[0], cluster.by(asked[1], process)
        return self._why is not None

    @property
    def code(self) -> int:
        """The exit code of stopping now."""
        return (self._why or self._own)[0]

    @property
    def reason(self) -> str:
        """Why to stop now."""
        return (self._why or self._own)[1]

    @property
    def _own(self) -> tuple[int, str]:
        if self._signal is None:
            return TIMEOUT, f"{self._option} reached"
        return 128 + self._signal, f"{self._signal.name} received"
