"""Whether a checkpoint's folder still is as it was written: size and SHA-256 of every file."""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from adqn_jax.results import files

#: Number of the checkpoints' format; one of another is refused.
FORMAT = 2
_MANIFEST = "manifest.json"


def write(folder: pathlib.Path) -> None:
    """Note what the folder holds, in the folder.

    Raises:
      OSError: when it cannot be written.
    """
    manifest = {"format": FORMAT, "files": digests(folder)}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def digests(folder: pathlib.Path) -> dict[str, list[Any]]:
    """Return size and SHA-256 of the files of states and history, by their path in the folder.

    What lies beside these is the manifest, and what Orbax adds when it renames the folder.

    Raises:
      OSError: when what is there cannot be read.
    """
    found = {}
    for path in sorted(_files(folder)):
        with contextlib.suppress(FileNotFoundError), files.named(path), path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(folder).as_posix()] = [path.stat().st_size, digest]
    return found


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Find the files in subfolders; `glob` would pass over a folder that cannot be read."""
    for parent, _, names in os.walk(folder, onerror=_raise):
        if pathlib.Path(parent) != folder:
            yield from (pathlib.Path(parent, name) for name in names)


def _raise(error: OSError) -> None:
    raise error


def problem(step: pathlib.Path) -> str:
    """Say what is wrong with a checkpoint; nothing when it is whole.

    Raises:
      ValueError: when it has another format.
      OSError: when the disk does not let it be read: it may be whole.
    """
    try:
        manifest = json.loads(files.read_text(step / _MANIFEST))
        number, written = manifest["format"], dict(manifest["files"])
    except (*files.ABSENT, ValueError, KeyError, TypeError):
        return f"it has no readable {_MANIFEST}"
    if number != FORMAT:
        raise ValueError(
            f"{step} has format {number}, and this version reads format {FORMAT}: resume with the "
            f"version that config.json names, or give another --name"
        )
    found = digests(step)
    for name in sorted({*written, *found}):
        if written.get(name) != found.get(name):
            return f"{name} is not as it was written"
    return ""
