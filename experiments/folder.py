"""A run's folder: who may write into it, and config.json."""

import json
import pathlib
import shutil
import subprocess
from importlib import metadata
from typing import Any

import jax


def claim(folder: pathlib.Path, run: dict[str, Any], *, overwrite: bool, resume: bool) -> None:
    """Make sure that the run may be written here; what is there stays as it is.

    Raises:
      FileExistsError: when the folder holds a run, and neither flag says what to do with it.
      ValueError: when it cannot be written, or what is to be resumed or overwritten is no such run.
    """
    config = folder / "config.json"
    if (resume or overwrite) and not config.exists() and (resume or _occupied(folder)):
        what = "resume" if resume else "overwrite"
        raise ValueError(f"nothing to {what}: {folder} holds no run")
    if resume:
        _refuse_differences(json.loads(config.read_text())["run"], run)
    elif _occupied(folder) and not overwrite:
        raise FileExistsError(
            f"{folder} already holds a run: --resume goes on with it, --overwrite deletes it, "
            f"--name chooses another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"cannot write to {folder}: {error.strerror}; choose another --out"
        ) from error


def begin(folder: pathlib.Path, run: dict[str, Any], *, resume: bool) -> None:
    """Write config.json, after deleting what is not to be resumed."""
    if not resume:
        shutil.rmtree(folder)
        folder.mkdir()
    config = {"run": run, "made_with": versions()}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def _occupied(folder: pathlib.Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _refuse_differences(before: dict[str, Any], now: dict[str, Any]) -> None:
    before, now = _flat(before), _flat(json.loads(json.dumps(now)))
    for name in sorted({*before, *now}):
        longer = name == "train.total_timesteps" and now[name] >= before[name]
        if before.get(name) != now.get(name) and not longer:
            raise ValueError(
                f"the run to resume has {name} {before.get(name)}, not {now.get(name)}: give the "
                f"same settings, or another --name"
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
