"""Checkpoints of a run: the whole state of all seeds and the metrics so far, with orbax.

A checkpoint is a folder named by the iterations finished: `states/` (orbax), `history.json`, and
`manifest.json`, written last, with the format's number and every file's size and SHA-256. It is
written under another name and then renamed, so that it is there whole or not at all; the manifest
tells later whether it still is. Loading reads numbers and JSON, and executes nothing.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from adqn_jax.types import PyTree, TrainState

#: Number of the format; a checkpoint of another one is refused.
FORMAT = 1
_KEEP = 2
_MANIFEST = "manifest.json"


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
        names = [int(p.name) for p in self.folder.glob("*") if p.name.isdecimal()]
        damaged: list[str] = []
        for iterations in sorted(names, reverse=True):
            problem = _problem(self.folder / str(iterations))
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
            self._pending = self._pool.submit(self._write, iterations, host, json.dumps(history))

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
        step = self.folder / str(iterations)

        def empty(x: jax.ShapeDtypeStruct) -> np.ndarray:
            shape = (self.num_seeds, *x.shape[1:])
            return np.broadcast_to(np.zeros((), x.dtype), shape)  # takes no memory

        expected = jax.tree.map(empty, jax.eval_shape(_with_bits, like))
        try:
            orbax = ocp.Checkpointer(ocp.StandardCheckpointHandler())
            host = orbax.restore(step / "states", args=ocp.args.StandardRestore(expected))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{step} holds no states of this run's networks and buffer") from error
        places = len(like.iteration)
        host = jax.tree.map(lambda x: x[np.arange(places).clip(max=self.num_seeds - 1)], host)
        states = dataclasses.replace(host, key=jax.random.wrap_key_data(host.key))
        self.last = iterations
        history = json.loads((step / "history.json").read_text())
        return jax.tree.map(lambda x, y: jax.device_put(x, y.sharding), states, like), history

    def _write(self, iterations: int, host: PyTree, history: str) -> int:
        partial, step = self.folder / "partial", self.folder / str(iterations)
        try:
            self.folder.mkdir(exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)  # what a killed run left
            partial.mkdir()
            _reserve(partial / "room", sum(x.nbytes for x in jax.tree.leaves(host)))
            (partial / "history.json").write_text(history + "\n")
            orbax = ocp.Checkpointer(ocp.StandardCheckpointHandler())
            orbax.save(partial / "states", args=ocp.args.StandardSave(host))
            manifest = {"format": FORMAT, "files": _digests(partial)}
            (partial / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
            shutil.rmtree(step, ignore_errors=True)  # a damaged one may be there
            os.replace(partial, step)
            self._delete_others(iterations)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        except Exception as error:  # tensorstore raises what it likes
            shutil.rmtree(partial, ignore_errors=True)
            raise OSError(str(error).splitlines()[0]) from error
        return iterations

    def _delete_others(self, iterations: int) -> None:
        kept = {str(iterations), str(self.last)}
        for step in self.folder.glob("*"):
            if step.name.isdecimal() and step.name not in kept:
                shutil.rmtree(step)


def _with_bits(states: TrainState) -> TrainState:
    """Replace the typed keys by their bits, which any checkpoint can hold."""
    return dataclasses.replace(states, key=jax.random.key_data(states.key))


def _copy(x: jax.Array, num_seeds: int) -> np.ndarray:
    """Copy an array shard by shard: `np.asarray` of the whole would keep another copy alive."""
    whole = np.empty(x.shape, x.dtype)
    for shard in x.addressable_shards:
        whole[shard.index] = shard.data
    return whole[:num_seeds]


def _reserve(path: pathlib.Path, size: int) -> None:
    """Make sure that so many bytes can be written, and give them back.

    On a full disk, tensorstore would go on for pages.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        path.unlink()


def _digests(folder: pathlib.Path) -> dict[str, list[Any]]:
    """Return size and SHA-256 of every file but the manifest, by its path in the folder."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / _MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            digests[path.relative_to(folder).as_posix()] = [path.stat().st_size, digest]
    return digests


def _problem(step: pathlib.Path) -> str:
    """Say what is wrong with a checkpoint; nothing when it is whole.

    Raises:
      ValueError: when it has another format.
    """
    try:
        manifest = json.loads((step / _MANIFEST).read_text())
        number, written = manifest["format"], dict(manifest["files"])
        found = _digests(step)
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
