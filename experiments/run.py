"""Train many seeds of one algorithm on one environment, in one compiled program.

Writes <out>/<env>/<algo>/<name>/: config.json, metrics.csv, curve.png, policy/ and checkpoints/.

SIGINT (Ctrl-C) and SIGTERM stop the run as soon as all is saved; a second Ctrl-C leaves at once.
--resume goes on, after kill -9 from the last checkpoint. Exit codes: 0 done; 2 bad input, nothing
was changed; 74 results could not be written; 75 --timeout reached; 130 and 143 interrupted by
SIGINT and SIGTERM.
"""

import dataclasses
import math
import pathlib
import re
import sys
from typing import Annotated, Any

import tyro

import cli
import envs
import presets
import session
import sinks
from adqn_jax import ALGORITHMS, Config, Hyperparameters, LossConfig, NetworkConfig, TrainConfig
from folder import file_name
from interrupts import Interrupts

#: Parts of a configuration: fields of `Args`, and of `Config`.
PARTS = ("hyper", "network", "loss", "train")


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is trained, which decides the defaults of everything else."""

    env: str = "carflag"
    """Environment: carflag; heavenhell-N; cleaner, or cleaner:FILE (a maze as text),
    cleaner:ROWSxCOLUMNS (a random maze for every episode), cleaner:ROWSxCOLUMNS:SEED (one random
    maze); memory-four-rooms-7x7, or memory-four-rooms-7x7:blue,yellow (colours to draw from);
    gymnax:NAME[:I,J,...] (the agent sees the entries I, J, ... of the flat observation); pomdp:PATH
    (a .pomdp file, of which a `reset` ends the episode); import:MODULE:CLASS (your own, from a
    module on PYTHONPATH)."""
    algo: str = "adqn-vr"
    """Algorithm: dqn, adqn, adqn-vr, adqn-state, adqn-state-vr."""
    preset: str = "fast"
    """Settings to start from: fast (learns fastest in wall-clock time) or paper (the authors')."""
    observe: envs.Observe = "observation"
    """What the agent sees: its observations, or, for an upper bound, the privileged state."""


@dataclasses.dataclass(frozen=True)
class Args(Choice):
    """Everything that can be set."""

    seeds: int = 20
    """Number of seeds, trained side by side."""
    seed: int = 0
    """Root of the random keys; seed i of a run draws from fold_in(key(seed), i)."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder of all runs."""
    name: str | None = None
    """Name of this run's folder, <out>/<env>/<algo>/<name>, of letters, digits and any of ._=,+-;
    unless given, `default`, or, of a run that shows a bound, `memoryless` (--history none),
    `state` (--observe state) or both."""
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
    log: tuple[sinks.Name, ...] = ()
    """Where metrics go beside metrics.csv: tensorboard (event files in the run's folder), wandb
    (a group with a run per seed; WANDB_MODE=offline needs no network); each is an extra of the
    package."""
    hyper: Hyperparameters = Hyperparameters()
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()


def parse(argv: list[str]) -> Args:
    """Read the command line; the defaults follow the environment, algorithm and preset chosen."""
    without_help = [word for word in argv if word not in ("-h", "--help")]
    choice, _ = cli.parse(Choice, args=without_help, return_unknown_args=True)
    if choice.algo not in ALGORITHMS:
        raise ValueError(f"unknown algorithm {choice.algo!r}; known are {', '.join(ALGORITHMS)}")
    envs.make(choice.env, choice.observe)
    config = presets.preset(choice.preset, choice.env, choice.algo)
    default = Args(
        **dataclasses.asdict(choice),
        hyper=config.hyper,
        network=config.network,
        loss=config.loss,
        train=config.train,
    )
    args: Args = cli.parse(
        Annotated[Args, tyro.conf.OmitArgPrefixes],
        args=argv,
        default=default,
        description=__doc__,
    )
    _check(args)
    return args


def _check(args: Args) -> None:
    if args.seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {args.seeds}")
    if not 0 <= args.seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2^32 - 1, got {args.seed}")
    for name in ("checkpoint_minutes", "timeout"):
        minutes = getattr(args, name)
        if not minutes > 0:
            raise ValueError(f"{name} must be greater than 0, got {minutes}")
    folder = args.name or "default"
    if args.name == "" or not re.fullmatch(r"[\w.=,+-]+", folder) or not folder.strip("."):
        raise ValueError(
            f"name must be letters, digits and any of ._=,+- (it names a folder in the folder of "
            f"--out, and none elsewhere), got {args.name!r}"
        )
    if args.overwrite and args.resume:
        raise ValueError("--overwrite and --resume exclude each other: give one of them")


def words(args: Args) -> list[str]:
    """Say in words what decides a run's numbers, as short as `parse` can read it."""
    preset = presets.preset(args.preset, args.env, args.algo)
    pairs = [(args, Choice(env=args.env, algo=args.algo))]
    pairs += [(getattr(args, name), getattr(preset, name)) for name in PARTS]
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


def config_of(args: Args) -> Config:
    """Return the run's configuration."""
    return Config(
        algorithm=args.algo,
        hyper=args.hyper,
        network=args.network,
        loss=args.loss,
        train=args.train,
    )


def folder_of(args: Args) -> pathlib.Path:
    """Return the run's folder."""
    bounds = {"memoryless": args.network.history == "none", "state": args.observe == "state"}
    name = args.name or "-".join(name for name, so in bounds.items() if so) or "default"
    return args.out / file_name(args.env) / args.algo / name


def main() -> None:
    """Train."""
    args = parse(sys.argv[1:])
    session.train(
        config_of(args),
        env_name=args.env,
        observe=args.observe,
        num_seeds=args.seeds,
        seed=args.seed,
        folder=folder_of(args),
        overwrite=args.overwrite,
        resume=args.resume,
        dry_run=args.dry_run,
        checkpoint_minutes=args.checkpoint_minutes,
        interrupts=Interrupts(args.timeout),
        log=args.log,
    )


if __name__ == "__main__":
    cli.run(main)
