"""The families of learners, and which one an algorithm's name belongs to."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from adqn_jax import actor_critic, imitation, value
from adqn_jax.agent import Agent, Networks
from adqn_jax.config import BaseConfig, ReadWhen, unread_fields
from adqn_jax.spaces import Spaces


@dataclasses.dataclass(frozen=True)
class Family:
    """Algorithms that share a configuration and an agent."""

    algorithms: Mapping[str, Any]
    """By name, as data: dataclasses."""
    config: type[BaseConfig]
    make_agent: Callable[..., Agent]
    """`(config, codec) -> agent`; of a family that is taught, `(config, codec, teacher)`."""
    make_networks: Callable[[Any, Spaces], Networks]
    """`(config, spaces) -> networks`, all that a deployed policy needs."""
    scores: Literal["values", "log-probabilities"]
    """What these say of actions: Q(h,.), or log π(.|h)."""
    taught: bool = False
    """Whether some algorithms need an expert: a `Teacher`."""


#: In the order in which algorithms are listed.
FAMILIES = (
    Family(value.ALGORITHMS, value.Config, value.make_agent, value.make_networks, "values"),
    Family(
        actor_critic.ALGORITHMS,
        actor_critic.Config,
        actor_critic.make_agent,
        actor_critic.make_policy_networks,
        "log-probabilities",
    ),
    Family(
        imitation.ALGORITHMS,
        imitation.Config,
        imitation.make_agent,
        imitation.make_policy_networks,
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
