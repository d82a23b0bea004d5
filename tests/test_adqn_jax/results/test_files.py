"""Whether a file can be written is found out without writing it."""

import pathlib

import pytest

from adqn_jax.results import files, tables
from runs import files_of


@pytest.mark.parametrize(
    "name", ["here.csv", "new.csv", "folder/new.csv", "no/such/folder/new.csv"]
)
def test_what_can_be_written(name: str, tmp_path: pathlib.Path) -> None:
    """Nothing is changed, and nothing left behind; then it can indeed."""
    (tmp_path / "here.csv").write_text("mine")
    (tmp_path / "folder").mkdir()
    before, path = files_of(tmp_path), tmp_path / name
    files.check_writable(path)
    tables.check_writable(path)
    assert files_of(tmp_path) == before
    tables.write(path, [{"x": 1}])
    assert path.read_text() == "x\n1\n"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file/new.csv", "Not a directory"),
        ("file/folder/new.csv", "Not a directory"),
        ("folder", "Is a directory"),
        (f"no/{'x' * 300}.csv", "File name too long"),
    ],
)
def test_what_cannot_be_written(name: str, why: str, tmp_path: pathlib.Path) -> None:
    """One sentence says why, and nothing is left behind."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    before = files_of(tmp_path)
    with pytest.raises(ValueError, match=why):
        files.check_writable(tmp_path / name)
    assert files_of(tmp_path) == before


def test_what_is_replaced_needs_room_beside_it(tmp_path: pathlib.Path) -> None:
    """A table is written beside itself first."""
    (tmp_path / "table.partial").mkdir()
    with pytest.raises(ValueError, match=r"cannot write .*table.partial: Is a directory"):
        tables.check_writable(tmp_path / "table.csv")
