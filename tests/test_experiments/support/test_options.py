"""What the command line says is what was meant, and can be said again."""

import math
import pathlib
import shlex
import types
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax import Config, envs, families
from adqn_jax.runs import sinks
from drawn import part
from refusals import attempt
from support import chosen, options, presets
from support.reports import repeat

ENVS = (
    "carflag",
    "heavenhell-3",
    "memory-four-rooms-7x7",
    "gymnax:CartPole-v1:0,2",
    "gymnasium:A-v0",
)


@st.composite
def choices(draw: Any) -> options.Args:
    """Draw what decides a run's numbers."""
    env, algo = draw(st.sampled_from(ENVS)), draw(st.sampled_from(list(families.algorithms())))
    family = families.family_of(algo).config
    parts = {name: draw(part(kind)) for name, kind in family.part_types().items()}
    preset = draw(st.sampled_from(list(presets.PRESETS[family])))
    config = family(algo, **parts)
    kept = presets.preset(preset, env, algo).flat  # what the algorithm does not read is as it was
    unread = [name for name, reader in families.unread(config).items() if reader.needs]
    config = config.replace(**{name: kept[name] for name in unread})
    hosted: dict[str, Any] = {}
    if env.startswith("gymnasium:"):
        hosted["privileged"] = draw(st.none() | st.sampled_from(["state", "get_state"]))
        hosted["runner"] = draw(st.sampled_from(["synchronous", "asynchronous"]))
        hosted["max_lag"] = draw(st.integers(1, 9)) if hosted["runner"] == "asynchronous" else 1
    return options.Args(
        env=env, algo=algo, preset=preset,
        observe=draw(st.sampled_from(get_args(envs.Observe))), seeds=draw(st.integers(1, 10**6)),
        seed=draw(st.integers(0, 2**32 - 1)), config=config, **hosted,
        env_param=draw(st.sampled_from([(), ("max_steps=80",), ("noise=0.1", "goal=-1e-05")])),
    )  # fmt: skip


@given(choices())
def test_what_is_said_is_what_is_read(args: options.Args) -> None:
    """Every field of every part at once: numbers, tuples, flags and choices."""
    assert options.parse(options.words(args)) == args


@given(choices())
def test_the_command_of_a_report_repeats_the_run(args: options.Args) -> None:
    """Whatever decides the numbers of a run, its record alone says how to train the same."""
    env: Any = types.SimpleNamespace(settings={})
    run = chosen.experiment(args, env)
    python, script, *words = shlex.split(repeat.command(run))
    assert (python, script) == ("python", "experiments/run.py")
    assert chosen.experiment(options.parse(words), env).settled() == run.settled()


@given(choices())
def test_nothing_is_said_of_defaults(args: options.Args) -> None:
    """Fields as the preset has them take no words; one that differs takes its own."""
    preset = presets.preset(args.preset, args.env, args.algo)
    plain = options.Args(args.env, args.algo, args.preset, args.observe, config=preset)
    few = options.words(plain)
    assert len(few) <= len(("--env", "--algo", "--seeds", "--seed", "--preset", "--observe")) * 2
    rate = args.config.hyper.learning_rate
    changed = options.Args(
        args.env, args.algo, args.preset, args.observe, config=preset.replace(learning_rate=rate)
    )
    extra = [] if rate == preset.hyper.learning_rate else ["--learning-rate", str(rate)]
    assert options.words(changed) == few + extra


NAMES = st.text("abcXYZ019_.=,+-", min_size=1, max_size=8).filter(
    lambda name: name.strip(".") and not name.startswith("-")
)


@given(
    st.builds(
        options.Args,
        out=st.sampled_from(["runs", "a/b", "/tmp/x"]).map(pathlib.Path),
        name=st.none() | NAMES,
        resume=st.booleans(),
        dry_run=st.booleans(),
        checkpoint_minutes=st.floats(0.0, exclude_min=True, allow_nan=False),
        timeout=st.just(math.inf) | st.floats(1e-3, 1e6),
        log=st.lists(st.sampled_from(get_args(sinks.Name)), unique=True).map(tuple),
        config=st.just(presets.preset("fast", "carflag", "adqn-vr")),
    )
)
def test_how_a_run_is_kept(args: options.Args) -> None:
    """The fields that `words` leaves out can be said, too, in the same way."""
    kept = ("out", "name", "resume", "dry_run", "checkpoint_minutes", "timeout", "log")
    said = [(name, getattr(args, name)) for name in kept]
    words = [w for name, value in said if value is not None for w in options.option(name, value)]
    assert options.parse(words) == args


@given(st.text(max_size=6))
def test_names_name_folders(name: str) -> None:
    """A name is refused, or the run's folder lies right below its algorithm's."""
    args, refusal = attempt(lambda: options.parse([f"--name={name}"]))
    if refusal:
        assert "name must be letters, digits" in refusal
        return
    assert chosen.folder(args) == pathlib.Path("runs", "carflag", "adqn-vr", name)
    assert len(chosen.folder(args).parts) == 4


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ((), "default"),
        (("--history", "none"), "memoryless"),
        (("--observe", "state"), "state"),
        (("--observe", "state", "--history", "none"), "memoryless-state"),
        (("--observe", "state", "--name", "mine"), "mine"),
    ],
)
def test_bounds_have_folders_of_their_own(words: tuple[str, ...], name: str) -> None:
    """Unless one is named."""
    args = options.parse([*words, "--env", "cleaner:a/b.txt"])
    assert chosen.folder(args) == pathlib.Path("runs", "cleaner_a_b.txt", "adqn-vr", name)


def test_kinds_are_all_that_decides_what_is_trained() -> None:
    """By the options' names, as the command line has them."""
    kinds = options.kinds()
    assert kinds["learning-rate"] is float
    assert kinds["head-sizes"] == tuple[int, ...]
    assert "seeds" not in kinds
    fields = {name.replace("-", "_") for name in kinds}
    assert fields >= {*Config().hyper.__dict__, *Config().train.__dict__, "env", "observe"}
