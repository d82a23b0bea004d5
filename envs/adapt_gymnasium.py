"""Environments of Gymnasium: simulators that the host steps, as they cannot be traced.

For a trainer each is an environment whose state is what its simulator has shown: an observation,
and the privileged state. Both can be asked for in compiled programs; a step cannot.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import gymnasium
import jax
import numpy as np
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import EnvParams

from . import gymnasium_spaces as theirs
from .environment import PrivilegedEnvironment
from .gymnasium_view import View, told
from .wrappers import Privileged


@struct.dataclass
class Shown:
    """What a simulator has shown, as it is stored (`gymnasium_spaces`)."""

    observation: Any
    state: Any  # privileged


class Simulator:
    """One environment of Gymnasium at work."""

    def __init__(self, env: Any, adapted: "Gymnasium", time_limit: int):
        self._env = env
        self._adapted = adapted
        self._time_limit = time_limit
        self._steps = 0

    def reset(self, seed: int) -> Shown:
        """Begin an episode, whose course follows from the seed and the actions."""
        self._steps = 0
        return self._shown(*self._env.reset(seed=seed))

    def step(self, action: np.ndarray) -> tuple[Shown, float, bool, bool, bool | None]:
        """Act.

        Returns:
          What is shown; reward; whether the episode ended, and whether a time limit cut it off;
          whether it succeeded if it ends here, None where nobody says.

        Raises:
          ValueError: when what Gymnasium returned does not fit the spaces, or the reward is no
            number.
        """
        given = theirs.executable(action, self._adapted.their_actions)
        observation, reward, terminated, truncated, info = self._env.step(given)
        self._steps += 1
        if np.shape(reward) != () or not np.isfinite(reward):
            raise ValueError(f"the reward is {reward!r}, not a finite number")
        success = info.get("success", info.get("is_success"))
        return (
            self._shown(observation, info),
            float(reward),
            bool(terminated),
            bool(truncated) or self._steps >= self._time_limit,
            None if success is None else bool(success),
        )

    def close(self) -> None:
        """Let go of what the simulator holds."""
        self._env.close()

    def _shown(self, observation: Any, info: dict[str, Any]) -> Shown:
        view = self._adapted.view
        seen = theirs.stored(view.seen(observation), view.observations, "the observation")
        state = view.state_of(self._env, observation, info)
        return Shown(seen, theirs.stored(state, view.states, "the privileged state"))


class Gymnasium(PrivilegedEnvironment[Any, EnvParams]):
    """An environment of Gymnasium; `from_gymnasium` says of what.

    Raises:
      ValueError: when it cannot be made or reset, or nothing privileged is found, or a space is of
        a kind that nothing learns from.
    """

    def __init__(
        self, make: Callable[[], Any], time_limit: int | None, privileged: str | None,
        name: str | None, whole: bool,
    ):  # fmt: skip
        super().__init__()
        self._make = make
        self._name = str(name or getattr(make, "__name__", type(make).__name__))
        env = self._made()
        try:
            self.view = View(self.name, env, privileged, whole)
            spec, self.their_actions = env.spec, env.action_space
        finally:
            with contextlib.suppress(Exception):  # it has shown all that is asked of it
                env.close()
        self._time_limit = time_limit or (spec.max_episode_steps if spec is not None else None) or 0
        self._actions = theirs.actions(self.their_actions, f"an action of {self.name}")
        self._observations = theirs.declared(
            self.view.observations, f"the observation of {self.name}"
        )
        self._states = theirs.declared(self.view.states, f"the privileged state of {self.name}")

    def _made(self) -> Any:
        try:
            env = self._make()
        except Exception as error:  # whatever somebody else's code raises
            raise ValueError(f"{self.name} cannot be made: {told(error)}") from error
        if not isinstance(env, gymnasium.Env):
            raise ValueError(f"{self.name} is no gymnasium.Env, but of {type(env).__name__}")
        return env

    def simulator(self, params: EnvParams) -> Simulator:
        """Make one that runs by itself, with the time limit of the parameters."""
        return Simulator(self._made(), self, int(params.max_steps_in_episode))

    def blank(self, params: EnvParams) -> Shown:
        """Return what is stored of a state, in zeros."""
        return Shown(theirs.zeros(self.view.observations), theirs.zeros(self.view.states))

    @property
    def name(self) -> str:
        """As it was asked for."""
        return self._name

    @property
    def settings(self) -> dict[str, Any]:
        """Where the privileged state comes from. Simulators do not tell their versions."""
        return {"privileged": str(self.view.source)}

    def _identity(self) -> tuple[type, Any]:
        return type(self), id(self)

    @property
    def default_params(self) -> EnvParams:
        """The time limit, 0 where there is none."""
        return EnvParams(max_steps_in_episode=self._time_limit)

    @property
    def num_actions(self) -> int:
        """How many actions there are; of a Box, how many entries an action has."""
        return int(getattr(self._actions, "n", 0) or self._actions.shape[0])

    def reset_env(self, key: jax.Array, params: EnvParams) -> NoReturn:
        """Refuse: it is the host that resets.

        Raises:
          ValueError: always.
        """
        self._refuse()

    def step_env(self, key: jax.Array, state: Any, action: Any, params: EnvParams) -> NoReturn:
        """Refuse: it is the host that steps.

        Raises:
          ValueError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(
            f"{self.name} is stepped by the host, and cannot be compiled: run.py and sweep.py "
            f"train on it, and so does adqn_jax.host.HostRunner"
        )

    def get_obs(
        self, state: Shown, params: EnvParams | None = None, key: jax.Array | None = None
    ) -> Any:
        """Return what the agent was shown."""
        return theirs.element_of(state.observation, self.view.observations)

    def privileged_state(self, env_state: Shown, params: EnvParams) -> Any:
        """Return what the trainer was shown."""
        return theirs.element_of(env_state.state, self.view.states)

    def action_space(self, params: EnvParams | None = None) -> spaces.Space:
        """Discrete, or a Box."""
        return self._actions

    def observation_space(self, params: EnvParams) -> spaces.Space:
        """What Gymnasium declares, or the part of it that the agent sees."""
        return self._observations

    def privileged_state_space(self, params: EnvParams) -> spaces.Space:
        """What Gymnasium declares, a `state_space` of the environment, or Boxes of floats."""
        return self._states


