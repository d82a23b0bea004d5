"""One run at a time in a folder: a lock of the system, and a note that names who holds it."""

import contextlib
import errno
import json
import os
import pathlib
import socket
import threading
import time
from typing import Any

import filelock

NAME = "lock.json"
_GUARD = "run.lock"
#: The note, and the file that is locked: what a held folder has beside the files of a run.
NAMES = (NAME, _GUARD)
_WAIT_SECONDS = 0.2  # for one that is just letting go
_TOUCH_SECONDS = 30
_STALE_SECONDS = 180
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what such a disk answers


class Lock:
    """Holds a folder until `release`.

    The system frees the lock of a process that is gone, however it went. Some network disks have no
    locks, or do not tell other hosts of them: there the note counts, too, as long as it is touched,
    which its holder does twice a minute. Should two take over such a note at once, `renew` tells.
    """

    def __init__(self, folder: pathlib.Path):
        """Take the lock.

        Raises:
          ValueError: when another run holds it.
        """
        self._path, self._guard = folder / NAME, folder / _GUARD
        mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        self.note = json.dumps(mine)
        self._lock = filelock.FileLock(self._guard, thread_local=False, fallback_to_soft=False)
        self._released = threading.Event()
        self._take()
        threading.Thread(target=self._touch, daemon=True).start()

    def release(self) -> None:
        """Give the folder back."""
        self._released.set()
        if self.is_mine:
            # Before the lock is free: filelock refuses a lock on a file that was deleted meanwhile.
            for path in (self._path, self._guard):
                with contextlib.suppress(OSError):
                    path.unlink()
        self._lock.release()

    def renew(self) -> bool:
        """Take the lock again where it has vanished, with its folder; say whether it had.

        Raises:
          OSError: when it cannot be taken, or another run holds it by now.
        """
        if self.is_mine:
            return False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.release()  # on a file that has vanished
        try:
            self._take()
        except ValueError as error:
            raise OSError(f"another run is at work in {self._path.parent} by now") from error
        return True

    @property
    def is_mine(self) -> bool:
        """Whether the folder is there, with our note in it."""
        try:
            return self._path.read_text() == self.note
        except OSError:
            return False

    def _take(self) -> None:
        created = not self._guard.exists()
        try:
            self._lock.acquire(timeout=_WAIT_SECONDS)
        except filelock.Timeout:
            raise self._refusal() from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        if self._is_held_unseen():
            refusal = self._refusal()
            if created:  # otherwise it is the holder's, on whose host others would take another
                self._guard.unlink(missing_ok=True)
            self._lock.release()
            raise refusal
        begun = False
        try:
            self._path.unlink(missing_ok=True)
            with self._path.open("x") as file:
                begun = True
                file.write(self.note)
        except BaseException:
            if begun:  # what a full disk has left would look like somebody else's
                self._path.unlink(missing_ok=True)
            if self._lock.is_locked:
                self._guard.unlink(missing_ok=True)
            self._lock.release()
            raise

    def _is_held_unseen(self) -> bool:
        """Whether the note is of a process that the lock would not show, and that may be there."""
        try:
            age = time.time() - self._path.stat().st_mtime
        except FileNotFoundError:
            return False
        seen = self._lock.is_locked and self._holder()[1] == socket.gethostname()
        return not seen and age <= _STALE_SECONDS

    def _holder(self) -> tuple[Any, Any]:
        try:
            note = json.loads(self._path.read_text())
            return note["pid"], note["host"]
        except (OSError, ValueError, KeyError, TypeError):
            return "?", "?"  # it is being written, or was cut off

    def _refusal(self) -> ValueError:
        pid, host = self._holder()
        return ValueError(
            f"another run is at work in {self._path.parent} (process {pid} on {host}): wait "
            f"until it ends, or give another --name"
        )

    def _touch(self) -> None:
        while not self._released.wait(_TOUCH_SECONDS):
            if self.is_mine:
                with contextlib.suppress(OSError):
                    os.utime(self._path)


def shows(folder: pathlib.Path, note: str, seconds: float) -> bool:
    """Whether a folder shows a holder's note by so many seconds from now."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if (folder / NAME).read_text() == note:
                return True
        time.sleep(0.1)
    return False
