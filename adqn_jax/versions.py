"""What made a file: packages, commit and device, as far as they can be known."""

import pathlib
import subprocess
from importlib import metadata

import jax

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ("adqn-jax", "jax", "jaxlib", "flax", "optax", "gymnax", "numpy")


def versions(*packages: str) -> dict[str, str]:
    """Name the versions of packages."""
    return {package: _version(package) for package in packages}


def made_with() -> dict[str, str]:
    """Name what a repetition needs to know beside the settings."""
    return versions(*_PACKAGES) | {
        "commit": _commit(),
        "device": f"{len(jax.devices())} x {_device_name()}",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed, run from its source"


def _commit() -> str:
    if not (_ROOT / ".git").exists():  # a repository further up is somebody else's
        return "unknown"
    command = ["git", "rev-parse", "HEAD"]
    try:
        said = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return "unknown"
    return said.stdout.strip() or "unknown"


def _device_name() -> str:
    device = jax.local_devices()[0]
    cpus = pathlib.Path("/proc/cpuinfo")
    if device.platform != "cpu" or not cpus.exists():
        return str(device.device_kind)
    lines = [line for line in cpus.read_text().splitlines() if line.startswith("model name")]
    return f"core of {lines[0].split(':')[1].strip()}" if lines else "cpu"
