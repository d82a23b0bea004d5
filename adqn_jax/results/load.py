"""What run folders hold, as figures need it."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from adqn_jax import families
from adqn_jax.results import experiment, metrics
from adqn_jax.results.experiment import CONFIG, CURVE, Experiment
from adqn_jax.results.metrics import METRICS

#: What a run shows: an agent at work, or what an agent can reach that sees less or more.
Kind = Literal["agent", "memoryless", "fully observing"]

#: The share of a run's log points, at its end, over which final performance is averaged.
FINAL_SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class Result:
    """One metric of one run."""

    folder: pathlib.Path
    env: str
    algo: str
    kind: Kind
    timesteps: np.ndarray  # [L] of the log points
    values: np.ndarray  # [L, S], of seeds whose numbers stayed finite
    seeds: np.ndarray  # [S], their numbers
    failed: int = 0  # seeds that are left out
    training_seconds: float = float("nan")  # of all seeds together, without compiling
    env_params: dict[str, float] = dataclasses.field(default_factory=dict)
    """The environment's parameters that have not their defaults."""

    def check_seeds(self) -> None:
        """Look whether a seed is left.

        Raises:
          ValueError: when all have failed.
        """
        if not self.seeds.size:
            raise ValueError(f"all seeds of {self.folder} have failed")

    @property
    def final(self) -> np.ndarray:
        """Final performance of each seed, [S]: the mean over the last tenth of the log points."""
        points = max(1, round(FINAL_SHARE * len(self.timesteps)))
        return np.asarray(self.values[-points:].mean(0))

    @property
    def stability(self) -> np.ndarray:
        """How far each seed fell back, [S]: minus the mean, over log points, of best so far less
        value; 0 of a curve that never falls. Points before the first episode ends do not count.
        """
        fell = np.ma.masked_invalid(self.values - np.fmax.accumulate(self.values))
        return np.asarray(fell.mean(0).filled(np.nan))


def load(folder: pathlib.Path, metric: str = "eval_return") -> Result:
    """Read a run folder.

    Raises:
      ValueError: when it holds no run, or no such metric.
    """
    for name in (CONFIG, METRICS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no run: it has no {name}")
    run = experiment.read(folder)
    columns = metrics.read(folder / METRICS)
    if metric not in columns:
        raise ValueError(f"{folder} has no metric {metric!r}; it has {', '.join(columns)}")
    failed = columns.get("failed", np.zeros_like(columns["timesteps"])).any(0)
    return Result(
        folder=folder,
        env=run.env,
        algo=run.config.algorithm,
        kind=_kind(run),
        timesteps=columns["timesteps"][:, 0],
        values=columns[metric][:, ~failed],
        seeds=columns["seed"][0, ~failed].astype(int),
        failed=int(failed.sum()),
        training_seconds=float(columns.get("training_seconds", np.full((1, 1), np.nan)).max()),
        env_params=run.env_params,
    )


def load_all(folders: Sequence[pathlib.Path], metric: str = "eval_return") -> list[Result]:
    """Read the run folders that a user has named.

    Raises:
      ValueError: when there are none, or one of them cannot be read.
    """
    if not folders:
        raise ValueError("name at least one run folder, <out>/<env>/<algo>/<name>")
    return [load(folder, metric) for folder in folders]


def is_done(
    folder: pathlib.Path, run: Experiment, *, raw: bool = False, stop_when_solved: int = 0
) -> bool:
    """Whether the folder holds this very run to its end, or, if `raw`, what was measured of it.

    A run that was to stop when it is solved may end before: when all of its seeds had solved the
    task at each of so many last log points.
    """
    if not all((folder / name).is_file() for name in (CONFIG, METRICS, *[CURVE][raw:])):
        return False
    if experiment.read(folder).settled() != run.settled():
        return False
    columns = metrics.read(folder / METRICS)
    if columns["timesteps"][-1].min() >= run.config.parts["train"].total_timesteps:
        return True
    if not 0 < stop_when_solved <= len(columns["timesteps"]):
        return False
    return metrics.all_solved(
        *(columns[name][-stop_when_solved:] for name in ("eval_success", "failed"))
    )


def by_env(results: Sequence[Result], first: Sequence[str] = ()) -> dict[str, list[Result]]:
    """Sort results by environment, those named `first` in that order, and by algorithm.

    Raises:
      ValueError: when some of an environment have other parameters than the rest.
    """
    algos = list(families.algorithms())
    results = sorted(results, key=lambda result: algos.index(result.algo))
    names = list(dict.fromkeys(result.env for result in results))
    known = [env for env in first if env in names]
    order = known + [env for env in names if env not in known]
    found = {env: [result for result in results if result.env == env] for env in order}
    for env, (one, *others) in found.items():
        for other in others:
            if other.env_params != one.env_params:
                raise ValueError(
                    f"{one.folder} and {other.folder} are not of the same {env}: its parameters "
                    f"are {_said(one.env_params)} and {_said(other.env_params)}"
                )
    return found


def _said(env_params: dict[str, float]) -> str:
    return ", ".join(f"{k} {v:g}" for k, v in env_params.items()) or "the defaults"


def agents(results: Sequence[Result]) -> list[Result]:
    """Leave out runs that show a bound, unless there is nothing else."""
    return [result for result in results if result.kind == "agent"] or [*results]


def by_algo(results: Sequence[Result]) -> dict[str, Result]:
    """Sort one environment's results by algorithm.

    Raises:
      ValueError: when an algorithm has several.
    """
    found: dict[str, Result] = {}
    for result in results:
        if result.algo in found:
            raise ValueError(
                f"name one run of {result.algo} on {result.env}, not several; {result.folder} is "
                f"one"
            )
        found[result.algo] = result
    return found


def _kind(run: Experiment) -> Kind:
    algo = run.config.algorithm
    algorithm = families.family_of(algo).algorithms[algo]
    if run.observe == "state" or getattr(algorithm, "acts_on_state", False):
        return "fully observing"
    # Imitation has no memory unless one is asked for: there it takes nothing away.
    usual = type(run.config)().parts["network"].remembers
    return "memoryless" if usual and not run.config.parts["network"].remembers else "agent"
