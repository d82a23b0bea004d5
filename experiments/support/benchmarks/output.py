"""Where a benchmark's results go, beside the screen."""

import json
import pathlib
from typing import Annotated, Any

from adqn_jax.versions import made_with
from support import cli

JsonFile = Annotated[pathlib.Path | None, cli.tyro.conf.arg(metavar="FILE")]


def write(path: pathlib.Path, results: dict[str, Any]) -> None:
    """Write results, and what made them: packages, commit and hardware."""
    path.write_text(json.dumps(results | {"made_with": made_with()}, indent=2) + "\n")
