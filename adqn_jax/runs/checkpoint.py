"""Checkpoints of a run: the whole state of all seeds and the metrics so far, with Orbax.

A checkpoint is a folder named by the iterations finished. Orbax's CheckpointManager writes it:
`states/` and `history/` under another name, then renamed, so that it is there whole or not at all;
and it keeps the last two. `manifest.json` is ours, and tells later whether a checkpoint still is
as it was written. Loading reads numbers and JSON, and executes nothing.
"""

import concurrent.futures
import dataclasses
import json
import logging
import os
import pathlib
import shutil
import tempfile
from typing import Any

import jax
import numpy as np

from adqn_jax.runs import manifest
from adqn_jax.types import PyTree, TrainState

_KEEP = 2
_TIMEOUT_SECONDS = 86_400  # Orbax gives up after 20 minutes, and a slow disk may need more


@dataclasses.dataclass(frozen=True)
class Newest:
    """The newest checkpoint that is whole."""

    iterations: int
    damaged: tuple[str, ...]  # a sentence for every newer one


class Checkpoints:
    """The two newest checkpoints of a run, in one folder; written in the background."""

    def __init__(self, folder: pathlib.Path, num_seeds: int):
        """Use the folder, which is created when the first checkpoint of the seeds is written."""
        self.folder = folder.absolute()
        self.num_seeds = num_seeds
        self.last: int | None = None  # written or restored
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: concurrent.futures.Future[int] | None = None
        self._error: OSError | None = None

    def newest(self) -> Newest | None:
        """Find the newest whole checkpoint; None when the folder holds none at all.

        Raises:
          ValueError: when those that it holds are all damaged, or of another format.
        """
        damaged: list[str] = []
        for iterations in sorted(self._steps(), reverse=True):
            problem = manifest.problem(self.folder / str(iterations))
            if not problem:
                return Newest(iterations, tuple(damaged))
            damaged.append(f"checkpoint {iterations} is damaged: {problem}")
        if damaged:
            raise ValueError(
                f"no checkpoint in {self.folder} is whole ({'; '.join(damaged)}): nothing was "
                f"deleted; --overwrite starts anew, --name elsewhere"
            )
        return None

    def save(self, iterations: int, states: TrainState, history: dict[str, Any]) -> None:
        """Copy the states to the host, and write them in the background.

        How that went is what `check` and `wait` tell.

        Args:
          iterations: finished so far.
          states: of all seeds, leaves [S or more, ...]; what is beyond S is left out. They may be
            donated as soon as this returns.
          history: whatever else belongs to them, and JSON can hold.
        """
        self._collect()
        if iterations != self.last:
            host = jax.tree.map(lambda x: _copy(x, self.num_seeds), _with_bits(states))
            # Training goes on with the history while it is being written.
            history = json.loads(json.dumps(history))
            self._pending = self._pool.submit(self._write, iterations, host, history)

    def check(self) -> None:
        """Look how the last save went that has ended.

        Raises:
          OSError: when it failed; the checkpoints before it are still there.
        """
        if self._pending is not None and self._pending.done():
            self._collect()
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises:
          OSError: when the last save failed; the checkpoints before it are still there.
        """
        self._collect()
        self.check()

    def _collect(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            self.last, self._error = pending.result(), None
        except OSError as error:
            self._error = error

    def restore(self, iterations: int, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Load a checkpoint that `newest` found whole.

        Args:
          iterations: which one.
          like: shapes, dtypes and shardings of the states. They may have room for more seeds
            than were saved, as the number of devices decides: the last one fills it.

        Returns:
          The states and the history.

        Raises:
          ValueError: when the checkpoint does not hold such states.
        """

        def empty(x: jax.ShapeDtypeStruct) -> np.ndarray:
            shape = (self.num_seeds, *x.shape[1:])
            return np.broadcast_to(np.zeros((), x.dtype), shape)  # takes no memory

        expected = jax.tree.map(empty, jax.eval_shape(_with_bits, like))
        try:
            host, history = self._read(iterations, expected)
        except (ValueError, KeyError, TypeError) as error:
            step = self.folder / str(iterations)
            raise ValueError(f"{step} holds no states of this run's networks and buffer") from error
        places = len(like.iteration)
        host = jax.tree.map(lambda x: x[np.arange(places).clip(max=self.num_seeds - 1)], host)
        states = dataclasses.replace(host, key=jax.random.wrap_key_data(host.key))
        self.last = iterations
        return jax.tree.map(lambda x, y: jax.device_put(x, y.sharding), states, like), history

    def _read(self, iterations: int, expected: PyTree) -> tuple[PyTree, dict[str, Any]]:
        ocp = _orbax()
        items = ocp.args.Composite(
            states=ocp.args.StandardRestore(expected), history=ocp.args.JsonRestore()
        )
        with ocp.CheckpointManager(self.folder) as manager:
            restored = manager.restore(iterations, args=items)
        return restored["states"], restored["history"]

    def _write(self, iterations: int, host: PyTree, history: dict[str, Any]) -> int:
        try:
            self.folder.mkdir(exist_ok=True)
            self._delete_unfinished()  # what a killed run left
            for step in self._steps():
                if self.last is None or step > self.last:  # a damaged one
                    shutil.rmtree(self.folder / str(step))
            _reserve(self.folder, sum(x.nbytes for x in jax.tree.leaves(host)))
            self._save(iterations, host, history)
        except Exception as error:  # tensorstore raises what it likes
            self._delete_unfinished()
            if isinstance(error, OSError):
                raise
            raise OSError(str(error).partition("\n")[0]) from error
        return iterations

    def _save(self, iterations: int, host: PyTree, history: dict[str, Any]) -> None:
        def write_manifest() -> None:
            [partial] = self.folder.glob(f"{iterations}.*")
            manifest.write(partial)

        ocp = _orbax()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=_KEEP,
            # Orbax calls it when everything is written, and renames the folder afterwards.
            async_options=ocp.AsyncOptions(
                timeout_secs=_TIMEOUT_SECONDS, post_finalization_callback=write_manifest
            ),
        )
        items = ocp.args.Composite(
            states=ocp.args.StandardSave(host), history=ocp.args.JsonSave(history)
        )
        with ocp.CheckpointManager(self.folder, options=options) as manager:
            manager.save(iterations, args=items, force=True)

    def _steps(self) -> list[int]:
        return [int(path.name) for path in self.folder.glob("*") if path.name.isdecimal()]

    def _delete_unfinished(self) -> None:
        for path in self.folder.glob("*.*"):
            shutil.rmtree(path, ignore_errors=True)


def _with_bits(states: TrainState) -> TrainState:
    """Replace the typed keys by their bits, which any checkpoint can hold."""
    return dataclasses.replace(states, key=jax.random.key_data(states.key))


def _copy(x: jax.Array, num_seeds: int) -> np.ndarray:
    """Copy an array shard by shard: `np.asarray` of the whole would keep another copy alive."""
    whole = np.empty(x.shape, x.dtype)
    for shard in x.addressable_shards:
        whole[shard.index] = shard.data
    return whole[:num_seeds]


def _reserve(folder: pathlib.Path, size: int) -> None:
    """Make sure that so many bytes can be written, and give them back.

    On a full disk or beyond a quota, tensorstore would go on for pages.
    """
    if hasattr(os, "posix_fallocate"):
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)


def _orbax() -> Any:
    """Import Orbax, which takes its time, when it is needed first: in the background, mostly."""
    import orbax.checkpoint as ocp

    logging.getLogger("absl").setLevel(logging.CRITICAL)  # what fails is told by us, in one line
    return ocp
