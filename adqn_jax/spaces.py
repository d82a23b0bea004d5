"""The spaces of an environment, and as JSON, so that a file can say what a policy sees."""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces

from adqn_jax.types import Environment, PyTree, Spec


@dataclasses.dataclass(frozen=True)
class Spaces:
    """All that networks are chosen from."""

    observation: Spec
    state: Spec  # of the privileged state
    num_actions: int

    @classmethod
    def of(cls, env: Environment, env_params: Any) -> "Spaces":
        """Ask an environment."""
        return cls(
            observation=env.observation_space(env_params),
            state=env.privileged_state_space(env_params),
            num_actions=env.num_actions,
        )


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
