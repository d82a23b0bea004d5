"""Who may write into a run's folder, and what is left there."""

import contextlib
import json
import pathlib
from typing import Any

import pytest

from adqn_jax.runs import cluster, lock
from adqn_jax.runs.folder import Claim, claim
from runs import files_of

RUN: dict[str, Any] = {"env": "carflag", "train": {"total_timesteps": 10}}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where a run is to be; neither it nor the folder above is there yet."""
    return tmp_path / "runs" / "one"


def begin(folder: pathlib.Path, run: dict[str, Any] = RUN, **how: bool) -> None:
    """Claim a folder, begin the run and leave some results."""
    with claim(folder, run, **({"overwrite": False, "resume": False} | how)) as claimed:
        claimed.begin()
        (folder / "metrics.csv").write_text(json.dumps(run))


def run_in(folder: pathlib.Path) -> Any:
    """Read what config.json says that the run is."""
    return json.loads((folder / "config.json").read_text())["run"]


def test_a_run_that_begins(folder: pathlib.Path) -> None:
    """It holds the folder as long as it is at work, and leaves what it wrote."""
    with claim(folder, RUN, overwrite=False, resume=False) as claimed:
        assert run_in(folder) == RUN, "so that a run that is killed can be resumed"
        assert (folder / lock.NAME).exists()
        with (
            pytest.raises(ValueError, match="another run is at work"),
            claim(folder, RUN, overwrite=True, resume=False),
        ):
            pass
        claimed.begin()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json"]
    assert run_in(folder) == RUN


def test_a_run_that_never_begins(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Nothing is left of it, folders included; a run that was there stays as it was."""
    with contextlib.suppress(KeyError), claim(folder, RUN, overwrite=False, resume=False):
        raise KeyError
    assert not list(tmp_path.iterdir())
    begin(folder)
    before = files_of(folder)
    for how in ({"overwrite": True, "resume": False}, {"overwrite": False, "resume": True}):
        with contextlib.suppress(KeyError), claim(folder, RUN, **how):
            raise KeyError
        assert files_of(folder) == before


def test_overwriting_deletes_once_the_new_run_begins(folder: pathlib.Path) -> None:
    """All but what is to be kept; the checkpoints first of all."""
    begin(folder)
    for name in ("checkpoints", "kept"):
        (folder / name).mkdir()
        (folder / name / "file").write_text("old")
    other = RUN | {"env": "cleaner"}
    with claim(folder, other, overwrite=True, resume=False) as claimed:
        assert run_in(folder) == RUN
        claimed.begin("kept")
        assert run_in(folder) == other
    assert sorted(files_of(folder)) == ["config.json", "kept", "kept/file"]


def test_resuming_keeps_everything(folder: pathlib.Path) -> None:
    """And says what the run is now; it may be longer, and nothing else."""
    begin(folder)
    longer = {"env": "carflag", "train": {"total_timesteps": 20}}
    with claim(folder, longer, overwrite=False, resume=True) as claimed:
        claimed.begin()
    assert run_in(folder) == longer
    assert (folder / "metrics.csv").exists()
    with (
        pytest.raises(ValueError, match=r"has train\.total_timesteps 20, not 10"),
        claim(folder, RUN, overwrite=False, resume=True),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "how", "message"),
    [
        ("run", {}, "already holds a run: --resume goes on with it, --overwrite deletes it"),
        ("other", {}, "holds other files: --name chooses another folder"),
        ("other", {"overwrite": True}, "nothing to overwrite"),
        ("other", {"resume": True}, "nothing to resume"),
        ("nothing", {"resume": True}, "nothing to resume"),
    ],
)
def test_refusals(content: str, how: dict[str, bool], message: str, folder: pathlib.Path) -> None:
    """One sentence, and nothing changes."""
    if content == "run":
        begin(folder)
    elif content == "other":
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("mine")
    above = folder.parents[1]
    before = files_of(above)
    with pytest.raises(ValueError, match=message):
        begin(folder, **how)
    assert files_of(above) == before


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (["{}", False, True], "process 1 was told to train something else than process 0"),
        ([json.dumps(RUN), True, False], "process 1 and process 0 differ in --overwrite or --res"),
        ([json.dumps(RUN), False, False], "process 1 and process 0 differ in --overwrite or --res"),
    ],
)
def test_processes_that_differ(
    other: list[Any], message: str, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are refused: they would not ask each other the same questions."""
    monkeypatch.setattr(cluster, "count", lambda: 2)
    monkeypatch.setattr(cluster, "gather", lambda own: [own, other])
    with pytest.raises(ValueError, match=message):
        begin(folder, resume=True)
    assert not folder.exists()


def test_a_folder_that_another_run_has_used_is_left_alone(folder: pathlib.Path) -> None:
    """Though nobody is at work there any more."""
    with claim(folder, RUN, overwrite=False, resume=False) as claimed:
        claimed.begin()
        folder.rename(folder.with_name("away"))
        begin(folder, RUN | {"env": "cleaner"})
        before = files_of(folder)
        for _ in range(2):
            with pytest.raises(OSError, match=r"another run's results are in .*/one by now"):
                claimed.hold()
    assert files_of(folder) == before


def test_a_folder_within_another_is_held_with_it(folder: pathlib.Path) -> None:
    """Where both vanish, both are made anew."""
    with (
        claim(folder, RUN, overwrite=False, resume=False) as outer,
        claim(folder / "in", RUN, overwrite=False, resume=False, within=outer) as inner,
    ):
        outer.begin("in")
        inner.begin()
        before = files_of(folder)
        folder.rename(folder.with_name("away"))
        inner.hold()
        assert files_of(folder) == before


@pytest.mark.parametrize("checkpoints", [True, False])
def test_a_deletion_that_was_cut_short_is_finished(
    checkpoints: bool, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming the run that was killed while it replaced another keeps no file of that."""
    begin(folder)
    if checkpoints:
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "file").write_text("old")
    other = RUN | {"env": "cleaner"}
    with monkeypatch.context() as patch:
        patch.setattr(Claim, "_delete", lambda *_, **__: exec("raise KeyboardInterrupt"))
        with (
            pytest.raises(KeyboardInterrupt),
            claim(folder, other, overwrite=True, resume=False) as claimed,
        ):
            claimed.begin()
    assert "metrics.csv" in files_of(folder)
    with claim(folder, other, overwrite=False, resume=True) as claimed:
        claimed.begin()
    assert sorted(files_of(folder)) == ["config.json"]


def test_killed_at_the_very_beginning(folder: pathlib.Path) -> None:
    """What half a config.json leaves is in nobody's way."""
    folder.mkdir(parents=True)
    (folder / "config.partial").write_text("{")
    begin(folder)
    assert sorted(files_of(folder)) == ["config.json", "metrics.csv"]


def test_a_folder_that_vanished_is_made_anew(folder: pathlib.Path) -> None:
    """With its lock, and with what the run is."""
    with claim(folder, RUN, overwrite=False, resume=False) as claimed:
        claimed.begin()
        before = (folder / "config.json").read_bytes()
        folder.rename(folder.with_name("away"))
        claimed.hold()
        assert (folder / "config.json").read_bytes() == before
        assert (folder / lock.NAME).exists()
        (folder / "config.json").write_text("as long as it is there it is left alone")
        claimed.hold()
        assert (folder / "config.json").read_text().startswith("as long")
