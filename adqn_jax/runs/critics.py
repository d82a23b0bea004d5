"""What helped a policy to learn: its file holds none of it, the last checkpoint of its run does."""

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np

from adqn_jax.policy import Policy
from adqn_jax.results import experiment
from adqn_jax.runs.checkpoint import Checkpoints
from adqn_jax.runs.launch import make_runner
from adqn_jax.runs.outcome import Point
from adqn_jax.types import Params


def trained_params(run: pathlib.Path, env: Any, env_params: Any) -> Params | None:
    """Read all networks of all seeds, leaves [S, ...], from the newest checkpoint of a run.

    Args:
      run: the run's folder.
      env: the environment that it was trained on.
      env_params: its parameters.

    Returns:
      The parameters; None where there is no checkpoint that is whole and of this version.
    """
    if not (run / "checkpoints").is_dir():
        return None
    try:
        trained = experiment.read(run)
        checkpoints = Checkpoints(run / "checkpoints", trained.seeds)
        newest = checkpoints.newest()
        if newest is None:
            return None
        runner = make_runner([Point(trained, run)], env, env_params)
        states, _ = checkpoints.restore(newest.iterations, runner.abstract_states)
    except (OSError, ValueError):
        return None
    params: Params = jax.device_get(runner.trainer.agent.params(states.agent))
    return params


def with_critic(policy: Policy, params: Params) -> Policy:
    """Add to one seed's policy what helped it to learn.

    Args:
      policy: as loaded, of the run that the parameters are of.
      params: of all seeds, leaves [S, ...].

    Returns:
      The policy with all its networks; or as it was, where the parameters are of another moment.
    """
    seed, seeds = policy.about.get("seed_index", -1), len(jax.tree.leaves(params)[0])
    if not 0 <= seed < seeds:
        return policy
    seed_params: Params = jax.tree.map(lambda x: x[seed], params)
    for name, own in policy.params.items():
        pairs = zip(*map(jax.tree.leaves, (own, seed_params[name])), strict=True)
        if not all(np.array_equal(*pair) for pair in pairs):
            return policy
    return dataclasses.replace(policy, params=seed_params, whole=True)
