"""One run at a time in a folder: a file that names the process at work there."""

import contextlib
import json
import os
import pathlib
import socket
import threading
import time
from typing import Any

NAME = "lock.json"
_TOUCH_SECONDS = 30
_STALE_SECONDS = 180  # for processes that cannot be looked at


class Lock:
    """Holds a folder from `take` to `release`.

    A lock is stale, and taken over, when its process is gone: on this host one can look; a process
    of another host (or of another container) touches its lock twice a minute.
    """

    def __init__(self, folder: pathlib.Path):
        """Take the lock.

        Raises:
          ValueError: when another run holds it.
        """
        self._path = folder / NAME
        self._mine = json.dumps(_process(os.getpid()))
        self._released = threading.Event()
        try:
            self._create()
        except FileExistsError:
            self._refuse_held()
            self._path.unlink(missing_ok=True)
            self._create()
        threading.Thread(target=self._touch, daemon=True).start()

    def release(self) -> None:
        """Give the folder back."""
        self._released.set()
        with contextlib.suppress(OSError):
            if self._is_mine():
                self._path.unlink()

    def renew(self) -> bool:
        """Take the lock again where it has vanished, with its folder; say whether it had.

        Raises:
          OSError: when it cannot be taken, or another run holds it by now.
        """
        if self._is_mine():
            return False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._create()
        except FileExistsError as error:
            raise OSError(f"another run is at work in {self._path.parent} by now") from error
        return True

    def _is_mine(self) -> bool:
        try:
            return self._path.read_text() == self._mine
        except OSError:
            return False

    def _create(self) -> None:
        with self._path.open("x") as file:
            file.write(self._mine)

    def _touch(self) -> None:
        while not self._released.wait(_TOUCH_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def _refuse_held(self) -> None:
        try:
            age = time.time() - self._path.stat().st_mtime
            holder = json.loads(self._path.read_text())
            pid, host = holder["pid"], holder["host"]
        except FileNotFoundError:
            return  # released in between
        except (ValueError, KeyError, TypeError):
            pid, host = "?", "?"  # it is being written, or was cut off
        here = host == socket.gethostname()
        if _process(pid) == holder if here else age <= _STALE_SECONDS:
            raise ValueError(
                f"another run is at work in {self._path.parent} (process {pid} on {host}): wait "
                f"until it ends, or give another --name"
            )


def _process(pid: int) -> dict[str, Any]:
    """Say which process has a number; None for a start that cannot be known, as it is gone."""
    return {"pid": pid, "host": socket.gethostname(), "started": _started(pid)}


def _started(pid: int) -> str | None:
    """Return when a process of this host started, after the last boot; None when it is gone."""
    stat = pathlib.Path("/proc") / str(pid) / "stat"
    try:
        # From the 3rd field on: the 2nd, the command's name, may hold anything.
        fields = stat.read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        return None if pathlib.Path("/proc/self/stat").exists() else _alive(pid)


def _alive(pid: int) -> str | None:
    """Tell whether a process is there, where there is no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"
