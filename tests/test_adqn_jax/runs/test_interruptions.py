"""Runs that are stopped, damaged or left without room go on as if nothing had happened."""

import dataclasses
import errno
import functools
import hashlib
import json
import math
import os
import pathlib
import resource
import shutil
import signal
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest

from adqn_jax.results.experiment import CURVE
from adqn_jax.runs import lock, manifest, memory, outcome, session
from adqn_jax.runs.checkpoint import Checkpoints
from adqn_jax.runs.session import Session
from runs import (
    CHUNKS,
    FOLDER,
    OF_ALGORITHMS,
    SEEDS,
    Ended,
    Hooks,
    after,
    compiled,
    files_of,
    folder_of,
    rows_of,
    train,
)

pytestmark = pytest.mark.usefixtures("own_folder")


def finished(tmp_path_factory: pytest.TempPathFactory, algo: str) -> pathlib.Path:
    """Make a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ended = train(algo=algo)
    assert ended.code == 0, ended.err
    return folder / folder_of(algo) / "default"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A run that was never interrupted."""
    return finished(tmp_path_factory, "adqn")


@pytest.fixture(scope="module", params=OF_ALGORITHMS)
def any_whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """A run of each family that was never interrupted."""
    if request.param == "adqn":
        folder: pathlib.Path = request.getfixturevalue("whole")
        return folder
    return finished(tmp_path_factory, request.param)


def state_of(folder: pathlib.Path) -> list[np.ndarray]:
    """Read the newest checkpoint, every array of it."""
    checkpoints = Checkpoints(folder / "checkpoints", SEEDS)
    newest = checkpoints.newest()
    assert newest is not None
    runner = compiled(folder.parent.name)
    states, history = checkpoints.restore(newest.iterations, runner.abstract_states)
    assert len(history["log"]) * SEEDS == len(rows_of(folder))
    leaves = [jax.random.key_data(states.key), *jax.tree.leaves(states)[1:]]
    return [np.asarray(leaf)[:SEEDS] for leaf in leaves]


