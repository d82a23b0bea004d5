"""The families of learners, and which one an algorithm's name belongs to."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gymnax.environments.spaces import Box

from adqn_jax import actor_critic, value
from adqn_jax.agent import Agent, Networks
from adqn_jax.config import BaseConfig, ReadWhen, unread_fields
from adqn_jax.replay import SlotCodec
from adqn_jax.spaces import Spaces
from adqn_jax.types import Spec


@dataclasses.dataclass(frozen=True)
class Family:
    """Algorithms that share a configuration and an agent."""

    algorithms: Mapping[str, Any]
    """By name, as data: dataclasses."""
    config: type[BaseConfig]
    make_agent: Callable[[Any, SlotCodec], Agent]
    """`(config, codec) -> agent`."""
    make_networks: Callable[[Any, Spaces], Networks]
    """`(config, spaces) -> networks`, all that a policy's file holds."""
    make_all_networks: Callable[[Any, Spaces], Networks]
    """`(config, spaces) -> networks`, with those that only help to learn."""
    continuous: bool = False
    """Whether its actions may be continuous, those of a Box."""

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
    ),
    Family(
        actor_critic.ALGORITHMS,
        actor_critic.Config,
        actor_critic.make_agent,
        actor_critic.make_policy_networks,
        actor_critic.make_networks,
        continuous=True,
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


def check_actions(algorithm: str, space: Spec) -> None:
    """Refuse continuous actions where an algorithm has a value for each action.

    Raises:
      ValueError: when it has; the message lists the algorithms that do without.
    """
    if isinstance(space, Box) and not family_of(algorithm).continuous:
        able = [name for family in FAMILIES if family.continuous for name in family.algorithms]
        raise ValueError(
            f"{algorithm} learns a value for each action, and there is no end of them in the "
            f"action space Box{space.shape}: values are learnt of Discrete ones only; continuous "
            f"ones take {', '.join(able)}"
        )


def settled(config: BaseConfig) -> BaseConfig:
    """Return what decides a run: fields that the configuration does not read have defaults."""
    defaults = {
        field.name: getattr(type(part)(), field.name)
        for part in config.parts.values()
        for field in dataclasses.fields(part)
    }
    return config.replace(**{name: defaults[name] for name in unread(config)})


def unread(config: BaseConfig) -> dict[str, ReadWhen]:
    """Name the fields that a configuration does not read, and what would read them."""
    return unread_fields(config, family_of(config.algorithm).algorithms[config.algorithm])
