"""What a finished run leaves beside its metrics: policies, curves, and a summary."""

import dataclasses
import pathlib
from collections.abc import Sequence

import jax

from adqn_jax.policy import make_policy, save_policy
from adqn_jax.results.experiment import Experiment
from adqn_jax.runs.records import Records
from adqn_jax.runs.training import Training
from adqn_jax.trainer import Trainer
from adqn_jax.types import Params
from adqn_jax.versions import made_with

#: What a policy's file repeats of its experiment, beside the configuration.
_ABOUT = (
    "env", "env_settings", "env_params", "privileged", "observe", "expert", "seeds", "seed",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Point:
    """An experiment, and the folder of what it leads to."""

    experiment: Experiment
    folder: pathlib.Path


def save_policies(points: Sequence[Point], trainer: Trainer, params: Params, share: range) -> None:
    """Write a policy for each point and seed of a share of all; leaves of `params` are its own."""
    params = jax.device_get(params)
    for i, point in enumerate(points):
        about = point.experiment.to_json()
        about = {name: about[name] for name in _ABOUT}
        about["made_with"] = made_with()
        folder = point.folder / "policy"
        folder.mkdir(exist_ok=True)
        for seed in range(point.experiment.seeds):
            if (place := i * point.experiment.seeds + seed) not in share:
                continue
            at = place - share.start
            seed_params = jax.tree.map(lambda x, at=at: x[at], params)
            policy = make_policy(
                point.experiment.config, trainer.env, trainer.env_params, seed_params,
                about | {"seed_index": seed},
            )  # fmt: skip
            save_policy(folder / f"seed-{seed:03d}.npz", policy)


def draw_curves(points: Sequence[Point]) -> None:
    """Draw each point's curve.png.

    Raises:
      MissingExtraError: when matplotlib or scipy is not installed.
    """
    from adqn_jax.results import figures  # takes a second

    for point in points:
        figures.curve(point.folder)


def report(points: Sequence[Point], training: Training, records: Records) -> None:
    """Print how it went: means over the seeds that did not fail.

    Args:
      points: what was trained together.
      training: of all seeds, ended.
      records: their metrics.
    """
    from adqn_jax.results.estimates import mean_and_error  # takes a second

    final, runner = records.last("eval_return"), training.runner
    per_seed = training.iterations * runner.trainer.plan.timesteps_per_iteration
    rate = per_seed * runner.total_seeds / training.seconds
    rows: dict[str, str] = {}
    if final.size:
        error = " (standard error)" if final.size > 1 else ""
        rows["last return"] = mean_and_error(final) + error
        rows["last 100 episodes"] = f"{records.mean('behaviour_return'):.3f} (behaviour)"
    rows |= {
        "compiling": f"{runner.compile_seconds:.1f} s",
        "training": f"{training.seconds:.1f} s",
        "timesteps": f"{rate:,.0f} /s over all seeds",
        "results": str(points[0].folder),
    }
    if len(points) > 1:  # the table of the sweep tells them apart
        rows = {name: rows[name] for name in ("compiling", "training", "timesteps")}
    if failed := runner.total_seeds - final.size:
        rows["failed"] = f"{failed} of {runner.total_seeds} seeds, which the figures leave out"
    for name, value in rows.items():
        print(f"{name:>20}  {value}")