def from_gymnasium(
    make: Callable[[], Any],
    time_limit: int | None = None,
    privileged: str | None = None,
    observed: Sequence[int] | None = None,
    name: str | None = None,
) -> tuple[PrivilegedEnvironment, EnvParams]:
    """Take an environment of Gymnasium, which the host steps.

    Args:
      make: returns a new `gymnasium.Env`, each time it is called.
      time_limit: steps after which an episode is truncated, the parameter `max_steps_in_episode`;
        None takes that of its `spec`.
      privileged: the name of an entry of `info`, of an entry of a Dict observation, or of a method
        without arguments that returns the privileged state; `observation`, where nothing is hidden.
        None takes the entry `critic`, `privileged_state` or `state` of an observation that has
        `policy` or `observation` beside it, or else `info["state"]`; or else, where `observed` is
        given, the whole observation.
      observed: entries of the agent's flat observation that it is to see; None: all.
      name: what to call it in sentences.

    Returns:
      The environment and its parameters.

    Raises:
      ValueError: when it cannot be made, or has no such privileged state, or a space is of a kind
        that nothing learns from.
    """
    adapted = Gymnasium(make, time_limit, privileged, name, whole=observed is not None)
    params = adapted.default_params
    if observed is None:
        return adapted, params
    space = adapted.privileged_state_space(params)
    return Privileged(adapted, observed, adapted.privileged_state, space), params
