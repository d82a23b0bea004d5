"""Names to environments."""

import dataclasses
import functools
import importlib
import inspect
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any, Literal

import gymnax

from .adapt_brax import from_brax
from .carflag import CarFlag
from .cassandra import read_pomdp
from .cleaner import Cleaner
from .environment import PrivilegedEnvironment
from .finite import FinitePOMDP
from .foraging import Foraging
from .four_rooms import COLOURS, MemoryFourRooms
from .frozen_lake import FrozenLake
from .heavenhell import HeavenHell
from .mazes import random_maze
from .pedestrian import Pedestrian
from .tiger_door import TigerDoor
from .tiles import HazardImages
from .wrappers import FullyObserved, Privileged

#: Forms of name that `make` knows, as shown to a user who got one wrong.
KNOWN = (
    "carflag",
    "heavenhell-N (N >= 1; the paper's are 3 and 4)",
    "cleaner[:FILE | :ROWSxCOLUMNS | :ROWSxCOLUMNS:SEED]",
    "memory-four-rooms-7x7[:COLOUR,COLOUR,...] (or another odd size)",
    "foraging[:ROWSxCOLUMNS:AGENTS:ITEMS[:sight=N][:coop][:levels]]",
    "frozenlake[:image]",
    "tigerdoor[-1 | -2 | -3][:image]",
    "pedestrian",
    "gymnax:NAME[:I,J,...]",
    "brax:NAME[:I,J,...]",
    "gymnasium:[MODULE:]ID[:I,J,...] (stepped by the host)",
    "pomdp:PATH (a .pomdp file)",
    "import:MODULE:CLASS (a PrivilegedEnvironment of your own)",
)

_HEAVENHELL = re.compile(r"heavenhell-(\d+)")
_CLEANER = re.compile(r"cleaner(?::(?:(\d+)x(\d+)(?::(\d+))?|(.+)))?")
_FOUR_ROOMS = re.compile(r"memory-four-rooms-(\d+)x(\1)(?::(.*))?")
_FORAGING = re.compile(r"foraging(?::(\d+)x(\d+):(\d+):(\d+)((?::[^:]*)*))?")
_HAZARDS = re.compile(r"(?:frozenlake|(tigerdoor)(?:-(\d+))?)(:image)?")
_IMPORT = re.compile(r"import:(\w+(?:\.\w+)*):(\w+)")
_GYMNAX = re.compile(r"gymnax:([^:]+)(?::(\d+(?:,\d+)*))?")
_GYMNASIUM = re.compile(r"gymnasium:((?:[\w.]+:)?[\w./-]+)(?::(\d+(?:,\d+)*))?")
_BRAX = re.compile(r"brax:([^:]+)(?::(\d+(?:,\d+)*))?")


#: What an agent may see: the environment's observations, or, for an upper bound, all there is.
Observe = Literal["observation", "state"]


