"""What decides a run's numbers, and config.json, which keeps it: its only writer and reader."""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any, Self

from adqn_jax import families
from adqn_jax.families import family_of
from adqn_jax.results import files
from adqn_jax.versions import made_with

CONFIG = "config.json"
#: What becomes it.
PARTIAL = "config.partial"
#: The file that is written last: who finds it finds a run that is complete.
CURVE = "curve.png"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """All that decides a run's numbers; two equal ones have the same numbers, on one machine."""

    env: str
    """The environment's name."""
    env_settings: dict[str, Any]
    """What the name stands for, as JSON can hold it: the environment's `settings`."""
    observe: str
    """What the agent sees: `observation` or `state`."""
    seeds: int
    seed: int
    """Root of the random keys."""
    config: Any
    """Of the algorithm's family."""
    env_params: dict[str, float] = dataclasses.field(default_factory=dict)
    """The environment's parameters that have not their defaults."""
    expert: str = ""
    """SHA-256 of the policy file that is learnt from, as hexadecimal digits; empty without one."""
    privileged: str = ""
    """By what name the privileged state was asked for, of an environment of Gymnasium, or empty."""
    max_lag: int = 0
    """Iterations by which learning may be ahead of who acts; 0: they take turns."""

    def to_json(self) -> dict[str, Any]:
        """Return it as config.json keeps it."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        own |= dataclasses.asdict(own.pop("config"))
        described: dict[str, Any] = json.loads(json.dumps(own))
        return described

    @classmethod
    def from_json(cls, run: dict[str, Any]) -> Self:
        """Read what `to_json` returned, perhaps in an older version.

        Raises:
          ValueError, KeyError, TypeError, AttributeError: when it is no such thing.
        """
        config = family_of(run["algorithm"]).config.from_json(run)
        settings, observe = run.get("env_settings", {}), run.get("observe", "observation")
        if not isinstance(run["env"], str):
            raise TypeError("an environment has a name")
        params = run.get("env_params", {})
        of_run = run["seeds"], run["seed"], config, params, run.get("expert", "")
        hosted = run.get("privileged", ""), run.get("max_lag", 0)
        return cls(run["env"], settings, observe, *of_run, *hosted)

    def settled(self) -> Self:
        """Return what decides the numbers, whatever else was said."""
        return dataclasses.replace(self, config=families.settled(self.config))


def as_json(experiments: Mapping[str, Experiment]) -> dict[str, Any]:
    """Return what config.json keeps of several experiments, by name, that are trained together."""
    return {
        "points": {name: experiment.to_json() for name, experiment in experiments.items()},
        "order": list(experiments),  # of the states side by side
    }


def read(folder: pathlib.Path) -> Experiment:
    """Read which experiment a run folder holds.

    Raises:
      ValueError: when its config.json is not what run.py writes.
      OSError: when it cannot be read.
    """
    path = folder / CONFIG
    try:
        return Experiment.from_json(json.loads(files.read_text(path))["run"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not what run.py writes") from error


def read_both(folder: pathlib.Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read what config.json keeps, of one experiment or of several: `run` and `made_with`.

    Both are flat: nested names are joined by dots. What the run does not read has its default.

    Raises:
      ValueError: when it is not what run.py writes.
      OSError: when it cannot be read.
    """
    path = folder / CONFIG
    try:
        config = json.loads(files.read_text(path))
        return flat(decided(config["run"])), dict(config["made_with"])
    except (*files.ABSENT, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not what run.py writes") from error


def read_record(folder: pathlib.Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the same of a run that is to go on.

    Raises:
      ValueError: when it is not what run.py writes.
      OSError: when it cannot be read.
    """
    try:
        return read_both(folder)
    except ValueError as error:
        raise ValueError(f"nothing to resume: {error}; --overwrite starts anew") from error


def decided(run: dict[str, Any]) -> dict[str, Any]:
    """Return what decides the numbers of one experiment or of several, as config.json has it.

    What an older version did not know, and what is not read, has its default; what is no experiment
    stays as it is.
    """
    if isinstance(run.get("points"), dict):
        points = {name: decided(point) for name, point in run["points"].items()}
        return run | {"points": points}
    try:
        return Experiment.from_json(run).settled().to_json()
    except (ValueError, KeyError, TypeError, AttributeError):
        return run


def write(folder: pathlib.Path, run: dict[str, Any]) -> None:
    """Write config.json, whole or not at all.

    Raises:
      OSError: when it cannot be written.
    """
    os.replace(stage(folder, run), folder / CONFIG)


def stage(folder: pathlib.Path, run: dict[str, Any]) -> pathlib.Path:
    """Write what is to become config.json under another name, which is returned.

    Raises:
      OSError: when it cannot be written.
    """
    partial = folder / PARTIAL
    try:
        partial.write_text(json.dumps({"run": run, "made_with": made_with()}, indent=2) + "\n")
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return partial


def refuse_differences(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Compare what a run was begun with, flat, and what it is to go on with.

    Raises:
      ValueError: when they differ in more than a larger number of timesteps, naming it; or in
        that, and the step size depends on it.
    """
    now = flat(now)
    known = {*before, *now}
    if {
        "order",
        "env",
    } <= known:  # several beside one, or of an older version
        raise ValueError(
            "the run to resume is of another kind, or of another version: resume it with the "
            "command and the commit that its config.json names, or give another --name"
        )
    for name in sorted(known):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        total = name.endswith("train.total_timesteps") and isinstance(old, int)
        rate_end = now.get(name.removesuffix("train.total_timesteps") + "hyper.rate_end", 1.0)
        if total and rate_end != 1.0:
            raise ValueError(
                f"the run to resume has {name} {old}, not {new}, and its step size falls until "
                f"then (rate_end {rate_end:g}): one of another length is another run, so choose "
                f"another --name"
            )
        if not (total and new is not None and new >= old):
            raise ValueError(
                f"the run to resume has {name} {old}, not {new}: give the same settings (more "
                f"total_timesteps are welcome), or another --name"
            )


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested names by dots."""
    joined: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            joined |= flat(value, f"{prefix}{name}.")
        else:
            joined[prefix + name] = value
    return joined


def file_name(env_name: str) -> str:
    """Turn an environment's name into one that a folder or a file can have."""
    return re.sub(r"[:/\\]", "_", env_name)
