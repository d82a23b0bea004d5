"""accelerator.py, with parts that take moments and a device that is made up."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import accelerator
from runs import call

PARTS, DEVICE = accelerator.parts, accelerator._device  # before others take their places

pytestmark = pytest.mark.usefixtures("own_folder")
RECORD = pathlib.Path("results", "gpu-made-up", "parts.json")
WORDS = ("--to", "results")


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts: two that say a word, and one that starts a child and waits."""
    wait = f"{sys.executable} -c 'import time; time.sleep(600)' & echo child $!; wait"
    parts = {
        "first": accelerator.Part(("echo", "1"), 60.0),
        "second": accelerator.Part(("echo", "2"), 60.0),
        "slow": accelerator.Part(("sh", "-c", wait), 60.0),
    }
    monkeypatch.setattr(accelerator, "parts", lambda folder, seeds: parts)
    monkeypatch.setattr(accelerator, "_device", lambda: "Made Up")


def codes() -> dict[str, int | None]:
    """Return the exit codes on record."""
    found = json.loads(RECORD.read_text())["parts"]
    return {name: part and part["code"] for name, part in found.items()}


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie, which nobody may be there to wait for."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_other_parts_stay_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as device and packages are the same; what no time is left for stays, too."""
    for name in ("first", "second"):
        assert call(accelerator.main, *WORDS, "--only", name).code == 0
    assert codes() == {"first": 0, "second": 0}
    with pytest.raises(ValueError, match="not finished"):  # an exit code of no number
        call(accelerator.main, *WORDS, "--only", "first", "--seconds", "1e-9")
    assert codes() == {"first": 0, "second": 0}
    monkeypatch.setattr(accelerator, "versions", lambda *names: dict.fromkeys(names, "9"))
    assert call(accelerator.main, *WORDS, "--only", "second").code == 0
    assert codes() == {"second": 0}


def test_what_is_no_record_is_written_anew() -> None:
    """A file that was cut off is no reason not to measure."""
    RECORD.parent.mkdir(parents=True)
    for text in ("", "[]", "1", "{}", '{"parts": {'):
        RECORD.write_text(text)
        assert call(accelerator.main, *WORDS, "--only", "first").code == 0
        assert codes() == {"first": 0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_stays_on_the_device(number: signal.Signals) -> None:
    """A part that is interrupted ends with all that it has started."""
    log = RECORD.with_name("slow.log")

    def interrupt() -> None:
        while not (log.exists() and "\nchild " in log.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    ended = call(accelerator.main, *WORDS, "--only", "first", "slow")
    thread.join()
    assert ended.code == 128 + number, ended.err
    assert f"{number.name} received in slow" in ended.err
    assert codes() == {"first": 0, "slow": -signal.SIGKILL}
    assert not is_running(int(log.read_text().split()[-1]))


def test_time_is_up() -> None:
    """A part that takes too long ends with all that it has started."""
    with pytest.raises(ValueError, match="not finished"):
        call(accelerator.main, *WORDS, "--only", "slow", "--seconds", "1")
    assert codes() == {"slow": -signal.SIGKILL}
    assert not is_running(int(RECORD.with_name("slow.log").read_text().split()[-1]))


def test_bad_input() -> None:
    """One sentence, and nothing is made."""
    for words, sentence in (
        (("--only", "speed"), "no part is called speed; known are first, second, slow"),
        (("--seconds", "nan"), "seconds must be greater than 0, got nan"),
        (("--seeds", "0"), "seeds must be at least 1"),
    ):
        done = call(accelerator.main, *WORDS, *words)
        assert (done.code, sentence in done.err) == (2, True), done.err
        assert not pathlib.Path("results").exists()


def test_without_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and nothing is made."""
    monkeypatch.setattr(accelerator, "_device", DEVICE)
    done = call(accelerator.main, *WORDS)
    assert (done.code, "sees a CPU alone" in done.err) == (2, True), done.err
    assert not pathlib.Path("results").exists()


def test_a_run_may_be_there_already() -> None:
    """Whoever measures again measures the run, and no refusal."""
    assert "--overwrite" in PARTS(RECORD.parent, (1,))["run"].words
