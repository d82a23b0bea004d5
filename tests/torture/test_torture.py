"""A run killed at random moments, at least a hundred times, ends as one that was left alone.

Not in the default suite: `make torture`.
"""

import pathlib
import random
import signal
import time

import pytest

from kills import OF_ALGORITHMS, Run

KILLS = 52  # per family
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("algo", OF_ALGORITHMS)
def test_torture(algo: str, tmp_path: pathlib.Path) -> None:
    """Kill, resume, and compare every byte; anew as soon as a run is done."""
    whole = Run(tmp_path / "whole", algo)
    whole.cwd.mkdir()
    whole.finish()  # compiles
    expected = whole.results()
    begin = time.monotonic()
    timed = Run(tmp_path / "timed", algo)
    timed.cwd.mkdir()
    timed.finish()
    seconds = time.monotonic() - begin
    print(f"\n{algo}: a run takes {seconds:.1f} s")

    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)
    kills, runs, codes = 0, 0, {}
    while kills < KILLS:
        runs += 1
        run = Run(tmp_path / f"run-{runs}", algo)
        run.cwd.mkdir()
        done = False
        while not done and kills < KILLS:
            process = run.start()
            time.sleep(draw.uniform(0.0, seconds))
            # Before run.py has imported anything, Python itself answers Ctrl-C with a traceback.
            number = draw.choice(SIGNALS if run.is_at_work(process) else SIGNALS[:-1])
            code = run.kill(process, number)
            done = code == 0
            if not done:
                codes[code] = codes.get(code, 0) + 1
                kills += 1
        if not done:
            run.finish()
        assert run.results() == expected, f"{algo}, seed {seed}, run {runs}"
    print(f"{algo}: {kills} kills of {runs} runs, exit codes {codes}, seed {seed}")
