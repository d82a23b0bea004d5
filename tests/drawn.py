"""Configurations drawn at random: whatever the types and the ranges of their fields allow."""

import dataclasses
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from adqn_jax.config import Range
from adqn_jax.families import FAMILIES, Family

_LARGEST = 10**9


def configs(family: Family = FAMILIES[0]) -> st.SearchStrategy[Any]:
    """Draw any configuration of a family that `check` lets pass; few can be run."""
    parts = {name: part(kind) for name, kind in family.config.part_types().items()}
    return st.builds(family.config, st.sampled_from(list(family.algorithms)), **parts)


def part(kind: Any) -> st.SearchStrategy[Any]:
    """Draw a part of a configuration."""
    return st.builds(kind, **{field.name: values(kind, field.name) for field in _fields(kind)})


_MOST, _TINY = 3e38, 1e-37


def values(kind: Any, name: str) -> st.SearchStrategy[Any]:
    """Draw a value of a field."""
    hint = get_type_hints(kind, include_extras=True)[name]
    limits = [note for note in getattr(hint, "__metadata__", ()) if isinstance(note, Range)]
    return _of_type(get_type_hints(kind)[name], *(limits or [Range()]))


def _of_type(hint: Any, limits: Range) -> st.SearchStrategy[Any]:
    if hint is bool:
        return st.booleans()
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        return st.lists(_of_type(get_args(hint)[0], limits), max_size=4).map(tuple)
    if hint is int:
        return st.integers(int(max(limits.least, -_LARGEST)), int(min(limits.most, _LARGEST)))
    assert hint is float
    # Numbers that 32 bits hold.
    least, most = max(limits.least, -_MOST), min(limits.most, _MOST)
    if not limits.closed and least == 0.0:
        return st.floats(_TINY, most)
    drawn = st.floats(least, most, exclude_min=not limits.closed)
    return drawn.map(lambda x: x if abs(x) > _TINY else 0.0)


def _fields(kind: Any) -> tuple[Any, ...]:
    return dataclasses.fields(kind)
