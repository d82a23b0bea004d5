"""Configurations: what fields say of themselves, and the way to JSON and back."""

import ast
import dataclasses
import inspect
import json
import re
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax import Config
from adqn_jax.config import BaseConfig, LoopConfig, Range, ReadWhen, above, check
from adqn_jax.families import FAMILIES
from drawn import configs

KINDS = [family.config for family in FAMILIES]
PARTS = tuple(part for kind in KINDS for part in kind.part_types().values())
FIELDS = [(part, field.name) for part in PARTS for field in dataclasses.fields(part)]
#: What an algorithm can be, of any family.
OF_ALGORITHMS = {
    field.name
    for family in FAMILIES
    for algorithm in family.algorithms.values()
    for field in dataclasses.fields(algorithm)
}
_BOUNDS = r"in ([\[(])(\d+), (\d+)\]"
_READ_WHEN = r"Read when `(\w+)` is ((?:`[\w-]+`(?:, | or )?)+)"


def said_of_fields(part: Any) -> dict[str, str]:
    """Return what stands below each field of a dataclass and of those it derives from."""
    said = {}
    for kind in reversed(inspect.getmro(part)[:-1]):
        (tree,) = ast.parse(inspect.getsource(kind)).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                assert isinstance(field.target, ast.Name)
                said[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return said


def notes_of(part: Any, name: str, kind: type) -> list[Any]:
    """Return a field's metadata of one kind."""
    hint = get_type_hints(part, include_extras=True)[name]
    return [note for note in getattr(hint, "__metadata__", ()) if isinstance(note, kind)]


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_bounds_said_are_those_checked(part: Any, name: str) -> None:
    """A docstring that says "in [0, 1]" has this range; a range with two ends is said."""
    said = re.findall(_BOUNDS, said_of_fields(part)[name])
    ranges = [
        (Range if bracket == "[" else above)(float(least), float(most))
        for bracket, least, most in said
    ]
    ended = [limits for limits in notes_of(part, name, Range) if limits.most < float("inf")]
    assert ranges == ended


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_what_reads_a_field_is_said(part: Any, name: str) -> None:
    """A docstring says "Read when `x` is `y`" of what is read only then, and of nothing else."""
    text = said_of_fields(part)[name]
    of_options = {field for _, field in FIELDS}
    notes = notes_of(part, name, ReadWhen)
    told = [(note.option, list(note.values)) for note in notes if note.option in of_options]
    said = [
        (option, re.findall(r"[\w-]+", values)) for option, values in re.findall(_READ_WHEN, text)
    ]
    assert [(option, [v for v in values if v != "or"]) for option, values in said] == told
    for note in notes:
        if note.option not in of_options:  # a property of the algorithm
            assert note.option in OF_ALGORITHMS
            assert f"`{note.needs.split()[-1]}`" in text


def test_docstrings_are_found() -> None:
    """Every field has one, inherited fields too: the tests above look at something."""
    for part in PARTS:
        said = said_of_fields(part)
        assert all(said[field.name].endswith(".") for field in dataclasses.fields(part))
    assert issubclass(Config.part_types()["train"], LoopConfig)
    assert sum(bool(re.search(_BOUNDS, said_of_fields(p)[n])) for p, n in FIELDS) >= 5
    assert sum(bool(re.search(_READ_WHEN, said_of_fields(p)[n])) for p, n in FIELDS) >= 4


@given(st.one_of(*map(configs, FAMILIES)))
def test_json_and_back(config: BaseConfig) -> None:
    """Text gives back an equal configuration, tuples as tuples; it keeps to every range."""
    check(config)
    text = json.dumps(dataclasses.asdict(config))
    assert type(config).from_json(json.loads(text)) == config


@given(configs(), configs())
def test_replace_changes_what_is_named(one: Config, other: Config) -> None:
    """All fields of all parts replaced make the other; each alone changes itself alone."""
    flat = {name: getattr(other.parts[part], name) for part, name in _names()}
    assert one.replace(**flat).parts == other.parts
    assert one.replace(**flat).algorithm == one.algorithm
    for part, name in _names():
        changed = one.replace(**{name: flat[name]})
        undone = changed.replace(**{name: getattr(one.parts[part], name)})
        assert getattr(changed.parts[part], name) == flat[name]
        assert undone == one


def test_unknown_fields_are_refused() -> None:
    """By name."""
    with pytest.raises(TypeError, match="no part of Config has lerning_rate"):
        Config().replace(lerning_rate=1.0)
    described = dataclasses.asdict(Config())
    with pytest.raises(KeyError, match="train"):
        Config.from_json({name: part for name, part in described.items() if name != "train"})
    with pytest.raises(TypeError, match="lerning_rate"):
        Config.from_json(described | {"hyper": {"lerning_rate": 1.0}})


def test_older_files_have_the_defaults() -> None:
    """What a description lacks is what it was before there was a choice."""
    described = dataclasses.asdict(Config("dqn").replace(n_step=3))
    del described["network"]["history"], described["train"]["batch_rows"]
    assert Config.from_json(described) == Config("dqn").replace(n_step=3)


def _names() -> list[tuple[str, str]]:
    """Name every part and field."""
    return [
        (part, field.name)
        for part, kind in Config.part_types().items()
        for field in dataclasses.fields(kind)
    ]
