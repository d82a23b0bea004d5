"""Gymnasium's spaces: as the trainer declares them, as numbers to store, and back.

An element is stored in NumPy arrays as small as its space allows, which JAX turns into an element
of the declared space:

    Gymnasium        declared                              stored
    Box              Box, of at most 32 bits               the same
    Discrete         Discrete, from 0                      unsigned
    MultiDiscrete    Box, one-hot vectors in a row         unsigned, flat
    MultiBinary      Box of floats                         unsigned
    Dict, Tuple      Dict; of a Tuple, by "0", "1", ...    a dict of these
"""

from typing import Any

import gymnasium.spaces as theirs
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces


def declared(space: Any, what: str) -> Any:
    """Return the space that is declared for one of Gymnasium's.

    Raises:
      ValueError: when there is none; `what` says of what it would be.
    """
    if isinstance(space, theirs.Box):
        dtype = _narrow(space.dtype)
        low, high = (np.asarray(b, np.float32) for b in (space.low, space.high))
        return spaces.Box(low, high, tuple(space.shape), jnp.dtype(dtype))
    if isinstance(space, theirs.Discrete):
        return spaces.Discrete(int(space.n))
    if isinstance(space, theirs.MultiDiscrete):
        return spaces.Box(0.0, 1.0, (int(space.nvec.sum()),), jnp.dtype(jnp.float32))
    if isinstance(space, theirs.MultiBinary):
        return spaces.Box(0.0, 1.0, tuple(space.shape), jnp.dtype(jnp.float32))
    if isinstance(space, theirs.Dict | theirs.Tuple):
        return spaces.Dict({k: declared(s, what) for k, s in entries(space).items()})
    raise ValueError(
        f"{what} is of the space {space}; known are Box, Discrete, MultiDiscrete, MultiBinary, and "
        f"Dict and Tuple of these"
    )


def entries(space: Any) -> dict[str, Any]:
    """Return the parts of a Dict or of a Tuple by name."""
    if isinstance(space, theirs.Dict):
        return dict(space.spaces)
    return {str(i): part for i, part in enumerate(space.spaces)}


def stored(element: Any, space: Any, what: str) -> Any:
    """Copy an element to arrays of its own.

    Raises:
      ValueError: when it is none of the space's: it has another shape, other entries, or numbers
        that a space of whole numbers has not. `what` names it.
    """
    if isinstance(space, theirs.Dict | theirs.Tuple):
        parts = element
        if isinstance(element, tuple | list):
            parts = {str(i): part for i, part in enumerate(element)}
        wanted = entries(space)
        if not isinstance(parts, dict) or set(parts) != set(wanted):
            given = sorted(parts) if isinstance(parts, dict) else type(element).__name__
            raise ValueError(f"{what} has the entries {given}, and its space {sorted(wanted)}")
        return {name: stored(parts[name], s, f"{what}'s {name}") for name, s in wanted.items()}
    try:
        array = np.asarray(element)
        numeric = array.dtype.kind in "biuf"
    except ValueError:  # lists of unequal lengths
        numeric = False
    if not numeric:
        raise ValueError(f"{what} is no array of numbers: {element!r}")
    if array.shape != tuple(space.shape):
        raise ValueError(f"{what} has the shape {array.shape}, and its space {space.shape}")
    if isinstance(space, theirs.Box):
        return _whole(array, _narrow(space.dtype), space, what)
    if isinstance(space, theirs.MultiBinary):
        kept = _whole(array, np.uint8, space, what)
        if (kept > 1).any():
            raise ValueError(f"{what} has other numbers than 0 and 1")
        return kept
    sizes = space.nvec if isinstance(space, theirs.MultiDiscrete) else np.asarray(space.n)
    offset = array.astype(np.int64) - space.start
    if array.dtype.kind == "f" or (offset < 0).any() or (offset >= sizes).any():
        raise ValueError(f"{what} is {element}, which is not in {space}")
    return offset.ravel().astype(_unsigned(sizes)).reshape(() if array.ndim == 0 else -1)


