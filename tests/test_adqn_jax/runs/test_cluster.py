"""Processes of one run: what they tell each other, and how they end when one of them does."""

import pathlib
import signal

import pytest

from adqn_jax.runs import cluster
from adqn_jax.runs.ending import LOST
from peers import Peers
from runs import ROOT


def test_one_process_answers_itself() -> None:
    """Without others there is nobody to ask, and nothing is copied."""
    message = {"any": object()}
    assert cluster.gather(message) == [message]
    assert cluster.from_first(lambda: message) is message
    assert cluster.join(message) is message
    assert (cluster.count(), cluster.index(), cluster.is_first()) == (1, 0, True)
    assert cluster.by("SIGTERM received", 0) == "SIGTERM received"


@pytest.mark.parametrize(
    ("how", "codes", "sentence"),
    [
        ("leave", {0: 74, 1: 74}, "the disk of process 1 is full"),
        ("vanish", {0: LOST, 1: -signal.SIGKILL}, "process 1 of 2 is gone"),
        ("vanish-first", {0: -signal.SIGKILL, 1: LOST}, "process 0 of 2 is gone"),
    ],
)
def test_two_processes(
    how: str, codes: dict[int, int], sentence: str, tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """They hear each other; then one ends, and the other says why it ends, too."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "experiments"))
    ended = Peers.start(ROOT / "tests" / "outside" / "talk.py", [how], 2, tmp_path).wait(60)
    assert {i: code for i, (code, *_) in enumerate(ended)} == codes, ended
    assert ended[0][1] == '{"said by": 0}\n'
    assert ended[1][1] == "", "only process 0 speaks"
    for code, _, err in ended:
        if code > 0:
            *_, last = err.strip().splitlines()
            assert sentence in last
            assert "Traceback" not in err
