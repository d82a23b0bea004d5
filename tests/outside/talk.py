"""Processes that talk to each other, and one of which ends before the others: see test_cluster."""

import concurrent.futures
import json
import os
import signal
import sys

from support import cli, distributed

if __name__ == "__main__":
    cli.set_up(distributed.join)

from adqn_jax.runs import cluster
from adqn_jax.runs.ending import StopError

cluster.LOST_SECONDS = 3.0


def main() -> None:
    """Talk, and then do what the first word says."""
    me = cluster.index()
    assert cluster.gather({"process": me}) == [{"process": i} for i in range(cluster.count())]
    assert cluster.gather([me, 0.1], "checkpoint")[1] == [1, 0.1]
    assert cluster.from_first(lambda: f"said by {me}") == "said by 0"
    print(json.dumps({"said by": me}), flush=True)
    match sys.argv[1]:
        case "leave" | "leave-beside" if me == 1:
            raise StopError(74, "the disk of process 1 is full")
        case "vanish" if me == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        case "vanish-first" if me == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave-beside":
            cluster.wait(concurrent.futures.Future())  # as for a barrier, which process 1 misses
    cluster.gather("is anybody there?")


if __name__ == "__main__":
    cli.run(main)
