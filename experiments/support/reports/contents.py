"""What a report says of each run."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adqn_jax.results import experiment, metrics
from adqn_jax.results.estimates import Estimate, Interval, Statistic, estimate
from adqn_jax.results.load import Kind, Result, by_env, load_all
from support import paper
from support.reports import repeat

#: What is shown unless something else is asked for, as far as all runs have it.
METRICS = ("eval_return", "eval_success", "eval_length", "behaviour_return")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, with all that is said of it."""

    label: str
    results: Mapping[str, Result]  # by metric
    settings: Mapping[str, Any]  # what decided its numbers, by dotted names
    made_with: Mapping[str, str]
    command: str

    @property
    def folder(self) -> pathlib.Path:
        """Where it is."""
        return self.any.folder

    @property
    def env(self) -> str:
        """The environment's name."""
        return self.any.env

    @property
    def kind(self) -> Kind:
        """What it shows."""
        return self.any.kind

    @property
    def any(self) -> Result:
        """One of its results; what is not about a metric is the same in all."""
        return next(iter(self.results.values()))


@dataclasses.dataclass(frozen=True)
class Report:
    """Runs, environment by environment, and how they are summed up."""

    runs: Sequence[Run]
    metrics: Sequence[str]
    statistic: Statistic
    interval: Interval

    @property
    def labels(self) -> list[str]:
        """The runs' labels, each once: a colour for each."""
        return list(dict.fromkeys(run.label for run in self.runs))

    @property
    def envs(self) -> list[str]:
        """The environments' names, in their order."""
        return list(dict.fromkeys(run.env for run in self.runs))

    @property
    def seeds(self) -> list[int]:
        """The numbers of all seeds of all runs."""
        return sorted(
            {int(seed) for run in self.runs for seed in run.results[self.metrics[0]].seeds}
        )

    def estimate(self, result: Result, final: bool = False) -> Estimate | None:
        """Estimate what a run's seeds have in common, at each log point or in the end.

        Returns:
          The estimate, arrays [L] or []; None where all seeds have failed.
        """
        if not result.seeds.size:
            return None
        values = result.final if final else result.values
        return estimate(values, self.statistic, self.interval)


def read(
    folders: Sequence[pathlib.Path],
    chosen: Sequence[str],
    statistic: Statistic,
    interval: Interval | None,
) -> Report:
    """Read run folders.

    Args:
      folders: of runs, or of what is left of them: config.json and metrics.csv.
      chosen: columns of metrics.csv, the first one shown first; none: those of METRICS that all
        runs have.
      statistic: what stands for all seeds.
      interval: as of `estimate`.

    Raises:
      ValueError: when a folder cannot be read, or is named twice, or has no such metric.
    """
    results = load_all(folders)
    places = [folder.resolve() for folder in folders]
    if twice := [str(f) for f, p in zip(folders, places, strict=True) if places.count(p) > 1]:
        raise ValueError(f"name each run folder once, got {twice[0]} again")
    ordered = [r for group in by_env(results, paper.ENVS).values() for r in group]
    folders = [result.folder for result in ordered]
    chosen = list(dict.fromkeys(chosen)) or _common(folders)
    by_metric = [load_all(folders, metric) for metric in chosen]
    runs = []
    for label, *of_run in zip(_labels(ordered), *by_metric, strict=True):
        folder = of_run[0].folder
        settings, made_with = experiment.read_both(folder)
        command = repeat.command(experiment.read(folder))
        runs.append(
            Run(label, dict(zip(chosen, of_run, strict=True)), settings, made_with, command)
        )
    estimate(np.zeros(2), statistic, interval)  # refuses what does not go together
    usual: Interval = "stderr" if statistic == "mean" else "bootstrap"
    return Report(runs, chosen, statistic, interval or usual)


def _common(folders: Sequence[pathlib.Path]) -> list[str]:
    columns = [metrics.read(folder / metrics.METRICS) for folder in folders]
    return [name for name in METRICS if all(name in of_run for of_run in columns)]


def _labels(results: Sequence[Result]) -> list[str]:
    """Name runs as shortly as tells those of an environment apart."""
    named = [
        [r.algo for r in results],
        [f"{r.algo}, {r.folder.resolve().name}" for r in results],
        [f"{r.algo}, {r.folder}" for r in results],
    ]
    envs = [r.env for r in results]
    return next((n for n in named if len({*zip(envs, n, strict=True)}) == len(results)), named[-1])


def differing(
    records: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Tell what differs between records from what is the same in all that have it.

    Returns:
      By name, the values of all records, None where one has no such entry; and the one value of
      what does not differ.
    """
    names = dict.fromkeys(name for record in records for name in record)
    values = {name: [record.get(name) for record in records] for name in names}
    known = {name: [v for v in of if v is not None] for name, of in values.items()}
    same = {name: of[0] for name, of in known.items() if of and all(v == of[0] for v in of)}
    return {name: of for name, of in values.items() if name not in same and known[name]}, same
