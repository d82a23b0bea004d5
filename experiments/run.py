"""Train many seeds of one algorithm on one environment, in one compiled program.

Writes <out>/<env>/<algo>/<name>/: config.json, metrics.csv, curve.png, policy/ and checkpoints/.

SIGINT (Ctrl-C), SIGTERM and SIGHUP stop the run as soon as all is saved; a second Ctrl-C leaves at
once. --resume goes on, after kill -9 from the last checkpoint. Exit codes: 0 done; 1 all seeds have
failed; 2 bad input, nothing was changed; 69 another process of a run in several is gone (see
docs/clusters.md); 70 an environment that the host steps has failed; 74 results could not be
written; 75 --timeout reached; 129, 130 and 143 interrupted by SIGHUP, SIGINT and
SIGTERM.
"""

import sys
from collections.abc import Callable

from support import cli, distributed

if __name__ == "__main__":
    cli.set_up(distributed.join)

from adqn_jax import SeedRunner, runs
from adqn_jax.runs.ending import ALL_FAILED, StopError
from adqn_jax.runs.interrupts import Interrupts
from support import chosen, options


def train(args: options.Args, make_runner: Callable[..., SeedRunner] = runs.make_runner) -> None:
    """Train, or only say what it would take; `make_runner` makes what trains."""
    env, env_params, teacher = chosen.world(args)
    options.print_unread(args)
    point = runs.Point(chosen.experiment(args, env), chosen.folder(args))
    runner = make_runner([point], env, env_params, teacher, **options.hosting(args))
    if args.dry_run:
        runs.describe([point], runner)
        return
    how = runs.Options(
        folder=point.folder,
        overwrite=args.overwrite,
        resume=args.resume,
        checkpoint_minutes=args.checkpoint_minutes,
        interrupts=Interrupts(args.timeout),
        log=args.log,
        stop_when_solved=args.stop_when_solved,
    )
    if not runs.train([point], runner, how):
        raise StopError(ALL_FAILED, f"all {args.seeds} seeds have failed")


def main() -> None:
    """Train what the command line says."""
    train(options.parse(sys.argv[1:], __doc__))


if __name__ == "__main__":
    cli.run(main)
