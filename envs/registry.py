"""Names to environments."""

import re
from typing import Any

import gymnax

from envs.carflag import CarFlag
from envs.cassandra import read_pomdp
from envs.cleaner import Cleaner
from envs.environment import PrivilegedEnvironment
from envs.finite import FinitePOMDP
from envs.four_rooms import MemoryFourRooms
from envs.heavenhell import HeavenHell
from envs.wrappers import Privileged

#: Forms of name that `make` knows, as shown to a user who got one wrong.
KNOWN = (
    "carflag",
    "heavenhell-N (N >= 1; the paper's are 3 and 4)",
    "cleaner",
    "memory-four-rooms-7x7 (or another odd size)",
    "gymnax:NAME[:I,J,...]",
    "pomdp:PATH (a .pomdp file)",
)

_HEAVENHELL = re.compile(r"heavenhell-(\d+)")
_FOUR_ROOMS = re.compile(r"memory-four-rooms-(\d+)x(\1)")
_GYMNAX = re.compile(r"gymnax:([^:]+)(?::(\d+(?:,\d+)*))?")


def make(name: str) -> tuple[PrivilegedEnvironment, Any]:
    """Return the environment called `name` and its default parameters.

    Args:
      name: `carflag`; `heavenhell-N`; `cleaner`; `memory-four-rooms-7x7`, or of another odd size;
        `pomdp:PATH`, a file in Cassandra's format, of which a `reset` ends the episode;
        or `gymnax:NAME`, any environment that gymnax registers, whose full observation is then the
        privileged state, and `gymnax:NAME:I,J,...`, of which the agent sees those entries only
        (`gymnax:CartPole-v1:0,2` shows positions).

    Raises:
      ValueError: when the name is unknown; the message lists the known ones. Or when the file
        cannot be read.
    """
    env = _find(name)
    return env, env.default_params


def _find(name: str) -> PrivilegedEnvironment:
    if name == "carflag":
        return CarFlag()
    if match := _HEAVENHELL.fullmatch(name):
        return HeavenHell(int(match[1]))
    if name == "cleaner":
        return Cleaner()
    if match := _FOUR_ROOMS.fullmatch(name):
        return MemoryFourRooms(int(match[1]))
    if match := _GYMNAX.fullmatch(name):
        if match[1] not in gymnax.registered_envs:
            known = ", ".join(gymnax.registered_envs)
            raise ValueError(f"gymnax has no environment {match[1]!r}; it has {known}")
        observed = None if match[2] is None else tuple(map(int, match[2].split(",")))
        return Privileged(gymnax.make(match[1])[0], observed)
    if name.startswith("pomdp:"):
        return FinitePOMDP(read_pomdp(name.removeprefix("pomdp:"), episodic=True))
    raise ValueError(f"unknown environment {name!r}; known are {', '.join(KNOWN)}")
