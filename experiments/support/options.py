"""What the command line of run.py says, and how to say it again."""

import dataclasses
import math
import pathlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_type_hints

import jax
import tyro

from adqn_jax import Config, envs, families
from adqn_jax.config import BaseConfig, ReadWhen
from adqn_jax.host import Hosting
from adqn_jax.runs import sinks
from support import cli, distributed, presets


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is trained, which decides the defaults of everything else."""

    env: Annotated[str, tyro.conf.arg(help=f"Environment: {'; '.join(envs.KNOWN)}.")] = "carflag"
    algo: Annotated[str, tyro.conf.arg(help=f"Algorithm: {', '.join(families.algorithms())}.")] = (
        "adqn-vr"
    )
    preset: str = "fast"
    """Settings to start from: fast (learns fastest in wall-clock time), paper (the authors'),
    one-step (the paper's targets, at a size for a CPU), or rainbow (fast, with all that Rainbow
    combines); the last two are of value learning."""
    observe: envs.Observe = "observation"
    """What the agent sees: its observations, or, for an upper bound, the privileged state."""
    expert: pathlib.Path | None = None
    """The file of a policy that sees the state, which `ail` and `dagger` learn from: of `expert`,
    or of any algorithm trained with --observe state and --history none. The run's record keeps a
    digest of it."""
    env_param: tuple[str, ...] = ()
    """Parameters of the environment that are not to have their defaults, NAME=NUMBER, such as
    max_steps_in_episode=200, its time limit; an unknown one is answered with those there are."""
    privileged: str | None = None
    """What the privileged state of gymnasium:ID is called: an entry of info, an entry of a dict
    observation, or a method that returns it (POPGym's get_state); `observation` where nothing is
    hidden. Unless given: the entry critic, privileged_state or state beside policy or observation,
    or info["state"]."""
    runner: Literal["synchronous", "asynchronous"] = "synchronous"
    """Of gymnasium:ID, whether acting and learning take turns, or a thread acts meanwhile, by
    parameters that are at most --max-lag iterations old."""
    max_lag: int = 1
    """With --runner asynchronous, iterations by which learning may be ahead of who acts."""


@dataclasses.dataclass(frozen=True)
class RunArgs(distributed.Processes, Choice):
    """Everything that can be set, whatever the algorithm."""

    seeds: int = 20
    """Number of seeds, trained side by side."""
    seed: int = 0
    """Root of the random keys; seed i of a run draws from fold_in(key(seed), i)."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder of all runs."""
    name: str | None = None
    """Name of this run's folder, <out>/<env>/<algo>/<name>, of letters, digits and any of ._=,+-;
    unless given, `default`, or, of a run that shows a bound, `memoryless` (--history none
    --no-memory-bits), `state` (--observe state) or both."""
    overwrite: bool = False
    """Delete what the run's folder holds, and start anew."""
    resume: bool = False
    """Go on from the newest checkpoint in the run's folder, or anew where there is none yet."""
    dry_run: bool = False
    """Only say what the run would need: parameters, memory, and how many seeds would fit."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints; one is always written at the end."""
    timeout: float = math.inf
    """Minutes, compiling included, after which the run saves all and stops."""
    env_threads: int = 1
    """Of gymnasium:ID, threads that step a seed's environments."""
    env_timeout: float = 60.0
    """Of gymnasium:ID, seconds after which an environment that does not answer ends the run."""
    stop_when_solved: int = 0
    """Stop, as if all were done, when every seed has won at least 95 % of its greedy episodes at so
    many log points in a row; 0: never. Where the environment does not tell success, an episode of
    positive return is won: of little use where every return is. --resume without it goes on."""
    log: tuple[sinks.Name, ...] = ()
    """Where metrics go beside metrics.csv: tensorboard (event files in the run's folder), wandb
    (a group with a run per seed; WANDB_MODE=offline needs no network); each is an extra of the
    package."""


@dataclasses.dataclass(frozen=True)
class Args(RunArgs):
    """Everything that can be set."""

    config: Any = dataclasses.field(default_factory=Config)
    """What the algorithm's family can be told."""


def parse(argv: Sequence[str], description: str | None = None, *, alone: bool = True) -> Args:
    """Read the command line; the defaults follow the environment, algorithm and preset chosen.

    Args:
      argv: its words.
      description: of the command, for --help.
      alone: whether to refuse what this algorithm does not read (`check_read`); not where the same
        words are of other algorithms, too.

    Raises:
      ValueError: when something is unknown, contradicts itself, or is out of its range.
    """
    without_help = [word for word in argv if word not in ("-h", "--help")]
    choice, _ = cli.parse(Choice, args=without_help, return_unknown_args=True)
    preset = presets.preset(choice.preset, choice.env, choice.algo)
    # Each field of each part of the family's configuration is an option.
    parts = [(name, type(part), part) for name, part in preset.parts.items()]
    shape = dataclasses.make_dataclass("Args", parts, bases=(RunArgs,), frozen=True)
    parsed = cli.parse(
        Annotated[shape, tyro.conf.OmitArgPrefixes],
        args=list(argv),
        default=shape(**dataclasses.asdict(choice)),
        description=description,
    )
    own = {field.name: getattr(parsed, field.name) for field in dataclasses.fields(RunArgs)}
    config = type(preset)(parsed.algo, **{name: getattr(parsed, name) for name, *_ in parts})
    args = Args(**own, config=config)
    _check(args)
    if alone:
        check_read([config], argv)
    return args


def _check(args: Args) -> None:
    args.check()
    if args.distributed and not jax.distributed.is_initialized():
        raise ValueError("--distributed is for commands: run.py and sweep.py")
    if args.seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {args.seeds}")
    cli.check_seed(args.seed)
    for name in ("checkpoint_minutes", "timeout", "env_timeout"):
        time = getattr(args, name)
        if not time > 0:
            raise ValueError(f"{name} must be greater than 0, got {time}")
    for name in ("max_lag", "env_threads"):
        if getattr(args, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(args, name)}")
    defaults = RunArgs()
    for name in ("runner", "max_lag", "env_threads", "env_timeout"):
        if getattr(args, name) != getattr(defaults, name) and not _on_host(args):
            raise ValueError(
                f"nothing reads {name.replace('_', '-')} with {args.env}: it needs an environment "
                f"that the host steps (gymnasium:ID)"
            )
    if args.max_lag != defaults.max_lag and args.runner == "synchronous":
        raise ValueError("nothing reads max-lag: it needs --runner asynchronous")
    if args.stop_when_solved < 0:
        raise ValueError(f"stop_when_solved must be at least 0, got {args.stop_when_solved}")
    folder = args.name or "default"
    if args.name == "" or not re.fullmatch(r"[\w.=,+-]+", folder) or not folder.strip("."):
        raise ValueError(
            f"name must be letters, digits and any of ._=,+- (it names a folder in the folder of "
            f"--out, and none elsewhere), got {args.name!r}"
        )
    if args.overwrite and args.resume:
        raise ValueError("--overwrite and --resume exclude each other: give one of them")


def _on_host(args: Choice) -> bool:
    return args.env.startswith("gymnasium:")


def hosting(args: Args) -> dict[str, Hosting]:
    """Say how the host steps environments, where it does: an argument of `runs.make_runner`."""
    how = Hosting(threads=args.env_threads, patience=args.env_timeout)
    return {"hosting": how} if _on_host(args) else {}


def check_read(configs: Sequence[BaseConfig], words: Sequence[str]) -> None:
    """Refuse what was said and cannot matter: no algorithm here reads it, whatever else is said.

    Args:
      configs: of one family, what was said of its algorithms.
      words: the command line.

    Raises:
      ValueError: naming the first such option, and what would read it.
    """
    given = {word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--")}
    said = {name.removeprefix("no-").replace("-", "_") for name in given}
    unread = [families.unread(config) for config in configs]
    for name, reader in unread[0].items():
        if name in said and all(name in others and others[name].needs for others in unread):
            algorithms = ", ".join(config.algorithm for config in configs)
            raise ValueError(
                f"nothing reads {name.replace('_', '-')} with {algorithms}: it needs {reader}"
            )


def words(args: Args) -> list[str]:
    """Say in words what decides a run's numbers, as short as `parse` can read it."""
    preset = presets.preset(args.preset, args.env, args.algo)
    pairs = [(args, Choice(env=args.env, algo=args.algo))]
    pairs += [(part, preset.parts[name]) for name, part in args.config.parts.items()]
    said = [*option("env", args.env), *option("algo", args.algo)]
    said += [*option("seeds", args.seeds), *option("seed", args.seed)]
    for part, default in pairs:
        for field in dataclasses.fields(default):
            value = getattr(part, field.name)
            if value != getattr(default, field.name):
                said += option(field.name, value)
    return said


def option(name: str, value: Any) -> list[str]:
    """Say in words that a field has a value."""
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]


def unread(args: Args) -> dict[str, ReadWhen]:
    """Name the options that were given and that the run does not read, and what would read them."""
    preset = presets.preset(args.preset, args.env, args.algo)
    given = {
        field.name
        for name, part in args.config.parts.items()
        for field in dataclasses.fields(part)
        if getattr(part, field.name) != getattr(preset.parts[name], field.name)
    }
    return {name: note for name, note in families.unread(args.config).items() if name in given}


def print_unread(*runs: Args) -> None:
    """Say which options were given that none of these runs reads."""
    by_run = [unread(args) for args in runs]
    for name, needs in by_run[0].items():
        if all(name in others for others in by_run):
            print(f"note: --{name.replace('_', '-')} is not read; it needs {needs}")


def kinds() -> dict[str, Any]:
    """Return the types of all options that decide what is trained, of any family, by name."""
    parts = [part for family in families.FAMILIES for part in family.config.part_types().values()]
    return {
        name.replace("_", "-"): kind
        for part in (Choice, *parts)
        for name, kind in get_type_hints(part).items()
    }
