"""What can be set, as families of learners share it; each family's own part is in its package.

The type says what a number may do: a family's `Hyperparameters` are a pytree, their numbers are
traced and may differ between the seeds of one compiled program; everything else is static and
fixes shapes or the program itself. What a field may hold, and when it is read, is metadata of its
type: `Annotated[float, Range(0, 1), ReadWhen("returns", "lambda")]`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Range:
    """Finite numbers from `least` to `most`; of a tuple, every entry."""

    least: float = -math.inf
    most: float = math.inf
    closed: bool = True
    """Whether the least itself is allowed."""

    def __contains__(self, value: float) -> bool:
        """Written so that NaN is outside."""
        above = self.least <= value if self.closed else self.least < value
        return above and value <= self.most and math.isfinite(value)

    def __str__(self) -> str:
        """Say what a number must be."""
        if self.least == -math.inf:
            return "finite"
        most = f" and at most {self.most:g}" if self.most < math.inf else ""
        return f"{'at least' if self.closed else 'greater than'} {self.least:g}{most}"


def above(least: float, most: float = math.inf) -> Range:
    """Return the numbers greater than `least`, and at most `most`."""
    return Range(least, most, closed=False)


@dataclasses.dataclass(frozen=True)
class ReadWhen:
    """A field is read only when an option, or a property of the algorithm, has a value."""

    option: str
    value: Any
    """The value, or a tuple of all that will do."""
    needs: str = ""
    """What a user must ask for; by default the option."""

    @property
    def values(self) -> tuple[Any, ...]:
        """All values that will do."""
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def __str__(self) -> str:
        """Name what would read the field."""
        return self.needs or f"--{self.option.replace('_', '-')} {' or '.join(self.values)}"


History = Literal["gru", "lstm", "none"]
RECURRENT = ReadWhen("history", tuple(name for name in get_args(History) if name != "none"))
_HISTORIES = ReadWhen(
    "acts_on_state", False, "an algorithm that sees histories, any but expert and dagger"
)


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes and initial weights of networks."""

    history: Annotated[History, _HISTORIES] = "gru"
    """What stands for the history: a GRU's state, an LSTM's, or only the features of the
    observation, which makes Q(o,a) of Q(h,a), a lower bound. Not read by `expert` and `dagger`."""
    embedding_size: Annotated[int, Range(1)] = 64
    """Features of an action and of an observation."""
    history_size: Annotated[int, Range(1), RECURRENT] = 128
    """Width of what encodes the history. Read when `history` is `gru` or `lstm`."""
    memory_bits: Annotated[bool, _HISTORIES] = False
    """Whether the history is told, beside each observation, all that the episode has shown so far:
    a bit for each observation that is Discrete; of grids of indices, for any two that meet in a
    cell. Not read by `expert` and `dagger`."""
    head_sizes: Annotated[tuple[int, ...], Range(1)] = (512, 256)
    """Hidden layers between the features and the action values."""
    conv_channels: Annotated[tuple[int, ...], Range(1)] = (32, 32, 64)
    """Channels of the convolutions of pictures, and of grids with the encoder `convolutions`;
    otherwise nothing reads them."""
    grid_encoder: Literal["convolutions", "cells", "pairs"] = "convolutions"
    """How grids of indices are encoded: by convolutions, as the authors do; cell by cell, what
    there is anywhere, and what is where; or by which indices meet in a cell. Of other spaces
    nothing reads it."""
    gru_init: Annotated[Literal["uniform", "orthogonal"], RECURRENT] = "uniform"
    """Initial recurrent weights: uniform in +-1/sqrt(history_size), or orthogonal per gate. Read
    when `history` is `gru` or `lstm`."""
    scale_boxes: bool = False
    """Whether to divide the entries of flat observations and states by the bounds that their
    spaces declare."""
    action_scale: Annotated[float, above(0), RECURRENT] = 1.0
    """Standard deviation of the initial action embeddings; small values let the history see
    observations first. Read when `history` is `gru` or `lstm`."""
    output_scale: Annotated[float, Range(0)] = 1.0
    """Factor on the initial weights of each head's last layer; with 0 all values start at 0."""
    matmul_precision: Literal["float32", "tensorfloat32", "bfloat16"] = "float32"
    """Precision of matrix products on an accelerator that has cheaper ones; a CPU always computes
    in float32."""
    update_gate_bias: Annotated[float, Range(), RECURRENT] = 0.0
    """Added to the initial bias of the gate that keeps what is known, the GRU's update gate or the
    LSTM's forget gate; positive values remember longer. Read when `history` is `gru` or `lstm`."""

    @property
    def remembers(self) -> bool:
        """Whether what came before an observation matters."""
        return self.history != "none" or self.memory_bits


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """The training loop, of any family; counts of timesteps are simulated ones, per seed."""

    total_timesteps: Annotated[int, Range(1)] = 2_000_000
    """Simulated timesteps per seed, warm-up included; rounded up to whole log points."""
    num_envs: Annotated[int, Range(1)] = 16
    """Environments that a seed steps in lock step."""
    log_every: Annotated[int, Range(1)] = 20_000
    """Timesteps between log points, each with an evaluation; rounded up to whole iterations."""
    eval_episodes: Annotated[int, Range(1)] = 32
    """Episodes per evaluation and seed; greedy, unless the family has policies that draw."""


