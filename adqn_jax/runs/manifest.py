"""Whether a checkpoint's folder still is as it was written: size and SHA-256 of every file."""

import hashlib
import json
import pathlib
from typing import Any

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
    """
    found = {}
    for path in sorted(folder.glob("*/**/*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(folder).as_posix()] = [path.stat().st_size, digest]
    return found


def problem(step: pathlib.Path) -> str:
    """Say what is wrong with a checkpoint; nothing when it is whole.

    Raises:
      ValueError: when it has another format.
    """
    try:
        manifest = json.loads((step / _MANIFEST).read_text())
        number, written = manifest["format"], dict(manifest["files"])
        found = digests(step)
    except (OSError, ValueError, KeyError, TypeError):
        return f"it has no readable {_MANIFEST}"
    if number != FORMAT:
        raise ValueError(
            f"{step} has format {number}, and this version reads format {FORMAT}: resume with the "
            f"version that config.json names, or give another --name"
        )
    for name in sorted({*written, *found}):
        if written.get(name) != found.get(name):
            return f"{name} is not as it was written"
    return ""
