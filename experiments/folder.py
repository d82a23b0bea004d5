"""A run's folder: who may write into it, and config.json."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import jax

import lock

_CONFIG = "config.json"


def file_name(env_name: str) -> str:
    """Turn an environment's name into one that a folder or a file can have."""
    return re.sub(r"[:/\\]", "_", env_name)


class Claim:
    """A folder that a run may write into, while it does."""

    def __init__(self, folder: pathlib.Path, run: dict[str, Any], *, resume: bool):
        """Remember what the run is."""
        self.folder = folder
        self.begun = False
        self.lock: lock.Lock | None = None
        self._run = run
        self._resume = resume

    def begin(self, *keep: str) -> None:
        """Write config.json, after deleting what is neither to be resumed nor to be kept."""
        checkpoints, deleted = self.folder / "checkpoints", self.folder / "deleted"
        shutil.rmtree(deleted, ignore_errors=True)
        partial = _partial_config(self.folder, self._run)
        if not self._resume and checkpoints.exists():
            # Whoever is killed in between leaves a run that starts anew when resumed.
            checkpoints.rename(deleted)
        os.replace(partial, self.folder / _CONFIG)
        self.begun = True
        if not self._resume:
            self._delete(keep=(_CONFIG, lock.NAME, *keep))

    def hold(self) -> None:
        """Make the folder anew where it has vanished.

        Raises:
          OSError: when it cannot be made, or another run is at work there by now.
        """
        assert self.lock is not None, "only a claimed folder is held"
        if self.lock.renew():
            write_config(self.folder, self._run)

    def _delete(self, keep: tuple[str, ...]) -> None:
        for path in self.folder.iterdir():
            if path.name in keep:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextlib.contextmanager
def claim(
    folder: pathlib.Path, run: dict[str, Any], *, overwrite: bool, resume: bool
) -> Iterator[Claim]:
    """Hold a run's folder; unless the run begins, what is there stays as it is.

    Raises:
      ValueError: when the folder holds a run and neither flag says what to do with it, when it
        cannot be written, when another run is at work there, or when what is to be resumed or
        overwritten is no such run.
    """
    _refuse(folder, run, overwrite=overwrite, resume=resume)
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    claimed, fresh = Claim(folder, run, resume=resume), not _occupied(folder)
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claimed.lock = lock.Lock(folder)
            if fresh:  # so that even a run that is killed while compiling can be resumed
                write_config(folder, run)
        except OSError as error:
            raise ValueError(
                f"cannot write to {folder}: {error.strerror}; choose another --out"
            ) from error
        yield claimed
    finally:
        if claimed.lock and fresh and not claimed.begun:
            (folder / _CONFIG).unlink(missing_ok=True)
        if claimed.lock:
            claimed.lock.release()
        if not claimed.begun:
            for path in new:
                with contextlib.suppress(OSError):
                    path.rmdir()


def write_config(folder: pathlib.Path, run: dict[str, Any]) -> None:
    """Write config.json, whole or not at all.

    Raises:
      OSError: when it cannot be written.
    """
    os.replace(_partial_config(folder, run), folder / _CONFIG)


def _partial_config(folder: pathlib.Path, run: dict[str, Any]) -> pathlib.Path:
    config = {"run": run, "made_with": versions()}
    partial = folder / "config.partial"
    try:
        partial.write_text(json.dumps(config, indent=2) + "\n")
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return partial


def _refuse(folder: pathlib.Path, run: dict[str, Any], *, overwrite: bool, resume: bool) -> None:
    config = folder / _CONFIG
    if (resume or overwrite) and not config.exists() and (resume or _occupied(folder)):
        what = "resume" if resume else "overwrite"
        raise ValueError(f"nothing to {what}: {folder} holds no run")
    if resume:
        before = _read_config(config)
        _refuse_differences(before["run"], run)
        _tell_versions(before["made_with"])
    elif _occupied(folder) and not overwrite:
        if not config.exists():
            raise ValueError(f"{folder} holds other files: --name chooses another folder")
        raise ValueError(
            f"{folder} already holds a run: --resume goes on with it, --overwrite deletes it, "
            f"--name chooses another folder"
        )


def _occupied(folder: pathlib.Path) -> bool:
    return folder.exists() and any(path.name != lock.NAME for path in folder.iterdir())


def _read_config(path: pathlib.Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text())
        flat_run, flat_versions = _flat(config["run"]), dict(config["made_with"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"nothing to resume: {path} is not what run.py writes; --overwrite starts anew"
        ) from error
    return {"run": flat_run, "made_with": flat_versions}


def _tell_versions(before: dict[str, str]) -> None:
    """Say what may keep a resumed run from being bit-equal."""
    now = versions()
    for name in ("jax", "jaxlib", "device"):
        if before.get(name) != now[name]:
            print(
                f"note: the run was begun with {name} {before.get(name)}, this is {now[name]}: "
                f"from here on its numbers may differ in rounding",
                file=sys.stderr,
            )


def _refuse_differences(before: dict[str, Any], now: dict[str, Any]) -> None:
    now = _flat(json.loads(json.dumps(now)))
    total = "train.total_timesteps"
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        longer = name.endswith(total) and isinstance(old, int) and new is not None and new >= old
        if old != new and not longer:
            raise ValueError(
                f"the run to resume has {name} {old}, not {new}: give the same settings (more "
                f"total_timesteps are welcome), or another --name"
            )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def versions() -> dict[str, str]:
    """Name what else a repetition needs to know."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=pathlib.Path(__file__).parent, capture_output=True,
        text=True, check=False,
    ).stdout.strip()  # fmt: skip
    packages = ("adqn-jax", "jax", "jaxlib", "flax", "optax", "gymnax", "numpy")
    return {
        **{package: metadata.version(package) for package in packages},
        "commit": commit or "unknown",
        "device": f"{len(jax.local_devices())} x {_device_name()}",
    }


def _device_name() -> str:
    device = jax.local_devices()[0]
    cpus = pathlib.Path("/proc/cpuinfo")
    if device.platform != "cpu" or not cpus.exists():
        return str(device.device_kind)
    lines = [line for line in cpus.read_text().splitlines() if line.startswith("model name")]
    return f"core of {lines[0].split(':')[1].strip()}" if lines else "cpu"
