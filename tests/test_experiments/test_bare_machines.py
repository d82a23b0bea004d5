"""The main job on machines that lack what others have: it trains, and tells the truth."""

import errno
import io
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TextIO

import pytest

import run
from adqn_jax.runs.attempts import Attempts
from runs import ROOT, WORDS, call
from support import cli

SCRIPT = ROOT / "experiments" / "run.py"
FOLDER = pathlib.Path("runs", "heavenhell-1", "adqn", "default")
QUICK = (*WORDS, "--history", "none", "--name", "default")  # to compile

#: Takes away what a slim container, a service account or another operating system may lack.
BARE = f"""
import os, runpy, sys
for name in ("sched_getaffinity", "posix_fallocate"):
    delattr(os, name)
answer = os.sysconf  # Python itself asks it for other things
def sysconf(name):
    if name == "SC_PHYS_PAGES":
        raise ValueError("unrecognized configuration name")
    return answer(name)
os.sysconf = sysconf
import pathlib
def home(*_):
    raise RuntimeError("Could not determine home directory.")
pathlib.Path.home = home
sys.argv = [{str(SCRIPT)!r}, *sys.argv[1:]]
sys.path.insert(0, {str(SCRIPT.parent)!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""

pytestmark = pytest.mark.usefixtures("own_folder")


def test_without_git_home_cores_and_memory() -> None:
    """No commands, no home, a cache that cannot be written, no way to ask for cores or memory."""
    pathlib.Path("locked").mkdir(mode=0o500)
    lacking = {"HOME", "JAX_COMPILATION_CACHE_DIR", "PATH"}
    environment = {name: value for name, value in os.environ.items() if name not in lacking}
    environment |= {"PATH": "/nowhere", "XDG_CACHE_HOME": "locked/cache"}
    done = subprocess.run(
        [sys.executable, "-c", BARE, *QUICK], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (FOLDER / "curve.png").exists()


@pytest.mark.parametrize(
    "shell",
    [
        "{run} | head -1",  # the reader goes while the run goes on
        "{run} >&- 2>&-",  # streams that were closed from the start
    ],
)
def test_streams(shell: str) -> None:
    """What cannot be told is no reason to fail: all is trained and saved, with exit code 0."""
    command = shell.format(run=f"{sys.executable} {SCRIPT} {' '.join(QUICK)}")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Broken pipe" not in done.stderr
    assert (FOLDER / "curve.png").exists()


#: Ends as it is told to, after it has said something.
ENDING = f"""
import sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
from support import cli
from adqn_jax.runs.ending import StopError
def main():
    print("told")
    raise eval(sys.argv[1])
cli.run(main)
"""


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("ending", "code"), [("StopError(74, 'why')", 74), ("KeyError()", 1)])
def test_a_log_on_a_full_disk(ending: str, code: int) -> None:
    """A process ends with the code that was meant, and not with Python's for such a stream."""
    with pathlib.Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", ENDING, ending]
        assert subprocess.run(command, stdout=full, stderr=full, check=False).returncode == code


def full() -> int:
    """Open a file on a disk without room."""
    return os.open("/dev/full", os.O_WRONLY)


def unread() -> int:
    """Open a pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def hung_up() -> int:
    """Open a terminal whose window is closed."""
    window, terminal = os.openpty()
    os.close(window)
    return terminal


def opened(number: int, *, buffered: bool) -> TextIO:
    """Make a stream as Python makes stdout, without and with its flag -u."""
    file: Any = os.fdopen(number, "wb", -1 if buffered else 0)
    return io.TextIOWrapper(file, write_through=not buffered)


def fails() -> None:
    """Find no room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("gone", [full, unread, hung_up])
def test_what_cannot_be_told(
    gone: Callable[[], int], buffered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is dropped: attempts go on, the code stays, and nothing is left for Python's end."""
    streams = [opened(gone(), buffered=buffered) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    attempts = Attempts()

    def main() -> None:
        print("much " * 10_000)
        for _ in range(2):
            assert not attempts.attempt("a file", fails)
        attempts.check()

    with pytest.raises(SystemExit) as ended:
        cli.run(main)
    assert ended.value.code == 74
    for outlet, stream in zip((sys.stdout, sys.stderr), streams, strict=True):
        outlet.flush()  # as Python does at its end
        stream.close()


def test_a_file_cannot_be_written_nor_that_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a command around it, too, an attempt that fails is no more than that."""
    with opened(full(), buffered=False) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert not Attempts().attempt("a file", fails)


def test_what_can_be_told_later_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log goes on once there is room again; what was dropped before does not come back."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    room = os.write(writer, bytes(10**7))
    monkeypatch.setattr(sys, "stdout", opened(writer, buffered=True))
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    def main() -> None:
        print("before", flush=True)
        assert os.read(reader, room) == bytes(room)
        print("after", flush=True)

    cli.run(main)
    assert os.read(reader, room) == b"after\n"
    os.close(reader)
    sys.stdout.close()


def test_one_seed_has_no_error() -> None:
    """A mean of one has no standard error, and none is made up."""
    ended = call(run.main, *QUICK, "--seeds", "1")
    assert ended.code == 0, ended.err
    assert "last return" in ended.out
    assert "+-" not in ended.out
    assert "nan" not in ended.out
