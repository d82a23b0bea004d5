"""The families of learners, and which one an algorithm's name belongs to."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from gymnax.environments.spaces import Box

from adqn_jax import actor_critic, imitation, value
from adqn_jax.agent import Agent, Networks
from adqn_jax.config import BaseConfig, ReadWhen, unread_fields
from adqn_jax.spaces import Spaces
from adqn_jax.types import Spec


@dataclasses.dataclass(frozen=True)
class Family:
    """Algorithms that share a configuration and an agent."""

    algorithms: Mapping[str, Any]
    """By name, as data: dataclasses."""
    config: type[BaseConfig]
    make_agent: Callable[..., Agent]
    """`(config, codec) -> agent`; of a family that is taught, `(config, codec, teacher)`."""
    make_networks: Callable[[Any, Spaces], Networks]
    """`(config, spaces) -> networks`, all that a policy's file holds."""
    make_all_networks: Callable[[Any, Spaces], Networks]
    """`(config, spaces) -> networks`, with those that only help to learn."""
    scores: Literal["values", "log-probabilities"]
    """What a policy says of discrete actions: Q(h,.), or log π(.|h)."""
    continuous: bool = False
    """Whether its actions may be continuous, those of a Box."""
    taught: bool = False
    """Whether some algorithms need an expert: a `Teacher`."""

    @property
    def is_all_saved(self) -> bool:
        """Whether a policy's file holds all networks."""
        return self.make_networks is self.make_all_networks


#: In the order in which algorithms are listed.
FAMILIES = (
    Family(
        value.ALGORITHMS,
        value.Config,
        value.make_agent,
        value.make_networks,
        value.make_networks,
        "values",
    ),
    Family(
        actor_critic.ALGORITHMS,
        actor_critic.Config,
        actor_critic.make_agent,
        actor_critic.make_policy_networks,
        actor_critic.make_networks,
        "log-probabilities",
        continuous=True,
    ),
    Family(
        imitation.ALGORITHMS,
        imitation.Config,
        imitation.make_agent,
        imitation.make_policy_networks,
        imitation.make_networks,
        "log-probabilities",
        taught=True,
    ),
)


def algorithms() -> Iterator[str]:
    """List the names of all algorithms, family by family."""
    for family in FAMILIES:
        yield from family.algorithms


def family_of(algorithm: str) -> Family:
    """Return the family that an algorithm belongs to.

    Raises:
      ValueError: when there is no such algorithm; the message lists those there are.
    """
    for family in FAMILIES:
        if algorithm in family.algorithms:
            return family
    raise ValueError(f"unknown algorithm {algorithm!r}; known are {', '.join(algorithms())}")


def family_for(config: BaseConfig) -> Family:
    """Return the family of a configuration's algorithm.

    Raises:
      ValueError: when there is no such algorithm, or the configuration is another family's.
    """
    family = family_of(config.algorithm)
    if not isinstance(config, family.config):
        needed, given = (
            f"{kind.__module__.removesuffix('.config')}.{kind.__name__}"
            for kind in (family.config, type(config))
        )
        raise ValueError(f"{config.algorithm} is trained by {needed}, got {given}")
    return family


def check_actions(algorithm: str, space: Spec) -> None:
    """Refuse continuous actions where an algorithm has a number for each action.

    Raises:
      ValueError: when it has; the message lists the algorithms that do without.
    """
    family = family_of(algorithm)
    if isinstance(space, Box) and not family.continuous:
        each = {"values": "a value", "log-probabilities": "a probability"}[family.scores]
        able = [name for family in FAMILIES if family.continuous for name in family.algorithms]
        raise ValueError(
            f"{algorithm} learns {each} for each action, and there is no end of them in the "
            f"action space Box{space.shape}: such are learnt of Discrete ones only; continuous "
            f"ones take {', '.join(able)}"
        )


def settled(config: BaseConfig) -> BaseConfig:
    """Return what decides a run: fields that the configuration does not read have defaults.

    These are the family's, which may differ from those of its parts.
    """
    defaults = {
        field.name: getattr(part, field.name)
        for part in type(config)(config.algorithm).parts.values()
        for field in dataclasses.fields(part)
    }
    return config.replace(**{name: defaults[name] for name in unread(config)})


def unread(config: BaseConfig) -> dict[str, ReadWhen]:
    """Name the fields that a configuration does not read, and what would read them."""
    return unread_fields(config, family_for(config).algorithms[config.algorithm])
