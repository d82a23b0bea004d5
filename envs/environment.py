"""The contract between an environment and a trainer that may look behind the curtain."""

import json
from typing import Any, TypeVar

import jax
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

TEnvState = TypeVar("TEnvState", bound=EnvState)
TEnvParams = TypeVar("TEnvParams", bound=EnvParams)


class PrivilegedEnvironment(Environment[TEnvState, TEnvParams]):
    """A gymnax environment that declares what a trainer may see and the agent may not.

    Subclasses implement gymnax's `step_env`, `reset_env`, `observe` and the spaces, and the two
    methods below. `step_env` may report `info["success"]` (bool, scalar): whether the episode, if
    it ends here, reached its goal.
    """

    #: Whether `observe(key, env_state, None, params)` repeats the observation that `step_env` or
    #: `reset_env` returned with that state, whatever the key. A trainer then asks for it once a
    #: step, where the stream goes on, and a replay buffer stores the state alone.
    observes_deterministically: bool = True

    @property
    def default_params(self) -> TEnvParams:
        """Parameters; a subclass says what they are, the longest episode among them.

        Raises:
          ValueError: when it does not; gymnax's own have episodes of one step.
        """
        raise ValueError(
            f"{self.name} has no default_params: they need max_steps_in_episode, the longest "
            f"episode, in steps"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides how it behaves beside its class, as JSON can hold it.

        A run's record repeats it, and compares it when the run is resumed or its policy loaded. A
        class that defines it says so that two objects with equal settings are the same environment.
        """
        return {}

    # gymnax compiles `step` and `reset` once per environment object that differs. What a class
    # says nothing of might differ: then an object equals itself alone.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and other._identity() == self._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[type, Any]:
        if type(self).settings is PrivilegedEnvironment.settings:
            return type(self), id(self)
        return type(self), json.dumps(self.settings, sort_keys=True)

    def privileged_state(self, env_state: TEnvState, params: TEnvParams) -> Any:
        """Return what the trainer may know: an element of `privileged_state_space`."""
        raise NotImplementedError

    def privileged_state_space(self, params: TEnvParams) -> spaces.Space:
        """Return the space of privileged states."""
        raise NotImplementedError

    def observe(
        self,
        key: jax.Array,
        state: TEnvState,
        action: int | float | jax.Array | None,
        params: TEnvParams,
    ) -> Any:
        """Return the observation of `state`: gymnax's `get_obs`, which may draw with the key.

        It is given the key where `observes_deterministically` is False. An observation that also
        depends on the action needs an `observe` of its own.
        """
        del action
        if self.observes_deterministically:
            return self.get_obs(state, params)
        return self.get_obs(state, params, key)
