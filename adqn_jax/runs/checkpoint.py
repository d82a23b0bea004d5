"""Checkpoints of a run: the whole state of all seeds and the metrics so far, with Orbax.

A checkpoint is a folder named by the iterations finished. Orbax's CheckpointManager writes it:
`states/` and `history/` under another name, then renamed, so that it is there whole or not at all;
and it keeps the last two. `manifest.json` is ours, and tells later whether a checkpoint still is
as it was written. Loading reads numbers and JSON, and executes nothing.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from adqn_jax.runs import cluster, manifest, storage
from adqn_jax.runs.ending import CANNOT_WRITE, StopError, reason
from adqn_jax.types import PyTree, TrainState


@dataclasses.dataclass(frozen=True)
class Newest:
    """The newest checkpoint that is whole."""

    iterations: int
    damaged: tuple[str, ...]  # a sentence for every newer one


class Checkpoints:
    """The two newest checkpoints of a run, in one folder; written in the background."""

    def __init__(self, folder: pathlib.Path, num_seeds: int, share: range | None = None):
        """Use the folder, which is created when the first checkpoint of the seeds is written.

        This process has a share of the seeds: all of them, unless it is one of several.
        """
        self.folder = folder.absolute()
        self.num_seeds = num_seeds
        self.share = range(num_seeds) if share is None else share
        self.last: int | None = None  # written or restored
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: concurrent.futures.Future[int] | None = None
        self._error: OSError | None = None

    def newest(self) -> Newest | None:
        """Find the newest whole checkpoint; None when the folder holds none at all.

        Raises:
          ValueError: when those that it holds are all damaged, or of another format.
          OSError: when the disk does not tell what it holds.
        """
        found = cluster.from_first(lambda: dataclasses.astuple(self._newest() or Newest(-1, ())))
        iterations, damaged = found
        return Newest(iterations, tuple(damaged)) if iterations >= 0 else None

    def _newest(self) -> Newest | None:
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
          states: of all seeds, leaves [S or more, ...]; what is beyond S is left out. Or of this
            process's places, which are written one and all. They may be donated as soon as this
            returns.
          history: whatever else belongs to them, and JSON can hold.
        """
        self._collect()
        if iterations != self.last:
            most = self.num_seeds if cluster.count() == 1 else None
            host = jax.tree.map(lambda x: _copy(x, most), _with_bits(states))
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
        cluster.wait(pending)  # not for ever: who cannot write leaves
        try:
            self.last, self._error = pending.result(), None
        except OSError as error:
            self._error = error

    def check_states(self, iterations: int, like: TrainState) -> None:
        """Look whether a checkpoint that `newest` found whole has such states, without reading.

        Raises:
          ValueError: when it does not.
        """
        with self._told(iterations):
            storage.check(self.folder, iterations, _bits_of(like), self.num_seeds)

    def restore(self, iterations: int, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Load a checkpoint that `newest` found whole.

        Args:
          iterations: which one.
          like: shapes, dtypes and shardings of the states of this process's places. There may be
            more of these than it has seeds, as the number of devices decides: the last one fills
            them.

        Returns:
          The states and the history.

        Raises:
          ValueError: when the checkpoint does not hold such states.
        """
        with self._told(iterations):
            host, history = storage.read(
                self.folder, iterations, _bits_of(like), self.num_seeds, self.share
            )
        states = dataclasses.replace(host, key=jax.random.wrap_key_data(host.key))
        self.last = iterations
        return jax.tree.map(lambda x, y: jax.device_put(x, y.sharding), states, like), history

    @contextlib.contextmanager
    def _told(self, iterations: int) -> Iterator[None]:
        """Say which checkpoint holds something else.

        Raises:
          ValueError: of whatever kind the error was.
        """
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            step = self.folder / str(iterations)
            raise ValueError(
                f"{step} holds no states of this run's networks and buffer ({_line(error)})"
            ) from error

    def _write(self, iterations: int, host: PyTree, history: dict[str, Any]) -> int:
        def write_manifest() -> None:
            [partial] = self.folder.glob(f"{iterations}.*")
            manifest.write(partial)

        # Where process 0 fails, all try again later; where one fails later on, all end.
        if problem := cluster.from_first(lambda: self._prepare(host), "checkpoint"):
            raise OSError(*problem)
        try:
            storage.write(self.folder, iterations, host, history, write_manifest)
        except Exception as error:  # tensorstore raises what it likes
            if cluster.count() > 1:
                sentence = (
                    f"process {cluster.index()} could not write a checkpoint ({_line(error)}): "
                    f"when that is mended, --resume goes on from the last one"
                )
                raise StopError(CANNOT_WRITE, sentence) from error
            self._delete_unfinished()
            if isinstance(error, OSError):
                raise
            raise OSError(_line(error)) from error
        return iterations

    def _prepare(self, host: PyTree) -> list[Any] | None:
        """Make room for a checkpoint; return what an error would be made of."""
        try:
            self.folder.mkdir(exist_ok=True)
            self._delete_unfinished()  # what a killed run left
            for step in self._steps():
                if self.last is None or step > self.last:  # a damaged one
                    shutil.rmtree(self.folder / str(step))
            size = sum(x.nbytes for x in jax.tree.leaves(host))
            storage.reserve(self.folder, cluster.count() * size)
        except OSError as error:
            self._delete_unfinished()
            file = error.filename and str(error.filename)
            return [error.errno, error.strerror or str(error), file]
        return None

    def _steps(self) -> list[int]:
        """List the checkpoints; what cannot be listed is no empty folder, as it is to `glob`."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        return [int(name) for name in names if name.isdecimal()]

    def _delete_unfinished(self) -> None:
        for path in self.folder.glob("*.*"):
            shutil.rmtree(path, ignore_errors=True)


def _bits_of(like: TrainState) -> TrainState:
    """Return the shapes and dtypes of what is saved of such states."""
    bits: TrainState = jax.eval_shape(_with_bits, like)
    return bits


def _with_bits(states: TrainState) -> TrainState:
    """Replace the typed keys by their bits, which any checkpoint can hold."""
    return dataclasses.replace(states, key=jax.random.key_data(states.key))


def _copy(x: jax.Array, num_places: int | None) -> np.ndarray:
    """Copy an array shard by shard: `np.asarray` of the whole would keep another copy alive."""
    whole = np.empty(x.shape, x.dtype)
    for shard in x.addressable_shards:
        whole[shard.index] = shard.data
    return whole[:num_places]


def _line(error: Exception) -> str:
    return reason(error) if isinstance(error, OSError) else str(error).partition("\n")[0]
