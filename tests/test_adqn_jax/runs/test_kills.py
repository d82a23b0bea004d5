"""Three kills and a half of a run: `make torture` does it a hundred times."""

import pathlib
import signal

import pytest

from adqn_jax.runs import lock
from kills import OF_ALGORITHMS, Run, wait_until


@pytest.mark.parametrize("algo", OF_ALGORITHMS)
def test_killed_run_ends_as_one_that_was_not(algo: str, tmp_path: pathlib.Path) -> None:
    """Killed while compiling and while training, in several ways, and resumed each time."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, run = Run(tmp_path / "whole", algo), Run(tmp_path / "killed", algo)
    whole.finish()

    def steps() -> set[str]:
        return {path.name for path in run.folder.glob("checkpoints/[0-9]*")}

    process = run.start(JAX_ENABLE_COMPILATION_CACHE="false")  # so that it takes long enough
    wait_until(process, (run.folder / lock.NAME).exists)
    assert run.kill(process, signal.SIGKILL) == -signal.SIGKILL
    assert steps() == set(), "killed while compiling"

    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        before = steps()
        process = run.start()
        wait_until(process, lambda before=before: bool(steps() - before))
        assert run.kill(process, number) == code
        assert (run.folder / lock.NAME).exists() == (number == signal.SIGKILL)

    before = steps()
    process = run.start()
    wait_until(process, lambda: bool(steps() - before))
    process.send_signal(signal.SIGSTOP)  # so that it gets both at once
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    code = run.kill(process, signal.SIGINT)
    assert code in (-signal.SIGINT, 130), "the second SIGINT may come too late to be needed"

    run.finish()
    assert run.results() == whole.results()
