"""The spaces of an environment, and as JSON, so that a file can say what a policy sees."""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces

from adqn_jax.types import Array, Environment, PyTree, Spec

#: A bound beyond this is no scale to divide by.
UNBOUNDED = 1e6


@dataclasses.dataclass(frozen=True)
class Spaces:
    """All that networks are chosen from."""

    observation: Spec
    state: Spec  # of the privileged state
    action: Spec  # Discrete, or a flat Box of floats

    @property
    def num_actions(self) -> int:
        """How many actions there are.

        Raises:
          ValueError: when they are continuous.
        """
        if isinstance(self.action, spaces.Box):
            raise ValueError(f"actions that are counted are Discrete, not those of {self.action!r}")
        return int(self.action.n)

    def misfit(self, needed: "Spaces") -> str:
        """Say whose states or actions are not those of others; nothing where both are."""
        for what, given, wanted in (
            ("states", self.state, needed.state),
            ("actions", self.action, needed.action),
        ):
            if not same(given, wanted):
                return f"its {what} are those of {given}, needed is {wanted}"
        return ""

    @classmethod
    def of(cls, env: Environment, env_params: Any) -> "Spaces":
        """Ask an environment."""
        return cls(
            observation=env.observation_space(env_params),
            state=env.privileged_state_space(env_params),
            action=action_space(env, env_params),
        )


def action_space(env: Environment, env_params: Any) -> Spec:
    """Ask an environment for its actions: Discrete, or a Box with a bound for each entry.

    An environment without an `action_space` has `num_actions`. May be asked while JAX traces.
    """
    with jax.ensure_compile_time_eval():
        space = declared_actions(env, env_params)
        if space is None:
            return spaces.Discrete(int(env.num_actions))
        if not isinstance(space, spaces.Box):
            return space
        low, high = bounds(space)
    return spaces.Box(low, high, tuple(space.shape), jnp.dtype(jnp.float32))


def declared_actions(env: Environment, env_params: Any) -> Spec | None:
    """Return the space of actions that an environment declares, if it does."""
    try:
        return getattr(env, "action_space", lambda _: None)(env_params)
    except NotImplementedError:  # as gymnax has it
        return None


def no_action(space: Spec, *lead: int) -> Array:
    """Return what stands for the action before the first one, zeros [*lead, *shape]."""
    dtype = jnp.float32 if isinstance(space, spaces.Box) else jnp.int32
    return jnp.zeros((*lead, *space.shape), dtype)


def executed(action: Array, space: Spec) -> Array:
    """Return what an environment is given of actions, [..., *shape]: a Box's are clipped to it."""
    if not isinstance(space, spaces.Box):
        return action
    return jnp.clip(action, *bounds(space))


def units(space: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre and the half-width of each entry of a flat Box, float32 [N] each.

    A bound beyond `UNBOUNDED` is none that one can divide by: where one is such, the half-width is
    1, beside the other bound; where both are, the centre is 0.
    """
    low, high = (bound.astype(np.float64) for bound in bounds(space))
    has_low, has_high = np.abs(low) < UNBOUNDED, np.abs(high) < UNBOUNDED
    low = np.where(has_low, low, np.where(has_high, high - 2.0, -1.0))
    high = np.where(has_high, high, low + 2.0)
    return ((low + high) / 2).astype(np.float32), ((high - low) / 2).astype(np.float32)


def bounds(space: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Return both bounds of a Box, float32 [*shape] each."""
    low, high = (
        np.broadcast_to(np.asarray(bound, np.float32), space.shape)
        for bound in (space.low, space.high)
    )
    return low, high


def is_image(space: Spec) -> bool:
    """Whether a space is a picture: a Box of rank 3 of floats, of bools, or of bytes up to 255."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 3:
        return False
    return not jnp.issubdtype(space.dtype, jnp.integer) or is_bytes(space)


def is_bytes(space: Spec) -> bool:
    """Whether a Box is of bytes that go up to 255, which say how bright something is."""
    return bool(jnp.dtype(space.dtype) == jnp.uint8 and np.max(np.asarray(space.high)) == 255)


def is_index_grid(space: Spec) -> bool:
    """Whether a space is a grid of indices: a Box of rank 3 of integers that is no picture."""
    return isinstance(space, spaces.Box) and len(space.shape) == 3 and not is_image(space)


def to_json(space: Spec) -> dict[str, Any]:
    """Describe a space: Discrete, Box, or a Dict of these.

    Returns:
      What `from_json` reads. Infinite bounds are written as JSON's common extension does.

    Raises:
      ValueError: when the space is none of these.
    """
    if isinstance(space, spaces.Discrete):
        return {"type": "discrete", "n": int(space.n)}
    if isinstance(space, spaces.Box):
        return {
            "type": "box",
            "shape": list(space.shape),
            "dtype": np.dtype(space.dtype).name,
            "low": np.asarray(space.low).tolist(),
            "high": np.asarray(space.high).tolist(),
        }
    if isinstance(space, spaces.Dict):
        return {"type": "dict", "spaces": {k: to_json(s) for k, s in sorted(space.spaces.items())}}
    raise ValueError(f"no description of the space {space!r}; Discrete, Box and Dict have one")


def from_json(description: dict[str, Any]) -> Spec:
    """Return the space that `to_json` described.

    Raises:
      ValueError: when there is no such kind of space.
      KeyError: when the description lacks something.
    """
    kind = description["type"]
    if kind == "discrete":
        return spaces.Discrete(description["n"])
    if kind == "box":
        low, high = (np.asarray(description[bound]) for bound in ("low", "high"))
        return spaces.Box(low, high, tuple(description["shape"]), jnp.dtype(description["dtype"]))
    if kind == "dict":
        return spaces.Dict({k: from_json(s) for k, s in description["spaces"].items()})
    raise ValueError(f"unknown kind of space {kind!r}; known are discrete, box, dict")


def zeros(space: Spec) -> PyTree:
    """Return an element's shapes and dtypes, filled with zeros."""
    if isinstance(space, spaces.Dict):
        return {name: zeros(entry) for name, entry in space.spaces.items()}
    return jnp.zeros(space.shape, space.dtype)


def leaves(space: Spec) -> list[Spec]:
    """List the spaces within a Dict, as JAX lists the leaves of its elements."""
    if isinstance(space, spaces.Dict):
        return [leaf for _, entry in sorted(space.spaces.items()) for leaf in leaves(entry)]
    return [space]


def outside(element: PyTree, space: Spec) -> str:
    """Say which numbers of elements, leaves [..., *shape], are none of a Discrete space's.

    Returns:
      The first of them and the space; nothing where all are inside, or nobody knows yet, because
      they are being traced.
    """
    for x, leaf in zip(jax.tree.leaves(element), leaves(space), strict=True):
        if isinstance(leaf, spaces.Discrete) and not isinstance(x, jax.core.Tracer):
            stray = np.asarray(x)[(np.asarray(x) < 0) | (np.asarray(x) >= leaf.n)]
            if stray.size:
                return f"{stray[0]}, which is not in Discrete({leaf.n})"
    return ""


def same(one: Spec, other: Spec) -> bool:
    """Whether two spaces are described alike."""
    return json.dumps(to_json(one)) == json.dumps(to_json(other))