def assert_same_results(folder: pathlib.Path, whole: pathlib.Path) -> None:
    """Compare every byte of metrics (but the clock's), policies and final state."""
    assert rows_of(folder) == rows_of(whole)
    assert files_of(folder / "policy") == files_of(whole / "policy")
    for ours, theirs in zip(state_of(folder), state_of(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not any((folder / name).exists() for name in lock.NAMES)


def stop(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Make a function that sends this process a signal."""
    return functools.partial(signal.raise_signal, number)


def test_stopped_after_every_chunk(any_whole: pathlib.Path) -> None:
    """A run that never gets further than one chunk ends as one that was never interrupted."""
    algo = any_whole.parent.name
    resume: tuple[str, ...] = ()
    for chunk in range(CHUNKS):
        number = (signal.SIGTERM, signal.SIGINT)[chunk % 2]
        ended = train(*resume, hooks={"iterate": after(1, stop(number))}, algo=algo)
        if chunk < CHUNKS - 1:
            assert ended.code == 128 + number, ended.err
            assert f"{number.name} received: stopped at timestep" in ended.err
            assert "--resume goes on" in ended.err
        resume = ("--resume",)
    assert ended.code == 0, "a signal in the last chunk finds the run done"
    assert_same_results(folder_of(algo) / "default", any_whole)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "handlers are given back"


def test_chunks_end_at_log_points(whole: pathlib.Path) -> None:
    """They grow, are cut where the host evaluates, and change no number, interrupted or not."""
    lengths: list[int] = []

    def iterate(method: Callable[..., Any], states: Any, length: int) -> Any:
        lengths.append(length)
        if len(lengths) == 7:
            signal.raise_signal(signal.SIGTERM)
        return method(states, length)

    hooks: Hooks = {"iterate": iterate}
    assert train(hooks=hooks, chunk_seconds=math.inf).code == 0
    assert lengths == [1, 2, 1, 4, 4]
    assert_same_results(FOLDER / "default", whole)
    assert train("--overwrite", hooks=hooks, chunk_seconds=math.inf).code == 143
    assert train("--resume", hooks=hooks, chunk_seconds=math.inf).code == 0
    assert lengths[5:] == [1, 2, 1, 2, 2, 4]
    assert_same_results(FOLDER / "default", whole)


def test_another_thread() -> None:
    """Where Python allows no signal handlers, as in a thread of a notebook's."""
    ended: list[Ended] = []
    thread = threading.Thread(target=lambda: ended.append(train()))
    thread.start()
    thread.join()
    assert ended[0].code == 0, ended[0].err


@pytest.mark.parametrize("method", ["compile", "init", "evaluate"])
def test_stopped_at_other_moments(method: str, whole: pathlib.Path) -> None:
    """While compiling, in the warm-up and while evaluating."""
    ended = train(hooks={method: after(1, stop())})
    assert ended.code == 143
    steps = {"compile": "timestep 0;", "init": "timestep 240;", "evaluate": "timestep 320;"}
    assert steps[method] in ended.err
    assert train("--resume").code == 0
    assert_same_results(FOLDER / "default", whole)


def test_stopped_while_saving(whole: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal during a save leaves a checkpoint that is whole."""
    save = functools.partial(after(2, stop()), Checkpoints.save)
    monkeypatch.setattr(Checkpoints, "save", lambda *args: save(*args))
    ended = train()
    assert ended.code == 143
    assert train("--resume").code == 0
    assert_same_results(FOLDER / "default", whole)


def test_a_finished_run_that_is_resumed_in_vain_stays_finished(whole: pathlib.Path) -> None:
    """Stopped before it goes on, it still says that it is complete, and how far it is."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    before = files_of(folder)
    ended = train("--resume", "--timeout", "1e-9")
    assert ended.code == 75
    assert f"stopped at timestep {rows_of(folder)[-1]['timesteps']}" in ended.err.replace(",", "")
    assert files_of(folder) == before


def test_timeout_stops_cleanly(whole: pathlib.Path) -> None:
    """--timeout saves all, and says by its exit code that there is more to do."""
    ended = train("--timeout", "1e-9")
    assert ended.code == 75
    assert "--timeout reached" in ended.err
    assert train("--resume", "--timeout", "60").code == 0
    assert_same_results(FOLDER / "default", whole)


def test_overwrite_deletes_the_old_run_once_the_new_one_begins(whole: pathlib.Path) -> None:
    """Interrupted or not, what is resumed is the new run."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    (folder / "notes.txt").write_text("of the old run")
    ended = train("--overwrite", "--seed", "7", hooks={"iterate": after(3, stop())})
    assert ended.code == 143
    assert not (folder / "notes.txt").exists()
    assert "has seed 7, not 0" in train("--resume").err
    assert train("--resume", "--seed", "7").code == 0
    assert rows_of(folder) != rows_of(whole)


def test_overwriting_that_does_not_begin_deletes_nothing(whole: pathlib.Path) -> None:
    """Asked to stop while it compiles, a run leaves the one that it would replace."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    before = files_of(folder)
    ended = train("--overwrite", "--timeout", "1e-9")
    assert ended.code == 75
    assert f"--timeout reached before training began: {folder} is as it was" in ended.err
    assert files_of(folder) == before


def test_without_checkpoints(whole: pathlib.Path) -> None:
    """A finished run is not trained anew unasked; one that is not, begins anew and says so."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / "checkpoints")
    before = files_of(folder)
    ended = train("--resume", "--total-timesteps", "640")
    assert ended.code == 2
    assert "holds a finished run without checkpoints" in ended.err
    assert files_of(folder) == before
    (folder / CURVE).unlink()
    ended = train("--resume")
    assert ended.code == 0
    assert "there is no checkpoint to go on from: it begins anew" in ended.out
    assert_same_results(folder, whole)


def test_what_is_extended_is_not_done(whole: pathlib.Path) -> None:
    """As long as it is not: whoever is killed on the way leaves no run that looks complete."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    seen: list[bool] = []

    def look() -> None:
        seen.append((folder / CURVE).exists())

    assert (
        train("--resume", "--total-timesteps", "640", hooks={"iterate": after(1, look)}).code == 0
    )
    assert seen == [False]
    assert (folder / CURVE).exists()


def test_more_timesteps_go_on(whole: pathlib.Path) -> None:
    """Resuming for longer equals having asked for it at once; less or other seeds are refused."""
    longer = ("--total-timesteps", "640")
    assert train(*longer, "--name", "long").code == 0
    shutil.copytree(whole, FOLDER / "default")
    assert train(*longer, "--resume").code == 0
    assert_same_results(FOLDER / "default", FOLDER / "long")
    before = files_of(FOLDER)
    for words, named in (
        (("--seeds", "4"), "seeds 3, not 4"),
        ((*longer[:1], "400"), "train.total_timesteps 640, not 400"),
        ((*longer, "--discount", "0.5"), "hyper.discount 0.97, not 0.5"),
    ):
        ended = train("--resume", *words)
        assert ended.code == 2
        assert named in ended.err
    assert files_of(FOLDER) == before


def truncate(step: pathlib.Path) -> None:
    """Cut the largest file."""
    largest = max((p for p in step.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


def alter(step: pathlib.Path) -> None:
    """Change one byte of the largest file."""
    largest = max((p for p in step.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def lose_a_file(step: pathlib.Path) -> None:
    """Delete the history."""
    (step / "history" / "metadata").unlink()


def lose_the_manifest(step: pathlib.Path) -> None:
    """Delete what says how it was."""
    (step / "manifest.json").unlink()


def garble_the_manifest(step: pathlib.Path) -> None:
    """Leave other JSON."""
    (step / "manifest.json").write_text("[1, 2]")


DAMAGES = (truncate, alter, lose_a_file, lose_the_manifest, garble_the_manifest)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint(damage: Callable[[pathlib.Path], None], whole: pathlib.Path) -> None:
    """The one before is used, which is said; with none left nothing is deleted."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    steps = sorted((folder / "checkpoints").iterdir(), key=lambda p: int(p.name))
    assert [step.name for step in steps] == [str(CHUNKS - 1), str(CHUNKS)]
    damage(steps[1])
    ended = train("--resume")
    assert ended.code == 0, ended.err
    assert f"checkpoint {CHUNKS} is damaged" in ended.out
    assert "going on from the checkpoint at timestep 460" in ended.out
    assert_same_results(folder, whole)

    for step in (folder / "checkpoints").iterdir():
        damage(step)
    before = files_of(folder)
    ended = train("--resume")
    assert ended.code == 2
    assert "no checkpoint in" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert files_of(folder) == before


def test_an_unreadable_disk_is_no_damage(
    whole: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is refused, with the file's name, and goes on from there when the disk is mended."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    before = files_of(folder)

    def fails(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", fails)
        ended = train("--resume")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert f"checkpoints/{CHUNKS}/history/" in ended.err
    assert ended.err.endswith(": Input/output error\n")
    assert files_of(folder) == before
    assert "going on from the checkpoint at timestep 480" in train("--resume").out
    assert_same_results(folder, whole)


def unreadable(path: pathlib.Path) -> None:
    """Put a file there that opens and does not let itself be read."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize("what", ["manifest.json", "states/0", "states"])
def test_what_of_a_checkpoint_is_unreadable(
    what: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest, a file, or a folder: an error that names it, and no damage."""
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "0").write_text("numbers")
    manifest.write(tmp_path)
    assert manifest.problem(tmp_path) == ""
    at, scandir = tmp_path / what, os.scandir

    def fails(path: Any) -> Any:
        if pathlib.Path(path) == at:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return scandir(path)

    with monkeypatch.context() as patch:
        if at.is_dir():
            patch.setattr(os, "scandir", fails)
        else:
            unreadable(at)
        with pytest.raises(OSError, match="Input/output error") as error:
            manifest.problem(tmp_path)
    assert error.value.filename == str(at)


def test_checkpoints_that_cannot_be_listed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are not taken for none, from which a run would begin anew."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", SEEDS)
    assert checkpoints.newest() is None
    checkpoints.folder.mkdir()

    def fails(path: pathlib.Path) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(pathlib.Path, "iterdir", fails)
    with pytest.raises(OSError, match="Input/output error"):
        checkpoints.newest()


def test_another_format_is_refused(whole: pathlib.Path) -> None:
    """One sentence names both formats."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    manifest = folder / "checkpoints" / str(CHUNKS) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    before = files_of(folder)
    ended = train("--resume")
    assert ended.code == 2
    assert "has format 99, and this version reads format 2" in ended.err
    assert files_of(folder) == before


def test_other_states_are_refused(whole: pathlib.Path) -> None:
    """Those of wider networks, under the same names: one sentence, and nothing changes."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    runner = compiled("adqn")
    wider = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((*x.shape, 2), x.dtype, sharding=x.sharding),
        runner.abstract_states.agent.params,
    )
    strange = dataclasses.replace(
        runner.abstract_states, agent=runner.abstract_states.agent.replace(params=wider)
    )
    checkpoints = Checkpoints(folder / "checkpoints", SEEDS)
    for look in (checkpoints.check_states, checkpoints.restore):
        with pytest.raises(ValueError, match="holds no states of this run's networks and buffer"):
            look(CHUNKS, strange)
    before = files_of(folder)
    with mock.patch.dict(vars(runner), {"abstract_states": strange}):
        ended = train("--resume")
    assert ended.code == 2
    assert "holds no states of this run's networks and buffer" in ended.err
    assert files_of(folder) == before


def test_an_evaluation_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled beside training, and refused as soon as it is."""
    available = [math.inf]
    monkeypatch.setattr(memory, "_host_memory", lambda: available[0])
    hooks: Hooks = {
        "iterate": after(1, lambda: available.insert(0, 1000.0)),
        "finish_compiling": lambda method: method() or True,
    }
    ended = train(hooks=hooks)
    assert ended.code == 2
    assert "to evaluate, " in ended.err
    assert "at most 0 seeds fit" in ended.err
    assert "or lower eval_episodes" in ended.err


def test_other_versions_are_told(whole: pathlib.Path) -> None:
    """A run that was begun elsewhere goes on, with a note on what that means."""
    folder = FOLDER / "default"
    shutil.copytree(whole, folder)
    config = json.loads((folder / "config.json").read_text())
    config["made_with"]["jax"] = "0.0.1"
    (folder / "config.json").write_text(json.dumps(config))
    ended = train("--resume")
    assert ended.code == 0
    assert "begun with jax 0.0.1" in ended.err


def test_other_numbers_of_devices(whole: pathlib.Path) -> None:
    """Places that the seeds leave over are no part of a checkpoint."""
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((SEEDS, *x.shape[1:]), x.dtype, sharding=single),
        compiled().abstract_states,
    )
    states, _ = Checkpoints(whole / "checkpoints", SEEDS).restore(CHUNKS, like)
    ours = [np.asarray(x) for x in jax.tree.leaves(states)[1:]]
    for one, other in zip(ours, state_of(whole)[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_share_of_the_seeds(any_whole: pathlib.Path) -> None:
    """What one of several processes reads of its seeds, whose last one fills the places left."""
    checkpoints = Checkpoints(any_whole / "checkpoints", SEEDS, range(2))
    newest = checkpoints.newest()
    assert newest is not None
    like = compiled(any_whole.parent.name).abstract_states
    states, _ = checkpoints.restore(newest.iterations, like)
    leaves = [jax.random.key_data(states.key), *jax.tree.leaves(states)[1:]]
    places = len(like.iteration)
    for own, of_all in zip(leaves, state_of(any_whole), strict=True):
        np.testing.assert_array_equal(own, of_all[np.arange(places).clip(max=1)])


single = jax.sharding.SingleDeviceSharding(jax.devices()[0])


@pytest.mark.parametrize("failures", [1, 100])
def test_disk_full(failures: int, whole: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told once; training goes on and tries again, and the last good checkpoint stays."""
    left, digests = [failures], manifest.digests

    def fails(folder: pathlib.Path) -> dict[str, list[Any]]:
        if (folder.parent / "4").exists() and left[0]:
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return digests(folder)

    monkeypatch.setattr(manifest, "digests", fails)
    monkeypatch.setattr(session, "_RETRY_SECONDS", 0.0)
    ended = train()
    told = [line for line in ended.out.splitlines() if "No space left" in line]
    assert told == ["cannot write a checkpoint (No space left on device): will try again"]
    if failures == 1:
        assert ended.code == 0
        assert_same_results(FOLDER / "default", whole)
        return
    assert ended.code == 74
    assert "could not write a checkpoint (No space left on device)" in ended.err
    assert rows_of(FOLDER / "default") == rows_of(whole)
    names = {step.name for step in (FOLDER / "default" / "checkpoints").iterdir()}
    assert "4" in names
    assert all(name.isdecimal() for name in names), "nothing else is left"
    left[0] = 0
    assert train("--resume").code == 0
    assert_same_results(FOLDER / "default", whole)


@pytest.mark.parametrize(
    ("what", "owner", "name"),
    [
        ("policy/", outcome, "save_policies"),
        ("config.json", Session, "_write_configs"),
        ("curve.png", outcome, "draw_curves"),
    ],
)
def test_disk_full_at_the_end(
    what: str, owner: Any, name: str, whole: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said to be tried again, as nothing is; one sentence says how to go on."""

    def fails(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shutil.copytree(whole, FOLDER / "default")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fails)
        ended = train("--resume")
    assert ended.code == 74
    assert ended.err.startswith(f"could not write {what} (No space left on device): when that is")
    assert "try again" not in ended.out
    assert train("--resume").code == 0
    assert_same_results(FOLDER / "default", whole)


def saved(checkpoints: Checkpoints, iterations: int) -> list[str]:
    """Save a state, and say which checkpoints there are afterwards."""
    states = compiled().init(jax.random.key(iterations))
    checkpoints.save(iterations, states, {"rows": [iterations]})
    checkpoints.wait()
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_no_room(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where a file of that size cannot be written, an error is all that comes of it."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", SEEDS)
    assert saved(checkpoints, 1) == ["1"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            saved(checkpoints, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert capfd.readouterr() == ("", ""), "no pages of tracebacks"
    assert [path.name for path in checkpoints.folder.iterdir()] == ["1"]
    assert saved(checkpoints, 2) == ["1", "2"]


def test_kept_checkpoints(tmp_path: pathlib.Path) -> None:
    """They are the last two that are whole: what is damaged, or unfinished, does not count."""
    first = Checkpoints(tmp_path / "checkpoints", SEEDS)
    assert [saved(first, n) for n in (1, 2, 3)] == [["1"], ["1", "2"], ["2", "3"]]
    truncate(first.folder / "3")
    (first.folder / "4.orbax-checkpoint-tmp").mkdir()
    second = Checkpoints(first.folder, SEEDS)
    newest = second.newest()
    assert newest is not None
    assert newest.iterations == 2
    assert [sentence[:24] for sentence in newest.damaged] == ["checkpoint 3 is damaged:"]
    _, history = second.restore(2, compiled().abstract_states)
    assert history == {"rows": [2]}
    assert saved(second, 5) == ["2", "5"]


def test_folder_vanishes(whole: pathlib.Path) -> None:
    """It is made anew, and everything is in it."""
    ended = train(hooks={"iterate": after(6, lambda: FOLDER.rename("away"))})
    assert ended.code == 0, ended.err
    assert_same_results(FOLDER / "default", whole)
    assert files_of(FOLDER / "default")["config.json"] == files_of(whole)["config.json"]


@pytest.mark.parametrize("instead", ["file", "run"])
def test_folder_is_taken(instead: str) -> None:
    """Where it cannot be made anew, the run ends with a sentence, and leaves it alone."""

    def take() -> None:
        pathlib.Path("runs").rename("away")
        if instead == "file":
            pathlib.Path("runs").write_text("mine")
            return
        (FOLDER / "default").mkdir(parents=True)
        (FOLDER / "default" / lock.NAME).write_text("theirs")

    # In the last chunk: no checkpoint is being written when its folder goes.
    ended = train("--checkpoint-minutes", "60", hooks={"iterate": after(CHUNKS, take)})
    assert ended.code == 74
    assert "could not write runs/heavenhell-1/adqn/default" in ended.err
    assert ("another run is at work" in ended.err) == (instead == "run")
    assert len(ended.err.splitlines()) == 1
    left = files_of(pathlib.Path("runs")) if instead == "run" else {}
    assert [name for name, content in left.items() if content] == [
        "heavenhell-1/adqn/default/lock.json"
    ] * (instead == "run")


def test_stopped_where_the_folder_is_taken() -> None:
    """Nothing is tried again after the last attempt to save, and it is not said to be."""

    def take() -> None:
        pathlib.Path("runs").rename("away")
        pathlib.Path("runs").write_text("mine")
        signal.raise_signal(signal.SIGTERM)

    ended = train("--checkpoint-minutes", "60", hooks={"iterate": after(6, take)})
    assert ended.code == 74
    assert ended.err.startswith("could not write runs/heavenhell-1/adqn/default")
    assert "try again" not in ended.out


def poison(states: Any) -> Any:
    """Make a parameter of seed 1 NaN."""

    def spoil(x: jax.Array) -> jax.Array:
        return jax.device_put(x.at[1].set(jnp.nan), x.sharding)

    agent = states.agent.replace(params=jax.tree.map(spoil, states.agent.params))
    return states.replace(agent=agent)


def test_failed_seed(whole: pathlib.Path) -> None:
    """It is marked and named, with the timestep; the other seeds neither notice nor mix."""
    calls = iter(range(CHUNKS))

    def iterate(method: Callable[..., Any], states: Any, length: int) -> Any:
        return method(poison(states) if next(calls) == 5 else states, length)

    ended = train(hooks={"iterate": iterate})
    assert ended.code == 0, ended.err
    told = [line for line in ended.out.splitlines() if "has failed" in line]
    assert len(told) == 1
    assert told[0].startswith("seed 1 has failed by timestep 400:")
    assert "1 of 3 seeds, which the figures leave out" in ended.out
    assert "nan" not in ended.out.lower()
    folder = FOLDER / "default"
    rows = rows_of(folder)
    assert [int(row["failed"]) for row in rows] == [0, 0, 0, 0, 1, 0, 0, 1, 0]
    others = [row for row in rows if row["seed"] != "1"]
    assert others == [row for row in rows_of(whole) if row["seed"] != "1"]
    final = np.mean([float(row["eval_return"]) for row in others[-2:]])
    assert f"last return  {final:.3f} +-" in ended.out
    assert matplotlib.image.imread(folder / "curve.png").std() > 0


def test_every_seed_fails() -> None:
    """Even then the run ends in order."""

    def init(method: Callable[[Any], Any], key: Any) -> Any:
        states = method(key)
        spoilt = jax.tree.map(lambda x: x * jnp.nan, states.agent.params)
        return states.replace(agent=states.agent.replace(params=spoilt))

    ended = train(hooks={"init": init})
    assert ended.code == 1
    assert ended.err.strip() == "all 3 seeds have failed"
    assert "3 of 3 seeds" in ended.out
    assert "nan" not in ended.out


def test_two_runs_at_once() -> None:
    """The second is refused, and leaves the first alone."""
    refused = []

    def second() -> None:
        before = files_of(FOLDER)
        refused.append(train("--resume"))
        refused.append(train("--overwrite"))
        assert files_of(FOLDER) == before

    assert train("--checkpoint-minutes", "60", hooks={"iterate": after(3, second)}).code == 0
    for ended in refused:
        assert ended.code == 2
        assert f"another run is at work in {FOLDER / 'default'} (process {os.getpid()}" in ended.err


def test_stops_when_solved(whole: pathlib.Path) -> None:
    """Two log points at which all seeds win end a run; without the option it goes on."""

    def evaluate(method: Any, states: Any) -> Any:
        return method(states) | {"eval_success": np.ones(SEEDS, np.float32)}

    ended = train("--stop-when-solved", "2", hooks={"evaluate": evaluate})
    assert ended.code == 0, ended.err
    assert "solved by all seeds: stopped at timestep 400" in ended.out
    assert len(rows_of(FOLDER / "default")) == 2 * SEEDS
    for name in ("curve.png", "policy"):
        assert (FOLDER / "default" / name).exists()

    assert train("--resume").code == 0
    same = [
        {k: v for k, v in row.items() if k not in ("eval_success", "training_seconds")}
        for row in rows_of(FOLDER / "default")
    ]
    assert len(same) == 3 * SEEDS
    for row, of_whole in zip(same, rows_of(whole), strict=True):
        assert row == {k: of_whole[k] for k in row}
