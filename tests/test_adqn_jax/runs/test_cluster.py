"""Processes of one run: what they tell each other, and how they end when one of them does."""

import os
import pathlib
import signal
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

from adqn_jax.runs import cluster, launch
from adqn_jax.runs.ending import LOST
from adqn_jax.runs.session import Options
from peers import Peers
from runs import ROOT
from support import distributed


def test_one_process_answers_itself() -> None:
    """Without others there is nobody to ask, and nothing is copied."""
    message = {"any": object()}
    assert cluster.gather(message) == [message]
    assert cluster.from_first(lambda: message) is message
    assert cluster.join(message) is message
    assert (cluster.count(), cluster.index(), cluster.is_first()) == (1, 0, True)
    assert cluster.by("SIGTERM received", 0) == "SIGTERM received"


@pytest.mark.parametrize(
    ("places", "stop", "sentence"),
    [
        (4, 0, "process 1 has places for 4 seeds and process 0 for 2, as their devices decide"),
        (2, 3, "process 1 was given another --stop-when-solved than process 0"),
    ],
)
def test_unlike_processes(
    places: int, stop: int, sentence: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anything is claimed: seeds would be trained twice, or go missing."""
    monkeypatch.setattr(cluster, "gather", lambda own: [own, [own[0], places, stop]])
    runner: Any = types.SimpleNamespace(total_seeds=6, places=2)
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match=sentence), launch.prepare((), runner, Options(folder)):
        pass
    assert not folder.exists()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda: cluster.lose(1), LOST),
        (lambda: distributed._not_met(distributed.Processes()), 2),
    ],
)
def test_last_words_need_no_reader(
    end: Callable[[], None], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that must end does, whether or not it can say why."""
    codes: list[int] = []
    monkeypatch.setattr(cluster, "_last_words", threading.Lock())
    with monkeypatch.context() as patch, open(os.devnull) as unwritable:  # noqa: PTH123
        write, number = os.write, unwritable.fileno()
        patch.setattr(os, "write", lambda _, text: write(number, text))
        patch.setattr(os, "_exit", codes.append)
        end()
    assert codes == [code]


@pytest.mark.parametrize(
    ("how", "codes", "sentence"),
    [
        ("leave", {0: 74, 1: 74}, "the disk of process 1 is full"),
        ("leave-beside", {0: 74, 1: 74}, "the disk of process 1 is full"),
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
