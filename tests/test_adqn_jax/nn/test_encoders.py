"""Encoders: which one a space gets, and what comes out."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments.spaces import Box, Dict, Discrete, Tuple

from adqn_jax import NetworkConfig, spaces
from adqn_jax.nn import initial
from adqn_jax.nn.convolutions import Convolutions3x3
from adqn_jax.nn.encoders import observation_encoder, state_encoder
from adqn_jax.nn.grids import image_strides

WIDTH, LEAD = 6, (4, 2)
CONFIG = NetworkConfig(embedding_size=WIDTH, conv_channels=(3,))
CELLS = dataclasses.replace(CONFIG, grid_encoder="cells")
PAIRS = dataclasses.replace(CONFIG, grid_encoder="pairs")
GRID = Box(0, 8, (3, 5, 2), jnp.uint8)
IMAGE = Box(0.0, 1.0, (3, 5, 2))
LARGER = Box(0, 8, (3, 5, 2, 1), jnp.uint8)
WITH_GRID = Dict(
    {"grid": GRID, "agent_grid": Box(0, 1, (3, 5), jnp.uint8), "agent": Box(-1.0, 1.0, (4,))}
)
#: Spaces, and how wide their features are as observations and as states.
KINDS = {
    "discrete": (Discrete(7), WIDTH, WIDTH),
    "number": (Box(-1.0, 1.0, ()), WIDTH, 1),
    "flat": (Box(-1.0, 1.0, (3,)), WIDTH, 3),
    "matrix": (Box(-1.0, 1.0, (3, 4)), WIDTH, 12),
    "image": (IMAGE, WIDTH, WIDTH),  # floats are no indices
    "large image": (Box(0, 255, (30, 17, 3), jnp.uint8), WIDTH, WIDTH),
    "bools": (Box(0, 1, (3, 5, 2), bool), WIDTH, WIDTH),
    "integers": (Box(0, 8, (3,), jnp.int32), WIDTH, 3),
    "grid": (GRID, WIDTH, WIDTH),
    "larger": (LARGER, WIDTH, 30),
    "dict": (WITH_GRID, WIDTH, WIDTH),
    "dict of a grid": (Dict({"grid": GRID}), WIDTH, WIDTH),
    "dict of a number": (Dict({"number": Box(0.0, 1.0, (2,))}), WIDTH, WIDTH),
    "dict of all": (
        Dict(
            {
                "one": GRID,
                "other": GRID,
                "seen": IMAGE,
                "also": IMAGE,
                "place": Discrete(3),
                "speed": Box(-1.0, 1.0, (2,)),
                "part": Dict({"time": Box(0.0, 9.0, ())}),
            }
        ),
        WIDTH,
        WIDTH,
    ),
}


def encoded(module: Any, x: Any) -> jax.Array:
    """Encode with parameters just drawn."""
    draw = lambda key, x: module.apply(initial.init(module, key, x), x)  # noqa: E731
    return jax.jit(draw)(jax.random.key(0), x)


def elements(space: Any) -> Any:
    """Return zeros of a space, leaves [*LEAD, ...]."""
    return jax.tree.map(lambda x: jnp.zeros((*LEAD, *x.shape), x.dtype), spaces.zeros(space))


@pytest.mark.parametrize(
    ("kind", "config"),
    [(kind, CONFIG) for kind in KINDS]
    + [(kind, of) for kind in ("grid", "dict") for of in (CELLS, PAIRS)],
)
def test_shapes(kind: str, config: NetworkConfig) -> None:
    """Float features of each element, as wide as asked for; flat states stay as they are."""
    space, as_observation, as_state = KINDS[kind]
    for choose, width in ((observation_encoder, as_observation), (state_encoder, as_state)):
        features = encoded(choose(space, config), elements(space))
        assert features.shape == (*LEAD, width)
        assert features.dtype == jnp.float32


@pytest.mark.parametrize(
    "space",
    [
        Tuple([Discrete(2)]),
        Dict({}),
        Dict({"number": Box(0.0, 1.0, (2,)), "nothing": Dict({})}),
        Dict({"grid": GRID, "two": Tuple([Discrete(2)])}),
        "no space",
    ],
)
def test_unknown_spaces_are_refused(space: Any) -> None:
    """One sentence says which there are."""
    for choose in (observation_encoder, state_encoder):
        with pytest.raises(ValueError, match=r"no encoder for the space .*there are those of"):
            choose(space, CONFIG)


@pytest.mark.parametrize("config", [CONFIG, CELLS, PAIRS], ids=["convolutions", "cells", "pairs"])
@pytest.mark.parametrize("kind", ["discrete", "grid", "dict"])
def test_every_index_has_a_vector_of_its_own(kind: str, config: NetworkConfig) -> None:
    """The least and the greatest index of a space are told apart."""
    space = KINDS[kind][0]
    low = elements(space)
    high = jax.tree.map(jnp.zeros_like, low)
    if kind == "discrete":
        high = low + space.n - 1
    elif kind == "grid":
        high = low + 8
    else:
        high = low | {"grid": low["grid"] + jnp.uint8(8)}
    module = observation_encoder(space, config)
    params = initial.init(module, jax.random.key(0), low)
    assert np.abs(module.apply(params, low) - module.apply(params, high)).max() > 1e-3
    assert np.isfinite(module.apply(params, high)).all()


@pytest.mark.parametrize(
    ("config", "name"), [(CELLS, "CellEncoder_0"), (PAIRS, "PairEncoder_0")], ids=["cells", "pairs"]
)
def test_things_are_known_wherever_they_are(config: NetworkConfig, name: str) -> None:
    """But for what is kept of places, moving things changes nothing; swapping colours does."""
    module = observation_encoder(GRID, config)
    params = initial.init(module, jax.random.key(0), elements(GRID))

    def features(placed: bool, *cells: tuple[int, int, int, int]) -> Any:
        """Encode a grid with things of a kind and a colour in some cells."""
        grid = np.zeros(GRID.shape, np.uint8)
        for row, column, kind, colour in cells:
            grid[row, column] = kind, colour
        parts = dict(params["params"][name])
        if not placed:
            parts["place"] = jax.tree.map(jnp.zeros_like, parts["place"])
        return module.apply({"params": {name: parts}}, grid)

    things = (0, 1, 3, 5), (2, 2, 4, 6)
    moved = (1, 4, 3, 5), (0, 0, 4, 6)
    swapped = (0, 1, 3, 6), (2, 2, 4, 5)
    np.testing.assert_array_equal(features(False, *things), features(False, *moved))
    assert np.abs(features(True, *things) - features(True, *moved)).max() > 1e-3
    assert np.abs(features(False, *things) - features(False, *swapped)).max() > 1e-3


def test_what_a_dict_s_encoder_has() -> None:
    """One grid and what joins it share convolutions; otherwise each entry has its own part."""
    for kind, parts in (
        ("dict", {"GridEncoder_0"}),
        ("dict of all", {
            "ImageEncoder_0", "BoxGridEncoder_0", "BoxGridEncoder_1", "DictEncoder_0",
            "Embedding_0", "ImageEncoder_1", "FlatEncoder_0", "Linear_0",
        }),
    ):  # fmt: skip
        space = KINDS[kind][0]
        module = observation_encoder(space, CONFIG)
        shapes = jax.eval_shape(module.init, jax.random.key(0), elements(space))
        assert set(shapes["params"]) == parts


@pytest.mark.parametrize("entry", ["one", "also", "place", "speed", "part"])
def test_every_entry_of_a_dict_matters(entry: str) -> None:
    """Another number in it makes other features."""
    space = KINDS["dict of all"][0]
    module, x = observation_encoder(space, CONFIG), elements(space)
    params = initial.init(module, jax.random.key(1), x)
    other = x | {entry: jax.tree.map(lambda leaf: leaf + 1, x[entry])}
    assert np.abs(module.apply(params, x) - module.apply(params, other)).max() > 1e-4


def test_bytes_are_as_bright_as_floats() -> None:
    """A picture of bytes has the features of the same one in [0, 1]; others are indices."""
    x = jax.random.randint(jax.random.key(2), (*LEAD, 3, 5, 2), 0, 256).astype(jnp.uint8)
    of_bytes, of_floats = (
        encoded(observation_encoder(space, CONFIG), seen)
        for space, seen in (
            (Box(0, 255, (3, 5, 2), jnp.uint8), x),
            (IMAGE, x.astype(jnp.float32) / 255.0),
        )
    )
    np.testing.assert_array_equal(of_bytes, of_floats)
    assert spaces.is_index_grid(Box(0, 254, (3, 5, 2), jnp.uint8))
    assert spaces.is_index_grid(Box(0, 255, (3, 5, 2), jnp.int32))


@pytest.mark.parametrize("shape", [(7, 10, 2), (6, 84, 1)])
def test_pictures_are_convolved(shape: tuple[int, ...]) -> None:
    """As `jax.lax` does it: by two cells where more than 12 are left, by one elsewhere."""
    channels = (3, 4, 5, 2)
    strides = {10: (1, 1, 1, 1), 84: (2, 2, 2, 1)}[shape[1]]
    assert image_strides(shape, len(channels)) == strides
    layers = Convolutions3x3(channels, initial.normal(0.5), strides)
    x = jax.random.normal(jax.random.key(0), (65, *shape))  # more than are convolved at a time
    params = initial.init(layers, jax.random.key(1), x)
    expected = x
    for i, stride in enumerate(strides):
        expected = jax.nn.relu(
            jax.lax.conv_general_dilated(
                expected, params["params"][f"kernel_{i}"], (stride, stride), [(1, 1), (1, 1)],
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
        )  # fmt: skip
    result = jax.jit(layers.apply)(params, x)
    np.testing.assert_allclose(result, expected, atol=1e-3)


def test_boxes_are_divided_by_their_bounds() -> None:
    """Where that is asked for, and where a bound is a number that one can divide by."""
    low = np.array([-4.0, 0.0, -np.inf, 0.0, -2e6], np.float32)
    high = np.array([2.0, 0.5, np.inf, 0.0, 2e6], np.float32)
    space, x = Box(low, high, (5,)), jnp.array([-4.0, 0.25, 3.0, 0.0, 7.0])
    for scales, expected in ((False, x), (True, [-1.0, 0.5, 3.0, 0.0, 7.0])):
        module = state_encoder(space, NetworkConfig(scale_boxes=scales))
        np.testing.assert_array_equal(encoded(module, x), expected)
    both = [
        encoded(observation_encoder(space, NetworkConfig(scale_boxes=scales)), x)
        for scales in (False, True)
    ]
    assert np.abs(both[0] - both[1]).max() > 1e-3
