"""A trained policy on disk: the parameters of one seed, in one file without executable content."""

import json
import pathlib
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax.types import Params

_METADATA = "metadata"


def save_params(path: pathlib.Path, params: Params, metadata: dict[str, Any]) -> None:
    """Write parameters as a NumPy archive: an array per leaf, named by its path.

    Args:
      path: the file, ending in `.npz`; it appears whole or not at all.
      params: the parameters of one seed.
      metadata: what one must know to use them; anything that JSON can hold.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    arrays = {"/".join(key.key for key in keys): np.asarray(leaf) for keys, leaf in leaves}
    arrays[_METADATA] = np.array(json.dumps(metadata))
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    partial.replace(path)


def load_params(path: pathlib.Path) -> tuple[Params, dict[str, Any]]:
    """Read what `save_params` wrote.

    Returns:
      The parameters and the metadata.

    Raises:
      ValueError: when the file is not such an archive.
    """
    arrays = _read(path)
    metadata = json.loads(str(arrays.pop(_METADATA)))
    params: Params = {}
    for name, array in arrays.items():
        *path_to, last = name.split("/")
        node: dict[str, Any] = params
        for key in path_to:
            node = node.setdefault(key, {})
        node[last] = jnp.asarray(array)
    return params, metadata


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Read all entries of an archive, the metadata among them."""
    try:
        # NumPy leaves a path that it cannot read open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no policy: it is no whole NumPy archive") from error
    if _METADATA not in arrays:
        raise ValueError(f"{path} holds no policy: it has no entry {_METADATA!r}")
    return arrays
