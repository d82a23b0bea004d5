"""The main job on machines that lack what others have: it trains, and tells the truth."""

import os
import pathlib
import subprocess
import sys

import pytest

import run
from runs import ROOT, WORDS, call

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


def test_one_seed_has_no_error() -> None:
    """A mean of one has no standard error, and none is made up."""
    ended = call(run.main, *QUICK, "--seeds", "1")
    assert ended.code == 0, ended.err
    assert "last return" in ended.out
    assert "+-" not in ended.out
    assert "nan" not in ended.out