@dataclasses.dataclass(frozen=True)
class BaseConfig:
    """A whole training run of one seed: an algorithm, and parts that are dataclasses.

    The names of the parts' fields are those of the command line's options; no two parts share one.
    Every family has the parts `hyper`, traced numbers with a `discount`; `network`, a
    `NetworkConfig`; and `train`, a `LoopConfig`.
    """

    algorithm: str

    @classmethod
    def part_types(cls) -> dict[str, Any]:
        """Return the parts' types by the parts' names."""
        hints = get_type_hints(cls)
        return {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}

    @property
    def parts(self) -> dict[str, Any]:
        """The parts by their names."""
        return {name: getattr(self, name) for name in self.part_types()}

    @property
    def flat(self) -> dict[str, Any]:
        """The values of all fields of all parts, by the fields' names."""
        return {name: value for part in self.parts.values() for name, value in vars(part).items()}

    def replace(self, **changes: Any) -> Self:
        """Change fields of any parts.

        Raises:
          TypeError: when no part has a field of that name.
        """
        parts = {}
        for name, part in self.parts.items():
            of_part = {
                f.name: changes.pop(f.name) for f in dataclasses.fields(part) if f.name in changes
            }
            parts[name] = dataclasses.replace(part, **of_part)
        if changes:
            raise TypeError(f"no part of {type(self).__name__} has {', '.join(changes)}")
        return dataclasses.replace(self, **parts)

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> Self:
        """Make a configuration of what `dataclasses.asdict` and JSON made of one.

        Fields and parts that it lacks, because it is older, have their defaults.

        Raises:
          KeyError: when it lacks one that every family has.
          TypeError: when it has a field that there is not.
        """
        parts = {
            # JSON has lists where a configuration has tuples.
            name: kind(**{k: _tuples(v) for k, v in _part(described, name).items()})
            for name, kind in cls.part_types().items()
        }
        return cls(described["algorithm"], **parts)


def check(config: BaseConfig) -> None:
    """Check every number against its range, and every choice against its options.

    Raises:
      ValueError: naming the first field that is out of range, and the range.
    """
    for name, value, kind, notes in _described(config):
        options = get_args(kind)
        if get_origin(kind) is Literal and value not in options:
            raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")
        for limits in notes:
            if isinstance(limits, Range):
                entries = value if isinstance(value, tuple) else (value,)
                each = " each" if isinstance(value, tuple) else ""
                if not all(entry in limits for entry in entries):
                    raise ValueError(f"{name} must be {limits}{each}, got {value}")
                if not all(map(_fits, entries)):
                    bits = 64 if all(isinstance(entry, int) for entry in entries) else 32
                    raise ValueError(f"{name} must fit into {bits} bits{each}, got {value}")


def check_asked(network: NetworkConfig, **weights: float) -> None:
    """Check that there is a memory where it is asked for something with some weight.

    Raises:
      ValueError: naming the first weight that is set where nothing remembers.
    """
    for option, weight in weights.items():
        if weight and not network.remembers:
            raise ValueError(
                f"{option} asks a memory: history must be gru or lstm, or memory_bits set, got "
                "history none"
            )


def _fits(value: float) -> bool:
    """Whether 64 bits hold an integer, and 32 another number, which is 0 there only if it is."""
    if isinstance(value, int):
        return abs(value) < 2**63
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return bool(np.isfinite(short)) and bool(short) == bool(value)


def find_algorithm(algorithms: Mapping[str, T], name: str) -> T:
    """Return a family's algorithm called `name`.

    Raises:
      ValueError: when there is none; the message lists those there are.
    """
    if name not in algorithms:
        raise ValueError(f"unknown algorithm {name!r}; known are {', '.join(algorithms)}")
    return algorithms[name]


def unread_fields(config: BaseConfig, algorithm: Any) -> dict[str, ReadWhen]:
    """Name the fields that a configuration does not read, and what would read them.

    Args:
      config: the run.
      algorithm: the dataclass that describes its algorithm, which may say what is read, too.
    """
    given = {name: value for name, value, _, _ in _described(config)}
    given |= {field.name: getattr(algorithm, field.name) for field in dataclasses.fields(algorithm)}
    return {
        name: note
        for name, _, _, notes in _described(config)
        for note in notes
        # A family whose algorithms do not differ in something says nothing about it.
        if isinstance(note, ReadWhen) and given.get(note.option, note.values[0]) not in note.values
    }


def _described(config: BaseConfig) -> Iterator[tuple[str, Any, Any, tuple[Any, ...]]]:
    """Yield name, value, type and metadata of every field of every part."""
    for part in config.parts.values():
        hints = get_type_hints(type(part), include_extras=True)
        for field in dataclasses.fields(part):
            hint = hints[field.name]
            notes = getattr(hint, "__metadata__", ())
            kind = hint.__origin__ if notes else hint
            yield field.name, getattr(part, field.name), kind, notes


def _part(described: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part's fields; what only some families have may be younger than the file."""
    of_part: dict[str, Any] = described[name] if name in _COMMON else described.get(name, {})
    return of_part


_COMMON = ("hyper", "network", "train")


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
