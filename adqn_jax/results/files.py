"""Files that are there whole, or not at all."""

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
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(text)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
