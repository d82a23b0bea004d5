"""What run folders hold, as figures need it."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from adqn_jax import ALGORITHMS
from records import read

#: The environments in the order of the paper's figure.
PAPER_ENVS = ("heavenhell-3", "heavenhell-4", "carflag", "cleaner", "memory-four-rooms-7x7")

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

    @property
    def final(self) -> np.ndarray:
        """Final performance of each seed, [S]: the mean over the last tenth of the log points."""
        points = max(1, round(FINAL_SHARE * len(self.timesteps)))
        return np.asarray(self.values[-points:].mean(0))

    @property
    def stability(self) -> np.ndarray:
        """How far each seed fell back, [S]: minus the mean, over log points, of best so far less
        value; 0 of a curve that never falls.
        """
        return np.asarray((self.values - np.maximum.accumulate(self.values)).mean(0))


def load(folder: pathlib.Path, metric: str = "eval_return") -> Result:
    """Read a run folder.

    Raises:
      ValueError: when it holds no run, or no such metric.
    """
    for name in ("config.json", "metrics.csv"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no run: it has no {name}")
    run = _run(folder / "config.json")
    metrics = read(folder / "metrics.csv")
    if metric not in metrics:
        raise ValueError(f"{folder} has no metric {metric!r}; it has {', '.join(metrics)}")
    failed = metrics.get("failed", np.zeros_like(metrics["timesteps"])).any(0)
    return Result(
        folder=folder,
        env=run["env"],
        algo=run["algorithm"],
        kind=_kind(run),
        timesteps=metrics["timesteps"][:, 0],
        values=metrics[metric][:, ~failed],
        seeds=metrics["seed"][0, ~failed].astype(int),
        failed=int(failed.sum()),
        training_seconds=float(metrics.get("training_seconds", np.full((1, 1), np.nan)).max()),
    )


def load_all(folders: Sequence[pathlib.Path], metric: str = "eval_return") -> list[Result]:
    """Read the run folders that a user has named.

    Raises:
      ValueError: when there are none, or one of them cannot be read.
    """
    if not folders:
        raise ValueError("name at least one run folder, <out>/<env>/<algo>/<name>")
    return [load(folder, metric) for folder in folders]


def is_done(folder: pathlib.Path, run: dict[str, Any], total_timesteps: int) -> bool:
    """Whether the folder holds this very run, and the run its last log point."""
    files = [folder / name for name in ("config.json", "metrics.csv", "curve.png")]
    if not all(file.is_file() for file in files):
        return False
    there = _run(files[0]) == json.loads(json.dumps(run))
    return bool(there and read(files[1])["timesteps"][-1].min() >= total_timesteps)


def by_env(results: list[Result]) -> dict[str, list[Result]]:
    """Sort results by environment, those of the paper first, in its order, and by algorithm."""
    algos = list(ALGORITHMS)
    results = sorted(results, key=lambda result: algos.index(result.algo))
    names = list(dict.fromkeys(result.env for result in results))
    known = [env for env in PAPER_ENVS if env in names]
    order = known + [env for env in names if env not in known]
    return {env: [result for result in results if result.env == env] for env in order}


def _run(path: pathlib.Path) -> dict:
    """Read what config.json says of a run."""
    try:
        run: dict = json.loads(path.read_text())["run"]
        known = run["algorithm"] in ALGORITHMS and isinstance(run["env"], str)
        known = known and isinstance(run["network"], dict)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"{path} is not what run.py writes")
    return run


def _kind(run: dict) -> Kind:
    # Runs made before there was a choice had a history and observed as usual.
    if run.get("observe") == "state":
        return "fully observing"
    return "memoryless" if run["network"].get("history") == "none" else "agent"
