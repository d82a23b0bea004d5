"""A run of each family, killed in ways of its own: `make torture` does it a hundred times."""

import pathlib
import signal
import subprocess
from collections.abc import Callable

import pytest

from adqn_jax.runs import lock
from kills import Run, wait_until


def steps(run: Run) -> set[str]:
    """Name the checkpoints that there are."""
    return {path.name for path in run.folder.glob("checkpoints/[0-9]*")}


def until_saved(run: Run) -> subprocess.Popen[str]:
    """Begin or go on, to the next checkpoint."""
    before = steps(run)
    process = run.start()
    wait_until(process, lambda: bool(steps(run) - before))
    return process


def killed(run: Run) -> None:
    """SIGKILL while training: the lock stays."""
    assert run.kill(until_saved(run), signal.SIGKILL) == -signal.SIGKILL
    assert (run.folder / lock.NAME).exists()


def interrupted(run: Run) -> None:
    """Two SIGINTs at once; the second may come too late to be needed."""
    process = until_saved(run)
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    assert run.kill(process, signal.SIGINT) in (-signal.SIGINT, 130)


@pytest.mark.parametrize(("algo", "end"), [("adqn", interrupted), ("ppo-asym", killed)])
def test_ended_run_ends_as_one_that_was_not(
    algo: str, end: Callable[[Run], None], tmp_path: pathlib.Path
) -> None:
    """It is resumed, and leaves the same."""
    whole, run = (Run(tmp_path / name, algo) for name in ("whole", "ended"))
    for each in (whole, run):
        each.cwd.mkdir()
    whole.finish()
    end(run)
    run.finish()
    assert run.results() == whole.results()
