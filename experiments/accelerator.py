"""Measure this machine's GPU or TPU: tests, throughput, the README's run, and a profile.

Every part is a process of its own, so that each has the device for itself. What a part has found is
in the folder as soon as it has ended; one that fails or takes too long does not stop the others.
A part that is run again replaces what it found before; of the others that stays.
"""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from typing import Annotated, Any

from support import cli

if __name__ == "__main__":
    import jax

    # Before gymnax makes JAX look for devices: the accelerator's memory is left to the parts.
    jax.config.update("jax_platforms", "cpu")

from adqn_jax.results import files
from adqn_jax.runs.ending import StopError
from adqn_jax.runs.interrupts import Interrupts
from adqn_jax.versions import versions

_HERE = pathlib.Path(__file__).parent
_RECORDINGS = (
    "tests/test_envs/test_golden_trajectories.py",
    "tests/test_adqn_jax/value/test_golden_losses.py",
    "tests/test_adqn_jax/actor_critic/test_golden_actor_critics.py",
)
_ASK = "import jax; print(jax.default_backend(), jax.devices()[0].device_kind, sep='|')"
#: Eight processes share a device; what is stopped has named what passed.
_PYTEST = ("-n", "auto", "--maxprocesses", "8", "-v", "-W", "default")
_JOB = ("--env", "carflag", "--algo", "adqn-vr", "--seeds", "20")
_SETTING = ("--env", "carflag", "--algo", "adqn-vr", "--preset", "fast")


@dataclasses.dataclass(frozen=True)
class Part:
    """A command, and the seconds after which it is stopped."""

    words: tuple[str, ...]
    seconds: float
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


def parts(folder: pathlib.Path, seeds: tuple[int, ...]) -> dict[str, Part]:
    """Name the parts, in their order.

    Args:
      folder: where the results go.
      seeds: numbers of seeds whose throughput is measured.
    """

    def ours(script: str, *words: str) -> tuple[str, ...]:
        return (sys.executable, str(_HERE / script), *words)

    def tests(*words: str) -> tuple[str, ...]:
        # Warnings of whatever is installed are no errors.
        return (sys.executable, "-m", "pytest", *_PYTEST, *words)

    on_device = {"ADQN_JAX_TEST_ACCELERATOR": "1"}
    numbers = tuple(map(str, seeds))
    scaling = ("scaling", *_SETTING, "--seconds", "1", "--seeds")
    return {
        # The README's run, from the start of its process to the last file.
        "run": Part(ours("run.py", *_JOB, "--out", str(folder / "run"), "--overwrite"), 180.0),
        "scaling": Part(
            ours("benchmark.py", *scaling, *numbers, "--json", str(folder / "scaling.json")), 240.0
        ),
        "kernels": Part(
            ours("benchmark.py", "kernels", *_SETTING, "--json", str(folder / "kernels.json")),
            120.0,
        ),
        # The same machine without its accelerator.
        "scaling-cpu": Part(
            ours("benchmark.py", *scaling, *numbers[-1:], "--json", str(folder / "cpu.json")),
            120.0,
            {"JAX_PLATFORMS": "cpu"},
        ),
        "tests": Part(tests("tests/accelerator"), 180.0, on_device),
        # Sums in one order: then two runs must agree in every bit.
        "deterministic": Part(
            tests("tests/accelerator", "-k", "twice"),
            120.0,
            on_device | {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"},
        ),
        # All 92 would take too long: each compiles programs of its own.
        "recordings": Part(tests(*_RECORDINGS, "-k", "heavenhell-3"), 240.0, on_device),
    }


def measure(
    to: pathlib.Path = pathlib.Path("docs/results"),
    only: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (1, 20, 160),
    seconds: Annotated[float, cli.tyro.conf.arg(metavar="S")] = 570.0,
) -> None:
    """Run the parts, one after the other, into a folder that is called after the device.

    Args:
      to: folder in which that folder is made.
      only: parts to run: run, scaling, kernels, scaling-cpu, tests, deterministic, recordings; by
        default all of them.
      seeds: numbers of seeds whose throughput is measured.
      seconds: that all parts may take together; those that no time is left for do not begin.

    Raises:
      ValueError: when there is no accelerator, or no such part.
      StopError: when interrupted.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be greater than 0, got {seconds}")
    if not seeds or min(seeds) < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    unknown = set(only) - set(parts(to, seeds))
    if unknown:
        known = ", ".join(parts(to, seeds))
        raise ValueError(f"no part is called {', '.join(sorted(unknown))}; known are {known}")
    end = time.monotonic() + seconds
    device = _device()
    folder = (to / f"gpu-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    record, interrupts, failed = folder / "parts.json", Interrupts(math.inf), []
    about = {"device": device, "packages": versions("jax", "jaxlib")}
    done = _measured_before(record, about)
    with interrupts:
        for name, part in parts(folder, seeds).items():
            if only and name not in only:
                continue
            left, result = end - time.monotonic(), None
            if left > 0:
                log = folder / f"{name}.log"
                result = _run(part, min(part.seconds, left), log, interrupts)
            told = "no time left" if result is None else f"exit code {result['code']}"
            taken = 0.0 if result is None else result["seconds"]
            print(f"{name:>12}: {told} after {taken:.0f} s", flush=True)
            if result is None or result["code"] != 0:
                failed.append(name)
            done[name] = result or done.get(name)
            files.write_text(record, json.dumps(about | {"parts": done}, indent=2) + "\n")
            if interrupts.stop:
                raise StopError(interrupts.code, f"{interrupts.reason} in {name}; see {folder}")
    print(f"results are in {folder}")
    if failed:
        sys.exit(f"error: not finished: {', '.join(failed)}; see their logs in {folder}")


def _device() -> str:
    """Return the accelerator's name, as a process of its own sees it.

    Raises:
      ValueError: when there is none.
    """
    asked = subprocess.run(
        [sys.executable, "-c", _ASK], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise ValueError(f"JAX finds no device: {asked.stderr.strip().splitlines()[-1]}")
    platform, kind = asked.stdout.strip().splitlines()[-1].split("|")
    if platform == "cpu":
        raise ValueError("JAX sees a CPU alone; with an NVIDIA GPU: pip install -e '.[cuda13]'")
    return kind


def _measured_before(record: pathlib.Path, about: dict[str, Any]) -> dict[str, Any]:
    """Return the parts that are on record, if they were measured with the same things."""
    try:
        before = dict(json.loads(record.read_text()))
    except (OSError, ValueError, TypeError):  # there is no record
        return {}
    parts: dict[str, Any] = before.pop("parts", {})
    return parts if before == about else {}


def _run(part: Part, seconds: float, log: pathlib.Path, interrupts: Interrupts) -> dict[str, float]:
    """Run a part until it ends, time is up, or something asks to stop; then nothing of it runs on.

    Returns:
      Its exit code and seconds; its words and its output are in the log.
    """
    begin = time.perf_counter()
    with log.open("w") as output:
        output.write(f"$ {' '.join(part.words)}\n")
        output.flush()
        process = subprocess.Popen(
            part.words, cwd=_HERE.parent, env=os.environ | part.environment, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            end = begin + seconds
            while not interrupts.stop and (left := end - time.perf_counter()) > 0:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(min(left, 0.2))
                    break
        finally:  # its children neither may stay on the device
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    return {"code": code, "seconds": round(time.perf_counter() - begin, 1)}


def main() -> None:
    """Measure."""
    omit = (cli.tyro.conf.OmitArgPrefixes,)
    cli.parse(measure, args=sys.argv[1:], description=__doc__, config=omit)


if __name__ == "__main__":
    cli.run(main)
