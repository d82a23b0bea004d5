"""What a run leaves behind, even when it cannot be written at once."""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import tqdm

import plot
from adqn_jax import make_policy, save_policy
from folder import versions, write_config
from interrupts import CANNOT_WRITE, StopError, reason

if typing.TYPE_CHECKING:
    from session import Session


class Writing:
    """Attempts to write files: what fails is told, once, and no reason to stop training."""

    def __init__(self) -> None:
        """Nothing has failed so far."""
        self._failed: dict[str, str] = {}

    def attempt(self, what: str, write: Callable[[], None]) -> bool:
        """Write something, and say whether it could be written."""
        try:
            write()
        except OSError as error:
            if what not in self._failed:
                tqdm.tqdm.write(f"cannot write {what} ({reason(error)}): will try again")
            self._failed[what] = reason(error)
            return False
        self._failed.pop(what, None)
        return True

    def check(self) -> None:
        """Complain of what is not written yet.

        Raises:
          StopError: naming it.
        """
        if self._failed:
            named = "; ".join(f"{what} ({why})" for what, why in self._failed.items())
            raise StopError(
                CANNOT_WRITE,
                f"could not write {named}: when that is mended, --resume goes on from the last "
                f"checkpoint",
            )


def finish(session: "Session", run: dict[str, Any]) -> None:
    """Write the policies, the curve, and what could not be written before.

    Raises:
      StopError: when something cannot be written.
    """
    attempt = session.writing.attempt
    attempt("a checkpoint", session.checkpoints.wait)
    if not session.hold():
        session.writing.check()
    written = [
        attempt("metrics.csv", session.records.write),
        attempt("policy/", lambda: _save_policies(session, run)),
        attempt("config.json", lambda: _write_configs(session, run)),
    ]
    if all(written):  # the curve says that the run is complete
        attempt("curve.png", lambda: _draw_curves(session))
    session.log(last=True)  # what is local is written by now, should a server not answer
    session.writing.check()


def _write_configs(session: "Session", run: dict[str, Any]) -> None:
    for point in session.points:
        write_config(point.folder, run | {"hyper": dataclasses.asdict(point.hyper)})


def _draw_curves(session: "Session") -> None:
    for point in session.points:
        plot.curve(point.folder)


def _save_policies(session: "Session", run: dict[str, Any]) -> None:
    trainer, seeds = session.trainer, session.runner.num_seeds
    params = jax.device_get(trainer.acting_params(session.states))
    about = {name: run[name] for name in ("env", "env_settings", "observe", "seeds", "seed")}
    about["made_with"] = versions()
    for i, point in enumerate(session.points):
        config = dataclasses.replace(trainer.config, hyper=point.hyper)
        policies = point.folder / "policy"
        policies.mkdir(exist_ok=True)
        for seed in range(seeds):
            of_seed = jax.tree.map(lambda x, at=i * seeds + seed: x[at], params)
            about["seed_index"] = seed
            policy = make_policy(config, trainer.env, trainer.env_params, of_seed, about)
            save_policy(policies / f"seed-{seed:03d}.npz", policy)


def report(session: "Session") -> None:
    """Print how it went: means over the seeds that did not fail."""
    runner, records = session.runner, session.records
    final = records.last("eval_return")
    error = final.std(ddof=1) / np.sqrt(final.size) if final.size > 1 else float("nan")
    trained = session.iterations * session.trainer.plan.timesteps_per_iteration
    rate = trained * runner.total_seeds / session.training_seconds
    rows = {
        "final greedy return": f"{records.mean('eval_return'):.3f} +- {error:.3f} (standard error)",
        "last 100 episodes": f"{records.mean('behaviour_return'):.3f} (behaviour)",
        "compiling": f"{runner.compile_seconds:.1f} s",
        "training": f"{session.training_seconds:.1f} s",
        "timesteps": f"{rate:,.0f} /s over all seeds",
        "results": str(session.points[0].folder),
    }
    if len(session.points) > 1:  # the table of the sweep tells them apart
        rows = {name: rows[name] for name in ("compiling", "training", "timesteps")}
    if failed := runner.total_seeds - final.size:
        rows["failed"] = f"{failed} of {runner.total_seeds} seeds, which the figures leave out"
    for name, value in rows.items():
        print(f"{name:>20}  {value}")
