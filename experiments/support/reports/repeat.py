"""The command that trains what a run's config.json describes."""

import pathlib
import shlex

from adqn_jax import families
from adqn_jax.results.experiment import Experiment
from support import options, presets

#: Stands for the file of the policy that the run has learnt from, of which only a digest is kept.
EXPERT = pathlib.Path("EXPERT.npz")


def command(run: Experiment) -> str:
    """Return the shortest command: the one that starts from the preset nearest to the run."""
    known = presets.PRESETS[type(run.config)]
    words = min((_words(run, preset) for preset in known), key=lambda said: len(" ".join(said)))
    return shlex.join(["python", "experiments/run.py", *words])


def _words(run: Experiment, preset: str) -> list[str]:
    algorithm = run.config.algorithm
    usual = presets.preset(preset, run.env, algorithm).flat
    unread = {name: usual[name] for name in families.unread(run.config)}  # and so need not be said
    args = options.Args(
        env=run.env,
        algo=algorithm,
        preset=preset,
        observe=run.observe,  # type: ignore[arg-type]
        expert=EXPERT if run.expert else None,
        env_param=tuple(f"{name}={value}" for name, value in run.env_params.items()),
        privileged=run.privileged or None,
        runner="asynchronous" if run.max_lag else "synchronous",
        max_lag=run.max_lag or 1,
        seeds=run.seeds,
        seed=run.seed,
        config=run.config.replace(**unread),
    )
    return options.words(args)
