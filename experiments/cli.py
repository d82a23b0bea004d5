"""What every script does at its edges: devices, compilation cache, and bad input.

Scripts import this module before any other of ours: importing it sets JAX up, which must happen
before JAX looks for devices, and gymnax makes it look when it is imported.
"""

import os
import pathlib
import sys
from collections.abc import Callable

import jax


def run(main: Callable[[], None]) -> None:
    """Run a script; bad input ends it with one sentence on stderr and exit code 2."""
    try:
        main()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _use_every_core() -> None:
    """Make every core a device, unless XLA_FLAGS says otherwise.

    Seeds shared out among as many single-core programs run faster than one program that leaves
    its small products to XLA's threads.
    """
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


def _cache_compilations() -> None:
    """Keep compiled programs between runs, unless JAX is told where or whether to."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(cache / "adqn_jax"))


_use_every_core()
_cache_compilations()
