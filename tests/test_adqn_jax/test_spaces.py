"""Spaces to JSON and back."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces as gymnax
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from adqn_jax import spaces

FLOATS = tuple(map(jnp.dtype, (jnp.bfloat16, np.float16, np.float32)))
INTEGERS = tuple(map(np.dtype, (bool, np.int8, np.uint8, np.int32, np.uint32)))


@st.composite
def boxes(draw: Any) -> gymnax.Box:
    """Draw a Box: bounds for all entries or for each, of NumPy, JAX or Python, perhaps infinite."""
    dtype = draw(st.sampled_from(FLOATS + INTEGERS))
    shape = draw(drawn.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))
    entries = st.floats(width=32, allow_nan=False)
    if dtype in INTEGERS:
        most = 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
        entries = st.integers(0, most)
    bounds = [
        draw(entries | drawn.arrays(_of_bounds(dtype), shape, elements=entries)) for _ in range(2)
    ]
    kinds = st.sampled_from([lambda bound: bound, np.asarray, jnp.asarray])
    if dtype == np.uint32:  # Python's own integers of more than 31 bits are none of JAX's
        kinds = st.just(np.asarray)
    return gymnax.Box(*(draw(kinds)(bound) for bound in bounds), shape, dtype)


def _of_bounds(dtype: np.dtype) -> Any:
    return np.float32 if dtype in FLOATS else dtype


def any_space() -> st.SearchStrategy[Any]:
    """Draw a space, Dicts in Dicts included."""
    leaves = st.integers(0, 2**31 - 1).map(gymnax.Discrete) | boxes()
    return st.recursive(
        leaves,
        lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3).map(gymnax.Dict),
        max_leaves=6,
    )


def assert_same(space: Any, back: Any) -> None:
    """Compare kind, shape, dtype and every bound."""
    assert type(back) is type(space)
    if isinstance(space, gymnax.Dict):
        assert back.spaces.keys() == space.spaces.keys()
        for name, entry in space.spaces.items():
            assert_same(entry, back.spaces[name])
        return
    assert (back.shape, back.dtype) == (tuple(space.shape), space.dtype)
    if isinstance(space, gymnax.Discrete):
        assert back.n == space.n
        return
    for ours, theirs in ((back.low, space.low), (back.high, space.high)):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@given(any_space())
def test_json_and_back(space: Any) -> None:
    """Text gives back kind, shape, dtype and bounds, infinite ones too; elements are alike."""
    back = spaces.from_json(json.loads(json.dumps(spaces.to_json(space))))
    assert_same(space, back)
    assert spaces.same(space, back)
    shapes, of_back = (jax.tree.map(jnp.shape, spaces.zeros(s)) for s in (space, back))
    assert shapes == of_back


@given(any_space(), any_space())
def test_same_means_described_alike(one: Any, other: Any) -> None:
    """Spaces are the same where one can be read from the other's description."""
    alike = spaces.to_json(one) == spaces.to_json(other)
    assert spaces.same(one, other) == spaces.same(other, one) == alike


@pytest.mark.parametrize(
    ("description", "error"),
    [
        ({"type": "tuple"}, ValueError),
        ({}, KeyError),
        ({"type": "discrete"}, KeyError),
        ({"type": "box", "low": 0, "high": 1, "shape": []}, KeyError),
        ({"type": "dict", "spaces": {"a": {"type": "sphere"}}}, ValueError),
    ],
)
def test_what_is_no_description(description: dict[str, Any], error: type[Exception]) -> None:
    """An unknown kind is a ValueError, what is missing a KeyError, inside a Dict as well."""
    with pytest.raises(error):
        spaces.from_json(description)
