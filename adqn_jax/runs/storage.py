"""States on the disk: arrays of all seeds' places, which Orbax writes and reads.

Of a run in several processes each writes the places of its own, in arrays that are whole on the
disk, and reads no others: any number of processes may go on with them.
"""

import logging
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from adqn_jax.runs import cluster
from adqn_jax.types import PyTree

_KEEP = 2
_TIMEOUT_SECONDS = 86_400  # Orbax gives up after 20 minutes, and a slow disk may need more


def reserve(folder: pathlib.Path, size: int) -> None:
    """Make sure that so many bytes can be written, and give them back.

    On a full disk or beyond a quota, tensorstore would go on for pages.
    """
    if hasattr(os, "posix_fallocate"):
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)


def write(
    folder: pathlib.Path, step: int, host: PyTree, history: dict[str, Any],
    last: Callable[[], None],
) -> None:  # fmt: skip
    """Write a step, and keep one of those before.

    Args:
      folder: of all steps.
      step: a number for it.
      host: states of all seeds; of a run in several processes, of the places of this one, of which
        each has as many.
      history: whatever else belongs to them, and JSON can hold; that of process 0 counts.
      last: called when everything is written, before it gets its name; in process 0 alone.
    """
    ocp = _orbax()
    options = ocp.CheckpointManagerOptions(
        max_to_keep=_KEEP,
        # Orbax calls it when everything is written, and renames the folder afterwards.
        async_options=ocp.AsyncOptions(
            timeout_secs=_TIMEOUT_SECONDS, post_finalization_callback=last
        ),
        **_among(set(range(cluster.count()))),
    )
    items = ocp.args.Composite(
        states=ocp.args.StandardSave(jax.tree.map(_whole, host)),
        history=ocp.args.JsonSave(history),
    )
    with ocp.CheckpointManager(folder, options=options) as manager:
        manager.save(step, args=items, force=True)


def check(folder: pathlib.Path, step: int, like: PyTree, num_seeds: int) -> int:
    """Compare what a step says that it holds with what is expected; arguments are those of `read`.

    Returns:
      For how many places it holds states: the seeds come first.

    Raises:
      ValueError: when it holds others, or of fewer seeds.
    """
    saved = _leaves(
        _orbax().StandardCheckpointHandler().metadata(folder / str(step) / "states").tree
    )
    places = int(saved["iteration"].shape[0])
    if places < num_seeds or _of_a_place(saved) != _of_a_place(_leaves(like)):
        raise ValueError(f"{folder / str(step)} holds other states")
    return places


def read(
    folder: pathlib.Path, step: int, like: PyTree, num_seeds: int, share: range
) -> tuple[PyTree, dict[str, Any]]:
    """Read a step.

    Args:
      folder: of all steps.
      step: its number.
      like: shapes and dtypes of the states of this process's places.
      num_seeds: of all processes.
      share: those of this process.

    Returns:
      The states, on the host, and the history. Places beyond the process's seeds are filled with
      its last one; without any, with the last of all.

    Raises:
      ValueError: when it holds no such states.
    """
    ocp, places = _orbax(), len(like.iteration)
    rows = check(folder, step, like, num_seeds)  # which Orbax does not: it returns what there is
    part = 0 < len(share) < num_seeds
    if part:  # Orbax fills what was not saved with zeros
        rows, sharding = cluster.count() * places, _over_processes()
        chosen = np.arange(places).clip(max=len(share) - 1)
    else:
        chosen = (cluster.index() * places + np.arange(places)).clip(max=num_seeds - 1)

    def expect(x: jax.ShapeDtypeStruct) -> Any:
        shape = (rows, *x.shape[1:])
        if part:
            return jax.ShapeDtypeStruct(shape, x.dtype, sharding=sharding)
        return np.broadcast_to(np.zeros((), x.dtype), shape)  # takes no memory

    items = ocp.args.Composite(
        states=ocp.args.StandardRestore(jax.tree.map(expect, like), strict=not part),
        history=ocp.args.JsonRestore(),
    )
    options = ocp.CheckpointManagerOptions(**_among({cluster.index()}))
    with ocp.CheckpointManager(folder, options=options) as manager:
        restored = manager.restore(step, args=items)

    def choose(x: Any) -> np.ndarray:
        return np.asarray(x.addressable_data(0) if part else x)[chosen]

    return jax.tree.map(choose, restored["states"]), restored["history"]


def _leaves(tree: PyTree) -> dict[str, Any]:
    """Return the leaves by their names, whatever the nodes are."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): x for path, x in leaves}


def _of_a_place(leaves: dict[str, Any]) -> dict[str, Any]:
    return {name: (tuple(x.shape[1:]), np.dtype(x.dtype)) for name, x in leaves.items()}


def _among(processes: set[int]) -> dict[str, Any]:
    """Return options of Orbax: who takes part. Its barriers then need no devices."""
    if cluster.count() == 1:
        return {}
    together = _orbax().options.MultiprocessingOptions(
        primary_host=min(processes), active_processes=processes
    )
    return {"multiprocessing_options": together, "create": False}


def _over_processes() -> NamedSharding:
    """Return the layout of the places in host memory: each process has as many, in order."""
    cpus = {device.process_index: device for device in reversed(jax.devices("cpu"))}
    devices = np.array([cpus[i] for i in range(cluster.count())])
    return NamedSharding(jax.sharding.Mesh(devices, ("processes",)), PartitionSpec("processes"))


def _whole(x: np.ndarray) -> Any:
    """Make an array of the places of all processes out of this one's."""
    if cluster.count() == 1:
        return x
    own = jax.device_put(x, jax.local_devices(backend="cpu")[0])
    shape = (cluster.count() * x.shape[0], *x.shape[1:])
    return jax.make_array_from_single_device_arrays(shape, _over_processes(), [own])


def _orbax() -> Any:
    """Import Orbax, which takes its time, when it is needed first: in the background, mostly."""
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.CRITICAL)  # what fails is told by us, in one line
    return ocp
