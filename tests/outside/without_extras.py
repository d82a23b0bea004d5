"""What somebody gets who has the wheel and none of its extras: which modules work, what others say.

A script of its own for tests/test_wheel.py, which runs it in an environment without this checkout.
It prints what it found as JSON: what each module said when it was imported, "" if nothing.

JAX itself imports scipy, and gymnax matplotlib and PIL. So these are missing only for what adqn_jax
imports; tyro and tqdm are missing for everybody.
"""

import builtins
import importlib
import importlib.util
import json
import pathlib
from collections.abc import Sequence
from typing import Any

CORE = (
    *("adqn_jax", "adqn_jax.runs", "adqn_jax.tabular", "adqn_jax.envs", "adqn_jax.envs.secrets"),
    *("adqn_jax.results.experiment", "adqn_jax.results.metrics", "adqn_jax.results.load"),
)
ESTIMATES = [f"adqn_jax.results.{name}" for name in ("estimates", "tables", "ranking", "figures")]
DRAWN = ["adqn_jax.results.figures", "adqn_jax.envs.pictures", "adqn_jax.envs.pictures.carflag"]

missing = {"scipy", "matplotlib", "PIL", "tyro", "tqdm"}
FOR_EVERYBODY = {"tyro", "tqdm"}


def take_away() -> None:
    """From now on what is `missing` cannot be imported, as if it were not installed."""
    really_import, really_find = builtins.__import__, importlib.util.find_spec

    def import_(name: str, globals_: Any = None, *rest: Any, **named: Any) -> Any:
        ours = (globals_ or {}).get("__name__", "").startswith("adqn_jax")
        top = name.partition(".")[0]
        if top in (missing if ours else missing & FOR_EVERYBODY):
            raise ModuleNotFoundError(f"No module named {top!r}", name=top)  # as Python names it
        return really_import(name, globals_, *rest, **named)

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name in missing else really_find(name, package)

    builtins.__import__ = import_
    importlib.util.find_spec = find_spec


def said(modules: Sequence[str]) -> dict[str, str]:
    """Import modules; return what each says of what is missing."""
    sentences = dict.fromkeys(modules, "")
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            sentences[name] = str(error)
    return sentences


def said_to_train() -> str:
    """Try to train; return what refuses it."""
    from adqn_jax import Config, envs, runs
    from adqn_jax.results.experiment import Experiment

    env, params = envs.make("carflag")
    experiment = Experiment("carflag", {}, "observation", 1, 0, Config("dqn"))
    points = [runs.Point(experiment, pathlib.Path("run"))]
    try:
        runs.train(points, runs.make_runner(points, env, params), runs.Options(points[0].folder))
    except ValueError as error:
        return str(error)
    return ""


def main() -> None:
    """Take the packages away, and give some back, one after the other."""
    take_away()
    found = {"core": said(CORE), "nothing": said([*ESTIMATES, *DRAWN]), "train": [said_to_train()]}
    missing.remove("tqdm")
    found["train"] += [said_to_train()]
    missing.remove("scipy")
    found["scipy"] = said([*ESTIMATES[:-1], *DRAWN])
    found["train"] += [said_to_train()]
    found["left"] = [path.name for path in pathlib.Path().iterdir()]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
