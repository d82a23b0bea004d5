"""From experiments to a run at work: what trains them, what that needs, what refuses it."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from adqn_jax import extras
from adqn_jax.host import Hosting, HostRunner, steps_on_host
from adqn_jax.parallel import SeedRunner
from adqn_jax.results import experiment
from adqn_jax.results.experiment import CURVE
from adqn_jax.runs import cluster, sinks
from adqn_jax.runs.checkpoint import Checkpoints
from adqn_jax.runs.folder import claim
from adqn_jax.runs.memory import Memory
from adqn_jax.runs.outcome import Point
from adqn_jax.runs.records import Records
from adqn_jax.runs.session import Options, Session
from adqn_jax.runs.training import Training
from adqn_jax.teacher import Teacher
from adqn_jax.trainer import make_trainer


def make_runner(
    points: Sequence[Point], env: Any, env_params: Any, teacher: Teacher | None = None,
    hosting: Hosting | None = None,
) -> SeedRunner:  # fmt: skip
    """Return what trains points side by side; they differ in traced numbers only.

    The expert of algorithms that are given one is the same for all seeds. `hosting` says how the
    host steps an environment that cannot be compiled.

    Raises:
      ValueError: when the configuration cannot be run.
    """
    first = points[0].experiment
    numbers = [point.experiment.config.parts["hyper"] for point in points]
    hyper = jax.tree.map(lambda *of_points: np.array(of_points), *numbers)
    trainer = make_trainer(first.config, env, env_params, teacher)
    if steps_on_host(env):
        if cluster.count() > 1:
            raise ValueError(
                f"{first.env} is stepped by the host, and trained on in one process: start several "
                f"runs, each with another --seed"
            )
        how = dataclasses.replace(hosting or Hosting(), max_lag=first.max_lag)
        return HostRunner(trainer, first.seeds, hyper, how)
    return SeedRunner(trainer, first.seeds, hyper)


def describe(points: Sequence[Point], runner: SeedRunner) -> None:
    """Print what a run would need, without training."""
    _introduce(points, runner)
    least = Memory.at_least(runner)
    memory = _compile(runner, everything=True) if least.total <= least.available else least
    print(memory.table())


def train(points: Sequence[Point], runner: SeedRunner, options: Options) -> bool:
    """Train, and leave the results in the points' folders.

    Returns:
      Whether the numbers of any seed have stayed finite.

    Raises:
      ValueError: when something is refused (see `prepare`); nothing has changed then.
      StopError: when the run ends before it is done, or its results cannot be written.
    """
    with prepare(points, runner, options) as run:
        return run()


@contextlib.contextmanager
def prepare(
    points: Sequence[Point], runner: SeedRunner, options: Options
) -> Iterator[Callable[[], bool]]:
    """Claim the folder, compile, and check all that could refuse the run.

    Args:
      points: what is trained together, one after the other in the states' leading axis.
      runner: as `make_runner` returns it, compiled or not.
      options: where, and for how long.

    Yields:
      A function without arguments that trains; it returns and raises what `train` does.

    Raises:
      ValueError: when the folder holds another run, or one and no flag says what to do with it;
        when it is in use; when memory does not suffice; when a package is missing; when processes
        have different numbers of devices, or were told to stop at different times.
    """
    _check_alike(runner, options)
    if cluster.is_first():
        sinks.check(options.log)
    _check_extras()
    run = points[0].experiment.to_json()
    if len(points) > 1 or options.folder != points[0].folder:
        run = experiment.as_json({point.folder.name: point.experiment for point in points})
    with (
        contextlib.closing(runner),
        options.interrupts,
        claim(
            options.folder,
            run,
            overwrite=options.overwrite,
            resume=options.resume,
            within=options.within,
        ) as claimed,
    ):
        checkpoints = Checkpoints(options.folder / "checkpoints", runner.total_seeds, runner.share)
        newest = checkpoints.newest() if options.resume else None
        if options.resume and newest is None:
            _check_unfinished(points)
        _introduce(points, runner)
        Memory.at_least(runner).check()  # what cannot fit is told at once
        # Where the first chunk ends without an evaluation, this one is compiled while others run.
        _compile(runner, everything=runner.trainer.plan.iterations_per_log == 1).check()
        if newest is not None:
            checkpoints.check_states(newest.iterations, runner.abstract_states)
        records = Records([point.folder for point in points], runner.num_seeds)
        session = Session(points, Training(runner), claimed, records, checkpoints)
        yield functools.partial(session.run, options, newest)


def _check_alike(runner: SeedRunner, options: Options) -> None:
    """Compare what all processes of a run rely on.

    Raises:
      ValueError: when they differ.
    """
    told = cluster.gather([runner.total_seeds, runner.places, options.stop_when_solved])
    for i, (seeds, places, stop_when_solved) in enumerate(told):
        if seeds == told[0][0] and places != told[0][1]:  # other seeds are refused with the folder
            raise ValueError(
                f"process {i} has places for {places} seeds and process 0 for {told[0][1]}, as "
                f"their devices decide: give each process as many devices"
            )
        if stop_when_solved != told[0][2]:
            raise ValueError(f"process {i} was given another --stop-when-solved than process 0")


def _check_unfinished(points: Sequence[Point]) -> None:
    """Look for results that training from the beginning would replace.

    Raises:
      ValueError: when there are.
    """
    done = [p.folder for p in points if (p.folder / CURVE).is_file()]
    if cluster.from_first(lambda: bool(done)):
        raise ValueError(
            f"{points[0].folder} holds a finished run without checkpoints, from which nothing can "
            f"go on: --overwrite trains it anew, --name elsewhere"
        )
    print("there is no checkpoint to go on from: it begins anew", flush=True)


def _check_extras() -> None:
    """Look for what a run imports late: its progress bar, and what draws the curve at the end.

    Raises:
      MissingExtraError: when one of them is missing.
    """
    extras.need("tqdm", "experiments")  # first, as this extra brings the other one along
    for module in ("scipy", "matplotlib"):
        extras.need(module, "results")


def _introduce(points: Sequence[Point], runner: SeedRunner) -> None:
    plan, first = runner.trainer.plan, points[0].experiment
    trained = plan.updates_per_iteration * plan.trained_per_update / plan.timesteps_per_iteration
    print(
        f"{first.config.algorithm} on {first.env}, "
        f"{f'{len(points)} points x ' if len(points) > 1 else ''}{runner.num_seeds} seeds on "
        f"{len(jax.devices())} x {jax.devices()[0].platform}"
        f"{f' in {cluster.count()} processes' if cluster.count() > 1 else ''}\n"
        f"each seed: {plan.total_timesteps:,} timesteps, {plan.warmup_steps * plan.num_envs:,} of "
        f"them warm-up; an iteration is {plan.timesteps_per_iteration} timesteps and "
        f"{plan.updates_per_iteration} gradient steps on {plan.batch_rows} x "
        f"{plan.row_length} timesteps ({trained:.3g} trained per timestep simulated)",
        flush=True,
    )


def _compile(runner: SeedRunner, *, everything: bool) -> Memory:
    runner.compile(evaluation=everything)
    print(f"compiled in {runner.compile_seconds:.1f} s", flush=True)
    return Memory.of(runner)
