"""Who sees what of an environment of Gymnasium: the agent, and the trainer alone."""

import dataclasses
from typing import Any

import gymnasium

from . import gymnasium_spaces as theirs

#: Entries of a dict observation: the agent's, and those that only a trainer should see.
_SEEN = ("policy", "observation")
_KNOWN = ("critic", "privileged_state", "state")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a privileged state comes from."""

    kind: str  # "entry" of the observation, entry of "info", "method", or the "observation" itself
    name: str

    def __str__(self) -> str:
        """Say it in two words."""
        return f"{self.kind} {self.name}".strip()


class View:
    """What agent and trainer see, found out by a first reset.

    Args:
      name: of the environment, in sentences.
      env: the environment.
      privileged: where the privileged state is; None: where it usually is.
      whole: whether it may be the whole observation, without being asked for.

    Raises:
      ValueError: when the environment cannot be reset, or there is no such state.
    """

    def __init__(self, name: str, env: Any, privileged: str | None, whole: bool):
        self._name = name
        try:
            observation, info = env.reset(seed=0)
        except Exception as error:  # whatever somebody else's code raises
            raise ValueError(f"{name} cannot be reset: {told(error)}") from error
        space = env.observation_space
        self.source = self._find(env, space, info, privileged, whole)
        self._parts = self._visible(space)
        self.observations = self._of_parts(space)
        self.states = self._space_of_state(env, space, observation, info)

    def _find(
        self, env: Any, space: Any, info: dict[str, Any], name: str | None, whole: bool
    ) -> Source:
        """Look for the privileged state: as it is named, or where it usually is."""
        is_dict = isinstance(space, gymnasium.spaces.Dict)
        there = set(space.spaces) if is_dict else set()
        if name is None:
            entry = next((entry for entry in _KNOWN if entry in there), None)
            if entry is not None and there & set(_SEEN):
                return Source("entry", entry)
            if "state" in info:
                return Source("info", "state")
            if whole:
                return Source("observation", "")
        elif name in there:
            return Source("entry", name)
        elif name in info:
            return Source("info", name)
        elif env.has_wrapper_attr(name) and callable(env.get_wrapper_attr(name)):
            return Source("method", name)
        elif name == "observation":
            return Source("observation", "")
        asked = "no privileged state" if name is None else f"no privileged state {name!r}"
        raise ValueError(
            f"{self._name} has {asked}: name an entry of its info ({_listed(info)}), an entry of "
            f"its observation ({_listed(there)}) or a method that returns it, by --privileged; or "
            f"`observation`, where nothing is hidden"
        )

    def _visible(self, space: Any) -> tuple[str, ...] | None:
        """Name the entries of an observation that the agent sees; None: there are no entries."""
        if not isinstance(space, gymnasium.spaces.Dict):
            return None
        there = list(space.spaces)
        hidden = {*_KNOWN, self.source.name} if self.source.kind == "entry" else {*_KNOWN}
        alone = next((name for name in _SEEN if name in there), None)
        if alone is not None and hidden & set(there):
            return (alone,)
        if self.source.kind == "entry":
            there.remove(self.source.name)
        if not there:
            raise ValueError(f"{self._name} shows nothing beside its privileged state")
        return tuple(there)

    def _of_parts(self, space: Any) -> Any:
        if self._parts is None:
            return space
        if len(self._parts) == 1 and self._parts[0] in _SEEN:
            return space.spaces[self._parts[0]]
        return gymnasium.spaces.Dict({name: space.spaces[name] for name in self._parts})

    def _space_of_state(self, env: Any, space: Any, observation: Any, info: dict[str, Any]) -> Any:
        """Return the space that is declared for the privileged state, or one that fits it."""
        if self.source.kind == "entry":
            return space.spaces[self.source.name]
        if self.source.kind == "observation":
            return self.observations
        try:
            value = self.state_of(env, observation, info)
            known = getattr(env.unwrapped, "state_space", None)  # so POPGym calls it
            if isinstance(known, gymnasium.Space) and known.contains(value):
                return known
            return theirs.guessed(value)
        except Exception as error:
            raise ValueError(
                f"{self._name}'s privileged state {self.source.name!r} cannot be used: "
                f"{told(error)}"
            ) from error

    def seen(self, observation: Any) -> Any:
        """Return what the agent sees of an observation of Gymnasium's."""
        if self._parts is None:
            return observation
        if len(self._parts) == 1 and self._parts[0] in _SEEN:
            return observation[self._parts[0]]
        return {name: observation[name] for name in self._parts}

    def state_of(self, env: Any, observation: Any, info: dict[str, Any]) -> Any:
        """Return the privileged state.

        Raises:
          ValueError: when `info` has no longer what it had at first.
        """
        kind, name = self.source.kind, self.source.name
        if kind == "method":
            return env.get_wrapper_attr(name)()
        if kind == "observation":
            return self.seen(observation)
        entries = info if kind == "info" else observation
        if name not in entries:
            raise ValueError(f"there is no {name!r} in {'info' if kind == 'info' else kind}")
        return entries[name]


def told(error: Exception) -> str:
    """Say in a line what was raised."""
    reason = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(str, names))) or "none"