def make(
    name: str, observe: Observe = "observation", params: Mapping[str, float] | None = None,
    privileged: str | None = None,
) -> tuple[PrivilegedEnvironment, Any]:  # fmt: skip
    """Return the environment called `name` and its parameters.

    Args:
      name: one of

        * `carflag`; `heavenhell-N`;
        * `cleaner`, in the paper's maze; `cleaner:FILE`, in the maze that a text file shows;
          `cleaner:ROWSxCOLUMNS`, in a maze drawn at random for every episode, and
          `cleaner:ROWSxCOLUMNS:SEED`, in one drawn once and for all;
        * `memory-four-rooms-7x7`, or of another odd size; with `:blue,yellow` or other colours to
          draw from;
        * `foraging`, one agent and one item on 8x8 cells, or `foraging:ROWSxCOLUMNS:AGENTS:ITEMS`,
          followed by any of `:sight=N`, how many cells far agents see, `:coop`, items that the
          weakest agents, up to three, can only load together, and `:levels`, agents and items
          that differ in strength;
        * `frozenlake`; `tigerdoor`, and `tigerdoor-1`, `-2` and `-3`; with `:image`, what the agent
          sees is a picture; `pedestrian`;
        * `gymnax:NAME`, any environment that gymnax registers, whose full observation is then the
          privileged state, and `gymnax:NAME:I,J,...`, of which the agent sees those entries only
          (`gymnax:CartPole-v1:0,2` shows positions; `gymnax:Pendulum-v1:0,1` hides the velocity);
        * `brax:NAME` and `brax:NAME:I,J,...`, the same of Brax, which the extra `brax` brings;
        * `gymnasium:ID` and `gymnasium:ID:I,J,...`, the same of Gymnasium, which the extra
          `gymnasium` brings and the host steps; `gymnasium:MODULE:ID` imports a module first, which
          registers the environment;
        * `pomdp:PATH`, the finite POMDP of a `.pomdp` file;
        * `import:MODULE:CLASS`, a class of your own (`PrivilegedEnvironment`), made without
          arguments, from a module that Python finds.
      observe: with `state`, the privileged state is what the agent observes.
      params: parameters that are not to have their defaults, such as the time limit,
        `max_steps_in_episode`.
      privileged: what the privileged state of an environment of Gymnasium is called
        (`adapt_gymnasium.from_gymnasium`); None looks where it usually is.

    Raises:
      ValueError: when the name is unknown, or names what cannot be, or a parameter is none of the
        environment's, or no number such as it has, or a package is missing; the message says
        what can be.
    """
    match = _GYMNASIUM.fullmatch(name)
    if privileged is not None and not match:
        raise ValueError(
            f"--privileged names the privileged state of gymnasium:ID; {name} has one of its own"
        )
    env = _gymnasium(match[1], match[2], privileged) if match else _find(name)
    if observe == "state":
        env = FullyObserved(env)
    return env, _changed(name, env.default_params, params or {})


def _changed(name: str, default: Any, params: Mapping[str, float]) -> Any:
    """Replace numbers among an environment's parameters; whole ones stay whole."""
    known = {field.name: getattr(default, field.name) for field in dataclasses.fields(default)}
    numbers = {key: value for key, value in known.items() if isinstance(value, int | float)}
    for key, value in params.items():
        if key not in numbers:
            raise ValueError(f"{name} has no parameter {key!r}; it has {', '.join(numbers)}")
        if not math.isfinite(value):
            raise ValueError(f"{key} of {name} must be a finite number, got {value}")
        if isinstance(numbers[key], int) and value != int(value):
            raise ValueError(f"{key} of {name} must be a whole number, got {value}")
    return dataclasses.replace(default, **{k: type(numbers[k])(v) for k, v in params.items()})


def _find(name: str) -> PrivilegedEnvironment:
    if name == "carflag":
        return CarFlag()
    if name == "pedestrian":
        return Pedestrian()
    if match := _HEAVENHELL.fullmatch(name):
        return HeavenHell(int(match[1]))
    if match := _CLEANER.fullmatch(name):
        return _cleaner(*match.groups())
    if match := _FOUR_ROOMS.fullmatch(name):
        return _four_rooms(int(match[1]), match[3])
    if match := _FORAGING.fullmatch(name):
        return _foraging(match[5] or "", *match.groups()[:4])
    if match := _HAZARDS.fullmatch(name):
        grid = TigerDoor(int(match[2] or 0)) if match[1] else FrozenLake()
        return HazardImages(grid) if match[3] else grid
    if match := _GYMNAX.fullmatch(name):
        return _gymnax(match[1], match[2])
    if match := _BRAX.fullmatch(name):
        return _brax(match[1], match[2])
    if name.startswith("pomdp:"):
        return FinitePOMDP(read_pomdp(name.removeprefix("pomdp:"), episodic=True))
    if match := _IMPORT.fullmatch(name):
        return _imported(match[1], match[2])
    raise ValueError(f"unknown environment {name!r}; known are {', '.join(KNOWN)}")


