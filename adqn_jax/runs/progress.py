"""What a run tells whoever watches it, without tearing the progress bar apart."""

import contextlib
from typing import Any

from adqn_jax.extras import extra
from adqn_jax.runs import cluster


def bar(total: int, done: int) -> Any:
    """Return tqdm's progress bar over timesteps; there is none where no terminal is.

    Raises:
      MissingExtraError: when tqdm is not installed.
    """
    with extra("experiments"):
        import tqdm

    return tqdm.tqdm(
        total=total, initial=done, unit=" timesteps", unit_scale=True,
        disable=None if cluster.is_first() else True, dynamic_ncols=True,
    )  # fmt: skip


def say(sentence: str) -> None:
    """Print a line above the bar; one that cannot be printed is dropped.

    Raises:
      MissingExtraError: when tqdm is not installed.
    """
    with extra("experiments"):
        import tqdm

    with contextlib.suppress(OSError):
        tqdm.tqdm.write(sentence)
