"""A run killed at random moments, at least a hundred times, ends as one that was left alone.

Not in the default suite: `make torture`.
"""

import pathlib
import random
import signal
import time

import pytest

from kills import Run

WORKERS = 2
KILLS = 52  # per worker
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("worker", range(WORKERS))
def test_torture(worker: int, tmp_path: pathlib.Path) -> None:
    """Kill, resume, and compare every byte; anew as soon as a run is done."""
    whole = Run(tmp_path / "whole")
    whole.cwd.mkdir()
    whole.finish()  # compiles
    expected = whole.results()
    begin = time.monotonic()
    Run(tmp_path / "timed").cwd.mkdir()
    Run(tmp_path / "timed").finish()
    seconds = time.monotonic() - begin
    print(f"\nworker {worker}: a run takes {seconds:.1f} s")

    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)
    kills, runs, codes = 0, 0, {}
    while kills < KILLS:
        runs += 1
        run = Run(tmp_path / f"run-{runs}")
        run.cwd.mkdir()
        done = False
        while not done and kills < KILLS:
            process = run.start()
            time.sleep(draw.uniform(0.3, seconds))
            if process.poll() is None:
                code = run.kill(process, draw.choice(SIGNALS))
                codes[code] = codes.get(code, 0) + 1
                kills += 1
            done = process.returncode == 0
            assert process.returncode in (0, -9, -15, -2, 143, 130), process.communicate()
        if not done:
            run.finish()
        assert run.results() == expected, f"worker {worker}, seed {seed}, run {runs}"
    print(f"worker {worker}: {kills} kills of {runs} runs, exit codes {codes}, seed {seed}")