def _whole(array: np.ndarray, dtype: Any, space: Any, what: str) -> np.ndarray:
    """Copy an array, as simulators reuse theirs; of whole numbers, all must be kept."""
    with np.errstate(invalid="ignore"):
        kept = array.astype(dtype)
    if kept.dtype.kind != "f" and (kept != array).any():
        raise ValueError(f"{what} has numbers that {space}, stored as {kept.dtype}, has not")
    return kept


def element_of(numbers: Any, space: Any) -> Any:
    """Return the element of the declared space that was stored so; may be traced."""
    if isinstance(space, theirs.Dict | theirs.Tuple):
        return {name: element_of(numbers[name], s) for name, s in entries(space).items()}
    if isinstance(space, theirs.Discrete):
        return numbers.astype(jnp.int32)
    if isinstance(space, theirs.MultiBinary):
        return numbers.astype(jnp.float32)
    if isinstance(space, theirs.MultiDiscrete):
        sizes = space.nvec.ravel()
        begins = np.cumsum(sizes) - sizes
        hot = jnp.zeros(int(sizes.sum()), jnp.float32)
        return hot.at[numbers.astype(jnp.int32) + begins].set(1.0)
    return numbers


def observable(observation: Any, space: Any) -> Any:
    """Return what a policy is given for an observation of a space of Gymnasium.

    It differs where the space is a MultiDiscrete, a MultiBinary, a Tuple, or a Discrete one that
    does not begin with 0.

    Raises:
      ValueError: when the observation is none of the space's.
    """
    return element_of(stored(observation, space, "the observation"), space)


def zeros(space: Any) -> Any:
    """Return what an element is stored as, in zeros."""
    if isinstance(space, theirs.Dict | theirs.Tuple):
        return {name: zeros(s) for name, s in entries(space).items()}
    if isinstance(space, theirs.Discrete):
        return np.zeros((), _unsigned(np.asarray(space.n)))
    if isinstance(space, theirs.MultiDiscrete):
        return np.zeros(space.nvec.size, _unsigned(space.nvec))
    dtype = np.uint8 if isinstance(space, theirs.MultiBinary) else _narrow(space.dtype)
    return np.zeros(space.shape, dtype)


def guessed(value: Any) -> Any:
    """Return a space of Gymnasium for a value of which none is declared: Boxes of floats.

    Raises:
      ValueError: when it is no array of numbers, nor a dict or a tuple of these.
    """
    if isinstance(value, dict):
        return theirs.Dict({str(name): guessed(part) for name, part in value.items()})
    if isinstance(value, tuple):
        return theirs.Tuple([guessed(part) for part in value])
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{value!r} is no array of numbers, nor a dict or a tuple of these")
    return theirs.Box(-np.inf, np.inf, array.shape, np.float32)


def executable(action: np.ndarray, space: Any) -> Any:
    """Return what Gymnasium is given for a policy's action, of the space that `actions` declares.

    It differs where Gymnasium's space is a MultiDiscrete, or a Discrete one that does not begin
    with 0.
    """
    if isinstance(space, theirs.Box):
        # A bound that float32 rounds up would be outside of a Box of doubles.
        return np.clip(np.asarray(action, space.dtype), space.low, space.high)
    if isinstance(space, theirs.MultiDiscrete):
        parts = np.unravel_index(int(action), space.nvec.ravel())
        return (np.array(parts).reshape(space.nvec.shape) + space.start).astype(space.dtype)
    return int(action) + int(space.start)


def actions(space: Any, what: str) -> Any:
    """Return the space of actions: a Box, or a Discrete one; of a MultiDiscrete, all combinations.

    Raises:
      ValueError: when there are no such actions.
    """
    if isinstance(space, theirs.MultiDiscrete):
        return spaces.Discrete(int(np.prod(space.nvec)))
    if isinstance(space, theirs.Discrete | theirs.Box):
        return declared(space, what)
    raise ValueError(f"{what} is of the space {space}; known are Discrete, MultiDiscrete and Box")


def _narrow(dtype: Any) -> Any:
    """Return a Box's dtype, of 32 bits at most, as all of JAX's are by default."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.float32
    return {"int64": np.int32, "uint64": np.uint32}.get(kind.name, kind)


def _unsigned(sizes: np.ndarray) -> Any:
    largest = int(sizes.max()) - 1
    return next(t for t in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(t).max)
