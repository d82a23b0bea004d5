"""One run at a time in a folder: who gets the lock, and when it is free again."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from adqn_jax.runs import lock

TAKERS = 4
HOLD = """
import pathlib, sys, time
from adqn_jax.runs import lock
held = lock.Lock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def holder(folder: pathlib.Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a folder."""
    words = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def take(folder: pathlib.Path) -> lock.Lock | None:
    """Try to take a folder's lock."""
    try:
        return lock.Lock(folder)
    except ValueError:
        return None


def write_note(folder: pathlib.Path, content: str, age: float = 0.0) -> None:
    """Leave a note that was touched so many seconds ago."""
    note = folder / lock.NAME
    note.write_text(content)
    os.utime(note, (note.stat().st_mtime - age,) * 2)


def test_a_full_disk_leaves_no_note(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one would keep the folder for three minutes."""
    opens = pathlib.Path.open

    def on_a_full_disk(path: pathlib.Path, mode: str = "r", **how: Any) -> Any:
        file: Any = opens(path, mode, **how)
        if mode == "x":
            file.write = fails
        return file

    def fails(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "open", on_a_full_disk)
        with pytest.raises(OSError, match="No space left"):
            lock.Lock(tmp_path)
    assert not list(tmp_path.iterdir())
    lock.Lock(tmp_path).release()


def test_killed_process_frees_the_lock(tmp_path: pathlib.Path) -> None:
    """As long as a process is there it holds the lock, touched or not; kill -9 frees it at once."""
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        write_note(tmp_path, (tmp_path / lock.NAME).read_text(), age=10_000)
        with pytest.raises(ValueError, match=rf"another run is at work .*process {process.pid} on"):
            lock.Lock(tmp_path)
        process.kill()
        process.wait()
    assert {path.name for path in tmp_path.iterdir()} == set(lock.NAMES), "left by the killed one"
    lock.Lock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_one_of_many_takes_a_stale_lock(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several look at what a killed process left at the same time: exactly one gets it."""
    monkeypatch.setattr(lock, "_WAIT_SECONDS", 0.01)
    with holder(tmp_path):
        pass
    left = {name: (tmp_path / name).read_text() for name in lock.NAMES}
    start = threading.Barrier(TAKERS)

    def contend(_: int) -> lock.Lock | None:
        start.wait()
        return take(tmp_path)

    with ThreadPoolExecutor(TAKERS) as pool:
        for _ in range(100):
            for name, content in left.items():
                (tmp_path / name).write_text(content)
            got = [held for held in pool.map(contend, range(TAKERS)) if held]
            assert len(got) == 1
            got[0].release()
            assert list(tmp_path.iterdir()) == []


def test_one_at_a_time(tmp_path: pathlib.Path) -> None:
    """A lock that is given back, and deleted, while others wait for it goes to one of them."""
    at_work: list[int] = []

    def work(taker: int) -> int:
        turns = 0
        for _ in range(100):
            if held := take(tmp_path):
                at_work.append(taker)
                assert at_work == [taker]
                assert not held.renew()
                assert at_work.pop() == taker
                held.release()
                turns += 1
        return turns

    with ThreadPoolExecutor(TAKERS) as pool:
        assert sum(pool.map(work, range(TAKERS))) >= 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "age", "free"),
    [
        ({}, 0, True),  # of a process of this host, that the lock does not show
        ({"host": "elsewhere"}, 10, False),
        ({"host": "elsewhere"}, 1_000, True),
        (None, 10, False),  # not yet written
        (None, 1_000, True),
    ],
)
def test_notes(
    change: dict[str, Any] | None, age: float, free: bool, tmp_path: pathlib.Path
) -> None:
    """A note of another host counts as long as it is touched, should its lock not be seen here."""
    held = lock.Lock(tmp_path)
    note = json.loads((tmp_path / lock.NAME).read_text())
    held.release()
    left = "" if change is None else json.dumps(note | change)
    write_note(tmp_path, left, age)
    taken = take(tmp_path)
    assert bool(taken) == free
    if taken:
        taken.release()
    assert [path.read_text() for path in tmp_path.iterdir()] == ([] if free else [left])


def test_a_refused_taker_leaves_the_holder_s_files(tmp_path: pathlib.Path) -> None:
    """Where its lock is not seen, the file that another host has locked stays."""
    write_note(tmp_path, json.dumps({"pid": 1, "host": "elsewhere", "since": 0.0}))
    guard = next(name for name in lock.NAMES if name != lock.NAME)
    (tmp_path / guard).write_text("")
    number = (tmp_path / guard).stat().st_ino
    assert take(tmp_path) is None
    assert (tmp_path / guard).stat().st_ino == number


def test_disk_without_locks(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the note alone decides; who loses it is told."""

    def flock(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    first = lock.Lock(tmp_path)
    assert take(tmp_path) is None
    assert not first.renew()
    write_note(tmp_path, (tmp_path / lock.NAME).read_text(), age=1_000)
    second = lock.Lock(tmp_path)
    with pytest.raises(OSError, match=r"another run is at work in .* by now"):
        first.renew()
    first.release()
    assert not second.renew(), "only its own is deleted"
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_renewed_where_it_has_vanished(tmp_path: pathlib.Path) -> None:
    """With its folder, or one file of it; unless another run holds it by now."""
    folder = tmp_path / "run"
    folder.mkdir()
    first = lock.Lock(folder)
    shutil.rmtree(folder)
    assert first.renew()
    assert take(folder) is None
    (folder / lock.NAME).unlink()
    assert first.renew()
    assert not first.renew()
    folder.rename(tmp_path / "away")
    folder.mkdir()
    second = lock.Lock(folder)
    with pytest.raises(OSError, match=r"another run is at work in .* by now"):
        first.renew()
    first.release()
    assert not second.renew(), "only its own is deleted"
    second.release()
    assert list(folder.iterdir()) == []
