"""The points of a sweep: values of options of run.py, all combinations of them or a draw."""

import dataclasses
import difflib
import itertools
import math
from collections.abc import Sequence
from typing import Any, get_args, get_origin

import numpy as np

from adqn_jax import families, make_trainer
from adqn_jax.results.experiment import Experiment, file_name
from support import chosen, options

#: Options that may be in a grid: all that decide what is trained, with their types.
_OPTIONS = options.kinds()
#: Those that are traced: they may differ within one compiled program.
_TRACED = {
    field.name.replace("_", "-")
    for family in families.FAMILIES
    for field in dataclasses.fields(family.config.part_types()["hyper"])
}
_DRAWS_PER_POINT = 100
_LONGEST_LABEL = 240


@dataclasses.dataclass(frozen=True)
class Axis:
    """An option and its values: those listed, or all within two bounds."""

    option: str  # without the dashes in front
    values: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None

    @property
    def size(self) -> float:
        """How many values it has."""
        return math.inf if self.bounds else len(self.values)

    def draw(self, rng: np.random.Generator) -> str:
        """Draw a value: uniform among those listed, log-uniform within bounds, to 6 digits."""
        if self.bounds:
            low, high = self.bounds
            rounded = float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.6g}")
            return repr(min(max(rounded, low), high))
        return self.values[rng.integers(len(self.values))]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One point of a sweep."""

    values: dict[str, str]  # by option
    args: options.Args
    experiment: Experiment

    @property
    def label(self) -> str:
        """Its values, as a name."""
        return ",".join(f"{option}={value}" for option, value in self.values.items())

    @property
    def folder_name(self) -> str:
        """Its label, as a folder can have it."""
        return file_name(self.label)

    @property
    def program(self) -> tuple[Any, ...]:
        """What must be equal for two points to be trained by one compiled program."""
        static = dataclasses.replace(self.args.config, hyper=None)
        args = self.args
        world = args.env, args.observe, args.env_param, args.expert, args.privileged
        return *world, args.runner, args.max_lag, static


def candidates(
    common: Sequence[str], texts: Sequence[str], random: int | None, seed: int
) -> list[Candidate]:
    """List the points of a sweep.

    Args:
      common: words of run.py that all points share.
      texts: `option=value,value,...` or `option=low..high`, an option each.
      random: how many points to draw, without replacement; None: all.
      seed: of the draw.

    Raises:
      ValueError: when a point cannot be run, differs from another in name only, or would share
        another's folder.
    """
    axes = [_axis(text) for text in texts]
    if not axes:
        raise ValueError("--grid must name an option and its values, as in learning-rate=3e-4,1e-3")
    swept = [axis.option for axis in axes]
    given = {
        word.split("=")[0].lstrip("-").replace("_", "-") for word in common if word[:2] == "--"
    }
    for option in swept:
        if swept.count(option) > 1 or {option, f"no-{option}"} & given:
            raise ValueError(f"{option} is given twice: name it once, in --grid or as an option")
    chosen = _all(axes) if random is None else _draw(axes, random, seed)
    points = [_candidate(common, dict(zip(swept, values, strict=True))) for values in chosen]
    before: dict[Any, Candidate] = {}
    in_folder: dict[str, Candidate] = {}
    for point in points:
        if len(point.label) > _LONGEST_LABEL:
            raise ValueError(f"{point.label} is too long to name a folder: sweep fewer options")
        same = before.setdefault((point.program, point.args.config), point)
        if same is not point:
            raise ValueError(f"{same.label} and {point.label} are the same point: leave one out")
        other = in_folder.setdefault(point.folder_name, point)
        if other is not point:
            raise ValueError(
                f"{other.label} and {point.label} would share the folder {point.folder_name}: "
                f"leave one out, or rename its file"
            )
    return points


def _axis(text: str) -> Axis:
    option, equals, values = text.partition("=")
    option = option.replace("_", "-")
    listed = tuple(values.split(","))
    if not equals or not all(listed):
        raise ValueError(f"--grid needs option=value,value,... without gaps, got {text!r}")
    if option not in _OPTIONS:
        close = difflib.get_close_matches(option, _OPTIONS, n=3) or sorted(_TRACED)
        raise ValueError(
            f"--grid knows no option {option!r}: it takes those that decide what is trained, "
            f"such as {', '.join(close)}"
        )
    if ".." in values and option in _TRACED:
        return Axis(option, bounds=_bounds(option, values))
    for value in listed:
        if listed.count(value) > 1:
            raise ValueError(f"{option} has {value} twice in --grid")
    return Axis(option, listed)


def _bounds(option: str, text: str) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in text.split(".."))
    except ValueError:
        low = high = math.nan
    if not 0 < low < high < math.inf:
        raise ValueError(f"a range of {option} needs 0 < low < high, as in 1e-4..1e-2, got {text}")
    return low, high


def _all(axes: Sequence[Axis]) -> list[tuple[str, ...]]:
    for axis in axes:
        if axis.bounds:
            raise ValueError(f"{axis.option} has a range: --random N says how many points to draw")
    return list(itertools.product(*(axis.values for axis in axes)))


def _draw(axes: Sequence[Axis], number: int, seed: int) -> list[tuple[str, ...]]:
    """Draw different points; as often as it takes to find nearly surely all that there are."""
    size = math.prod(axis.size for axis in axes)
    if not 1 <= number <= size:
        raise ValueError(f"random must be from 1 to the {size:g} points of the grid, got {number}")
    rng = np.random.default_rng(seed)
    found: dict[tuple[str, ...], None] = {}
    for _ in range(_DRAWS_PER_POINT * number):
        found[tuple(axis.draw(rng) for axis in axes)] = None
        if len(found) == number:
            return list(found)
    raise ValueError(f"the ranges are too narrow for {number} different points: widen them")


def _candidate(common: Sequence[str], values: dict[str, str]) -> Candidate:
    words = [word for option, value in values.items() for word in _words(option, value)]
    args = options.parse([*common, *words])
    env, env_params, teacher = chosen.world(args)
    make_trainer(args.config, env, env_params, teacher)  # what cannot be run is refused now
    point = Candidate(values, args, chosen.experiment(args, env))
    for field, reader in families.unread(args.config).items():
        if (option := field.replace("_", "-")) in values:
            raise ValueError(f"at {point.label} nothing reads {option}: it needs {reader}")
    return point


def _words(option: str, value: str) -> list[str]:
    kind = _OPTIONS[option]
    if kind is bool:
        if value not in ("true", "false"):
            raise ValueError(f"{option} must be true or false in --grid, got {value!r}")
        return options.option(option, value == "true")
    if get_origin(kind) is tuple and int in get_args(kind):
        return options.option(option, tuple(value.split("x")))
    return options.option(option, value)
