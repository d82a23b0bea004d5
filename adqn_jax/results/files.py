"""Files that are there whole, or not at all."""

import os
import pathlib


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
