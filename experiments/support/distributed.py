"""Runs in several processes, on one machine or on many: how they find each other.

Like `cli`, it imports nothing that makes JAX look for devices: that comes after `join`.
"""

import contextlib
import dataclasses
import os
import sys

from support import cli

#: Seconds that a process waits for the others to come.
_PATIENCE = 300
#: Seconds that a process which has ended waits for the others to end: process 0 has more to write.
_LAST = 3600
#: Seconds after which JAX aborts whoever it does not hear of; `runs.cluster` is quicker.
_HEARTBEAT = 60


@dataclasses.dataclass(frozen=True)
class Processes:
    """How a run is spread over processes."""

    distributed: bool = False
    """Share the seeds out among several processes, on one host or on many, each of which is started
    with this same command: JAX finds them on SLURM, Open MPI, Kubernetes and Cloud TPU, elsewhere
    the next three options tell (docs/clusters.md)."""
    coordinator: str | None = None
    """HOST:PORT of process 0, any free port; with --distributed."""
    processes: int | None = None
    """How many processes there are; with --coordinator."""
    process: int | None = None
    """Which of them this is, from 0; with --coordinator."""

    def check(self) -> None:
        """Check that this is all that is needed, and that it fits together.

        Raises:
          ValueError: when it does not.
        """
        told = (self.coordinator, self.processes, self.process)
        if told == (None, None, None):
            return
        if self.coordinator is None or self.processes is None or self.process is None:
            missing = ("coordinator", "processes", "process")[told.index(None)]
            raise ValueError(
                f"--coordinator, --processes and --process go together: --{missing} is missing"
            )
        if not self.distributed:
            raise ValueError("--coordinator, --processes and --process need --distributed")
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ValueError(f"coordinator must be HOST:PORT, got {self.coordinator!r}")
        if self.processes < 1:
            raise ValueError(f"processes must be at least 1, got {self.processes}")
        if not 0 <= self.process < self.processes:
            raise ValueError(
                f"process must be from 0 to {self.processes - 1}, as there are {self.processes} "
                f"processes, got {self.process}"
            )


def join() -> None:
    """Join the other processes, if the command line says that there are any.

    Raises:
      ValueError: when it contradicts itself, or they cannot be found.
    """
    words = [word for word in sys.argv[1:] if word not in ("-h", "--help")]
    args, _ = cli.parse(Processes, args=words, return_unknown_args=True)
    args.check()
    if not args.distributed or len(words) < len(sys.argv) - 1:
        return
    import jax

    # Checkpoints pass through the hosts' memory, which is a device of JAX, too.
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and "cpu" not in platforms.split(","):
        jax.config.update("jax_platforms", f"{platforms},cpu")
    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is ours
    # Seeds never talk; and what lets CPUs do so wants a host's own name to have an address.
    jax.config.update("jax_cpu_collectives_implementation", None)
    cli.on_abort(lambda: _not_met(args))
    try:
        jax.distributed.initialize(
            args.coordinator, args.processes, args.process,
            initialization_timeout=_PATIENCE, heartbeat_timeout_seconds=_HEARTBEAT,
            shutdown_timeout_seconds=_LAST,
        )  # fmt: skip
    except (ValueError, RuntimeError) as error:
        line = str(error).partition("\n")[0]
        if args.coordinator is None:
            raise ValueError(
                f"--distributed finds no processes of SLURM, Open MPI, Kubernetes or Cloud TPU "
                f"({line}): give --coordinator HOST:PORT --processes N --process I"
            ) from error
        raise ValueError(f"process {args.process} cannot meet the others: {line}") from error
    finally:
        cli.on_abort(None)


def _not_met(args: Processes) -> None:
    """End a process that JAX aborts, below a report of JAX's own."""
    where = f" at {args.coordinator}" if args.coordinator else ""
    sentence = f"error: after {_PATIENCE} seconds not all processes have met{where}\n"
    with contextlib.suppress(OSError):  # nobody may be there to read it
        os.write(2, sentence.encode())
    os._exit(2)
