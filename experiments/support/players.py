"""Who acts where: a policy file, and an environment that it fits."""

import dataclasses
import json
import pathlib
from typing import Any, Literal

from adqn_jax import Policy, envs, load_policy, spaces
from adqn_jax.families import family_of
from adqn_jax.runs.critics import trained_params, with_critic
from adqn_jax.types import Params

#: How a policy with probabilities acts: the most probable action, or one drawn.
Actions = Literal["greedy", "sampled"]


def is_greedy(actions: Actions | None) -> bool | None:
    """Say it as `Policy.act` takes it; None: as in the run's evaluations."""
    return None if actions is None else actions == "greedy"


@dataclasses.dataclass(frozen=True)
class Player:
    """An environment and who acts there."""

    env_name: str
    env: Any
    env_params: Any
    policy: Policy | None  # None acts at random
    trained: Params | None = None  # all networks of all seeds, where policies lack some

    def complete(self, policy: Policy) -> Policy:
        """Add to a policy of the same run the critic that it was trained with, if one is left."""
        return policy if self.trained is None else with_critic(policy, self.trained)


def find(env_name: str | None, path: pathlib.Path | None) -> Player:
    """Find an environment, a policy that `run.py` saved, or both.

    Args:
      env_name: an environment; None is the one that the policy was trained on.
      path: a file of a run's `policy/`, or None.

    Raises:
      ValueError: when the file holds no policy, or one that does not fit the environment's spaces,
        or the environment it was trained on is no longer what it was, or cannot be compiled.
    """
    if path is None:
        _refuse_hosted(str(env_name))
        return Player(str(env_name), *envs.make(str(env_name)), None)
    policy = load_policy(path)
    if "env" not in policy.about:
        raise ValueError(f"{path} does not say on what run.py trained its policy")
    trained_on = policy.about["env"]
    name = env_name or trained_on
    _refuse_hosted(name)
    params = policy.about.get("env_params", {}) if name == trained_on else {}
    env, env_params = envs.make(name, policy.about.get("observe", "observation"), params)
    settings = json.loads(json.dumps(env.settings))
    before = policy.about.get("env_settings", settings)  # older files do not say
    if env_name is None and before != settings:
        raise ValueError(
            f"{name} is no longer the environment that {path} was trained on: it has the settings "
            f"{settings}, and had {before}; --env {name} plays it there all the same"
        )
    for given, needed in (
        (policy.observation_space, env.observation_space(env_params)),
        (policy.state_space, env.privileged_state_space(env_params)),
        (policy.action_space, spaces.action_space(env, env_params)),
    ):
        if not spaces.same(given, needed):
            raise ValueError(
                f"the policy {path}, trained on {trained_on}, does not fit the spaces of {name}: "
                f"it has {given}, needed is {needed}"
            )
    trained = None
    if name == trained_on and not family_of(policy.config.algorithm).is_all_saved:
        trained = trained_params(path.absolute().parent.parent, env, env_params)
    player = Player(name, env, env_params, policy, trained)
    return dataclasses.replace(player, policy=player.complete(policy))


def _refuse_hosted(name: str) -> None:
    if name.startswith("gymnasium:"):
        raise ValueError(
            f"{name} is stepped by the host, and is neither drawn nor diagnosed: load_policy gives "
            f"its policies to act with"
        )
