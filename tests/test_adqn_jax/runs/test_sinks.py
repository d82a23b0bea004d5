"""What TensorBoard and Weights & Biases are given: the numbers of metrics.csv, once each.

Event files and the files of offline runs are read back. A server of Weights & Biases is not asked.
"""

import csv
import errno
import functools
import json
import pathlib
import resource
import shutil
import signal
import struct
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from adqn_jax.runs import sinks
from runs import FOLDER, SEEDS, after, train

pytest.importorskip("tensorboardX", reason="the extra `tensorboard` is missing")
wandb = pytest.importorskip("wandb", reason="the extra `wandb` is missing")

from tensorboardX.event_file_writer import EventsWriter  # noqa: E402
from tensorboardX.proto.event_pb2 import Event  # noqa: E402
from wandb.proto.wandb_internal_pb2 import Record  # noqa: E402

RUN = FOLDER / "default"
Points = dict[int, list[dict[str, float]]]  # of each seed


@pytest.fixture(autouse=True)
def _alone(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in a folder of its own, without a server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    wandb.teardown()


def in_csv() -> Points:
    """Return the rows of metrics.csv."""
    points: Points = {seed: [] for seed in range(SEEDS)}
    with (RUN / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            numbers = {name: float(value) for name, value in row.items()}
            points[int(numbers.pop("seed"))].append(numbers)
    return points


def in_tensorboard() -> Points:
    """Read the event files: records of length, checksum, message, checksum."""
    points: Points = {}
    for seed in range(SEEDS):
        (path,) = (RUN / "tensorboard" / f"seed-{seed:03d}").iterdir()
        content, at, points[seed] = path.read_bytes(), 0, []
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += length + 16
            if event.summary.value:
                values = {value.tag: value.simple_value for value in event.summary.value}
                points[seed].append({"timesteps": event.step, **values})
    return points


def records(path: pathlib.Path) -> Iterator[Any]:
    """Read a file of an offline run: LevelDB's log format, after 7 bytes, in blocks of 32 KiB."""
    content, at, message = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        _, length, kind = struct.unpack_from("<IHB", content, at)
        left = -at % 32_768
        if 0 < left < 7:  # no room for a header: padding
            at += left
            continue
        message += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(message)
            message = b""


def in_wandb() -> tuple[Points, list[Any]]:
    """Return the points of the offline runs, and what these say of themselves."""
    wandb.teardown()  # a file is complete once the service that writes it has ended
    points: Points = {}
    about = []
    for path in sorted((RUN / "wandb").glob("offline-run-*/*.wandb")):
        all_of_run = list(records(path))
        (run,) = [record.run for record in all_of_run if record.HasField("run")]
        about.append(run)
        points[int(run.run_id[-3:])] = [
            {
                "/".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            | {"step": record.history.step.num}
            for record in all_of_run
            if record.HasField("history")
        ]
    assert len(about) == len(points), "one file for each seed"
    return points, about


def assert_all_there() -> None:
    """Both sinks hold what metrics.csv holds, in order, each point once."""
    expected, tensorboard = in_csv(), in_tensorboard()
    by_wandb, _ = in_wandb()
    assert len(expected[0]) == 3
    for seed in range(SEEDS):
        for name in expected[seed][0]:
            numbers = [row[name] for row in expected[seed]]
            read = [row[name] for row in tensorboard[seed]]
            np.testing.assert_array_equal(np.float32(numbers), np.float32(read), name)
            np.testing.assert_array_equal(numbers, [row[name] for row in by_wandb[seed]], name)
        steps = [row["timesteps"] for row in expected[seed]]
        assert [row["step"] for row in by_wandb[seed]] == steps


def test_resumed_without_duplicates() -> None:
    """A log point that is older than the checkpoint is not there twice; ids stay as they are."""
    stop = after(8, functools.partial(signal.raise_signal, signal.SIGTERM))  # of 12 chunks
    ended = train("--log", "tensorboard", "wandb", hooks={"iterate": stop})
    assert ended.code == 143, ended.err
    assert [len(points) for points in in_tensorboard().values()] == [2, 2, 2]
    before, about = in_wandb()
    assert [len(points) for points in before.values()] == [2, 2, 2]
    ids = [run.run_id for run in about]
    config = {item.key: json.loads(item.value_json) for item in about[2].config.update}
    assert config["run"] == json.loads((RUN / "config.json").read_text())["run"]
    assert config["seed_index"] == 2
    assert len({run.run_group for run in about}) == 1
    shutil.rmtree(RUN / "checkpoints" / "8")  # as if killed before it was written

    ended = train("--log", "wandb", "tensorboard", "--resume")
    assert ended.code == 0, ended.err
    assert "going on from the checkpoint at timestep 380" in ended.out
    assert_all_there()
    _, about = in_wandb()
    assert [run.run_id for run in about] == ids


def test_a_sink_that_fails_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk full for a moment, a server that does not answer: what was missed comes later."""
    flush, failures = EventsWriter.flush, iter([OSError(errno.ENOSPC, "No space left on device")])

    def fails_once(writer: EventsWriter) -> bool:
        for error in failures:
            raise error
        return bool(flush(writer))

    def no_server(**_: object) -> None:
        raise wandb.errors.CommError("nobody there")

    monkeypatch.setattr(EventsWriter, "flush", fails_once)
    with monkeypatch.context() as patch:
        patch.setattr(wandb, "init", no_server)
        ended = train("--log", "tensorboard", "wandb")
    assert ended.code == 74
    assert "cannot write tensorboard (No space left on device): will try again" in ended.out
    assert ended.out.count("cannot write wandb (nobody there)") == 1
    assert "could not write wandb (nobody there): when that is mended, --resume" in ended.err
    assert (RUN / "policy" / "seed-002.npz").exists()

    ended = train("--log", "tensorboard", "wandb", "--resume")
    assert ended.code == 0, ended.err
    assert_all_there()


@pytest.mark.parametrize("empty", [False, True])
def test_no_id_without_room(
    empty: bool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves none behind, and an empty file is none: all runs would share it."""
    monkeypatch.setattr(sinks.Wandb, "_init", lambda *_: types.SimpleNamespace(offline=True))
    kept = tmp_path / "wandb" / "id.txt"
    if empty:
        kept.parent.mkdir()
        kept.touch()

    def begun() -> str:
        sinks.Wandb(tmp_path, {"run": {"seeds": 1}}).write([])
        return kept.read_text()

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            begun()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    drawn = begun()
    assert len(drawn) == 8
    assert begun() == drawn


def test_overwritten_or_vanished() -> None:
    """--overwrite deletes what was logged and draws new ids; a vanished folder is refilled."""
    assert train("--log", "wandb").code == 0
    _, before = in_wandb()
    vanish = after(6, lambda: RUN.rename("elsewhere"))
    ended = train("--log", "tensorboard", "--overwrite", hooks={"iterate": vanish})
    assert ended.code == 0, ended.err
    assert not (RUN / "wandb").exists()
    for seed, points in in_csv().items():
        assert [p["timesteps"] for p in in_tensorboard()[seed]] == [p["timesteps"] for p in points]
    assert train("--log", "wandb", "--overwrite").code == 0
    _, now = in_wandb()
    assert not {run.run_id for run in before} & {run.run_id for run in now}


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_missing_package(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names the extra; nothing is written."""
    monkeypatch.setitem(sys.modules, module, None)
    ended = train("--log", name)
    assert ended.code == 2
    assert f"pip install -e '.[{name}]'" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not list(pathlib.Path().iterdir())


def test_no_key_and_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights & Biases wants a key; without a terminal that is bad input, and told at once."""
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "nowhere")
    wandb.teardown()
    ended = train("--log", "wandb")
    assert ended.code == 2
    assert "No API key configured" in ended.err
    assert "WANDB_MODE=offline needs none" in ended.err
    assert not list(pathlib.Path().iterdir())
