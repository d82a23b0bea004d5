"""Where a benchmark's results go, beside the screen."""

import json
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

from adqn_jax.results import files
from adqn_jax.versions import made_with
from support import cli


def _writable(words: Sequence[str]) -> pathlib.Path:
    """Return the file that the command line names, or refuse it, before anything is measured."""
    path = pathlib.Path(*words)
    files.check_writable(path)
    return path


_FILE = cli.tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="FILE",
    instance_from_str=_writable,
    is_instance=lambda value: isinstance(value, pathlib.Path | None),
    str_from_instance=lambda value: [str(value)],
)
JsonFile = Annotated[pathlib.Path | None, _FILE]


def write(path: pathlib.Path, results: dict[str, Any]) -> None:
    """Write results, and what made them: packages, commit, hardware. A missing folder is made."""
    files.with_folder(path).write_text(
        json.dumps(results | {"made_with": made_with()}, indent=2) + "\n"
    )
