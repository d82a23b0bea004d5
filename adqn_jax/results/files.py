"""Files that are there whole, or not at all; and whether they can be there."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

#: What is raised where there is no such file; any other OSError says nothing of what is there.
ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


@contextlib.contextmanager
def named(path: pathlib.Path) -> Iterator[None]:
    """Let an error say which file it is of: reading tells no name, opening does.

    Raises:
      OSError: with the name.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def read_text(path: pathlib.Path) -> str:
    """Read a file's text.

    Raises:
      OSError: when it is not there, which is of `ABSENT`, or cannot be read; it names the file.
      ValueError: when it is no text.
    """
    with named(path):
        return path.read_text()


def write_text(path: pathlib.Path, text: str) -> None:
    """Replace a file's text; whoever reads meanwhile finds the old one.

    Raises:
      OSError: when it cannot be written; the file stays as it was.
    """
    with replacing(path) as partial:
        partial.write_text(text)


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield another name to write a file under, which takes the file's place at the end.

    Raises:
      OSError: when it cannot be written; the file stays as it was.
    """
    partial = _partial(path)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def check_writable(path: pathlib.Path) -> None:
    """Look whether a file can be written, before the work whose results it is to hold.

    What is there stays as it is. Folders that are missing can be made: see `with_folder`.

    Raises:
      ValueError: when it cannot.
    """
    try:
        new = [folder for folder in path.parents if not folder.exists()]
        there = os.path.lexists(path)
        try:
            with_folder(path)
            with path.open("ab"):  # as nothing else tells for sure, root and odd disks included
                pass
        finally:
            if not there:
                with contextlib.suppress(OSError):  # it could not be made
                    path.unlink()
            for folder in new:
                with contextlib.suppress(OSError):
                    folder.rmdir()
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from error


def check_replaceable(path: pathlib.Path) -> None:
    """Look whether `write_text` can write a file: `check_writable`, and of its folder the same.

    Raises:
      ValueError: when it cannot.
    """
    check_writable(path)
    check_writable(_partial(path))


def _partial(path: pathlib.Path) -> pathlib.Path:
    return path.with_suffix(".partial")


def with_folder(path: pathlib.Path) -> pathlib.Path:
    """Make a file's folder, if there is none; return the file's path.

    Raises:
      OSError: when it cannot be made.
    """
    # Of a file in the folder's place `mkdir` says that it exists; to open it says it is no folder.
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    return path