def _cleaner(
    rows: str | None, columns: str | None, seed: str | None, file: str | None
) -> PrivilegedEnvironment:
    if rows is not None and columns is not None:
        maze = random_maze(int(rows), int(columns), int(seed or 0))
        return Cleaner(maze, redraw=seed is None)
    if file is None:
        return Cleaner()
    try:
        return Cleaner(pathlib.Path(file).read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read a maze from {file!r}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _four_rooms(size: int, colours: str | None) -> PrivilegedEnvironment:
    if colours is None:
        return MemoryFourRooms(size)
    unknown = set(colours.split(",")) - set(COLOURS)
    if unknown:
        raise ValueError(f"unknown colours {sorted(unknown)}; known are {', '.join(COLOURS)}")
    return MemoryFourRooms(size, [COLOURS[colour] for colour in colours.split(",")])


def _foraging(options: str, *size: str | None) -> PrivilegedEnvironment:
    chosen: dict[str, Any] = {}
    for option in options.split(":")[1:]:
        key, _, number = option.partition("=")
        if key in chosen or not re.fullmatch(r"sight=\d+|coop|levels", option):
            raise ValueError(
                f"foraging's options are sight=N, coop and levels, each once; got {option!r}"
            )
        chosen[key] = int(number) if number else True
    return Foraging(*(int(n) for n in size if n is not None), **chosen)


def _gymnax(name: str, observed: str | None) -> PrivilegedEnvironment:
    if name not in gymnax.registered_envs:
        known = ", ".join(gymnax.registered_envs)
        raise ValueError(f"gymnax has no environment {name!r}; it has {known}")
    return Privileged(gymnax.make(name)[0], _entries(observed))


def _brax(name: str, observed: str | None) -> PrivilegedEnvironment:
    try:
        brax = importlib.import_module("brax.envs")
    except ModuleNotFoundError as error:  # the sentence of adqn_jax.extras, which is not for envs
        package = str(error.name).partition(".")[0]
        raise ValueError(
            f"the package {package} is not installed: pip install 'adqn-jax[brax]' (in a "
            f"checkout: pip install -e '.[brax]')"
        ) from error
    try:
        env = brax.get_environment(name)
    except KeyError as error:
        raise ValueError(f"brax has no environment {name!r}; brax.envs has a list") from error
    return from_brax(env, observed=_entries(observed))[0]


def _gymnasium(name: str, observed: str | None, privileged: str | None) -> PrivilegedEnvironment:
    try:
        from .adapt_gymnasium import from_gymnasium, gymnasium
    except ModuleNotFoundError as error:  # the sentence of adqn_jax.extras, which is not for envs
        raise ValueError(
            f"the package {error.name} is not installed: pip install 'adqn-jax[gymnasium]' (in a "
            f"checkout: pip install -e '.[gymnasium]')"
        ) from error
    module, _, id_ = name.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        time_limit = gymnasium.spec(id_).max_episode_steps
    except (ImportError, gymnasium.error.Error) as error:
        raise ValueError(
            f"Gymnasium cannot find {name!r}: {str(error).partition(chr(10))[0]} "
            f"(gymnasium:MODULE:ID imports a module first; PYTHONPATH says where modules are)"
        ) from error
    # We count steps ourselves, up to whatever limit is asked for: -1 makes no other. And we check
    # what environments return.
    make = functools.partial(gymnasium.make, id_, max_episode_steps=-1, disable_env_checker=True)
    called = f"gymnasium:{name}"
    return from_gymnasium(make, time_limit, privileged, _entries(observed), called)[0]


def _entries(observed: str | None) -> tuple[int, ...] | None:
    return None if observed is None else tuple(map(int, observed.split(",")))


def _imported(module: str, name: str) -> PrivilegedEnvironment:
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"cannot import {name} from {module}: {error} (PYTHONPATH says where modules are)"
        ) from error
    derived = isinstance(kind, type) and issubclass(kind, PrivilegedEnvironment)
    if not derived or inspect.isabstract(kind) or kind is PrivilegedEnvironment:
        raise ValueError(f"{module}:{name} must be a class derived from PrivilegedEnvironment")
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        raise ValueError(f"{module}:{name} must be made without arguments: {error}") from error
    env: PrivilegedEnvironment = kind()
    return env
