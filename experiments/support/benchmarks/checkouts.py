"""Trainers of others, imported from a checkout and run on our environments, piece by piece.

Nothing in a checkout is changed. What its file asks for and does not find is given to its module.
"""

import contextlib
import importlib.util
import pathlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from gymnax.environments import spaces

from adqn_jax.types import Array, PyTree

#: Modules that a file imports and whose use is none of ours, with what it takes from them.
Unused = Mapping[str, Mapping[str, Any]]
_UPDATE = "_update_step"  # what both scan over, by name


def load(name: str, checkout: pathlib.Path, file: pathlib.Path, unused: Unused) -> Any:
    """Import a file of a checkout as a module.

    Args:
      name: of the project.
      checkout: a folder.
      file: below it; it may import the modules beside it.
      unused: modules that empty ones stand in for where they are not installed.

    Raises:
      ValueError: when there is no such file, or it asks for a package that is not installed.
    """
    path = checkout / file
    if not path.is_file():
        raise ValueError(f"{checkout} is no checkout of {name}: it has no {file.as_posix()}")
    beside = {other.stem for other in path.parent.glob("*.py")}
    spec: Any = importlib.util.spec_from_file_location(f"{name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    with _lent(_stand_ins(unused), beside, path.parent):
        try:
            spec.loader.exec_module(module)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"the checkout {checkout} needs the package {error.name}, which is not installed: "
                f"pip install {error.name}"
            ) from error
        except ImportError as error:
            raise ValueError(f"the checkout {checkout} cannot be imported: {error}") from error
    return module


@contextlib.contextmanager
def _lent(
    modules: Mapping[str, types.ModuleType], beside: set[str], folder: pathlib.Path
) -> Iterator[None]:
    """Let a file import these modules and those beside it, of which none stays behind."""
    lent = {name: module for name, module in modules.items() if name not in sys.modules}
    hidden = {name: sys.modules.pop(name) for name in beside & sys.modules.keys()}
    sys.modules.update(lent)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in (*lent, *beside):
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def _stand_ins(unused: Unused) -> dict[str, types.ModuleType]:
    """Make empty modules for those packages that are not installed."""
    made: dict[str, types.ModuleType] = {}
    for name, taken in unused.items():
        parent = name.partition(".")[0]
        if parent not in made and importlib.util.find_spec(parent) is not None:
            continue
        made[name] = types.ModuleType(name)
        for attribute, value in taken.items():
            setattr(made[name], attribute, value)
    return made


def with_attributes(module: Any, **changed: Any) -> types.SimpleNamespace:
    """Return what a module has, with some of it changed."""
    return types.SimpleNamespace(**vars(module) | changed)


class Pieces:
    """A `train(key)` that runs from a key to the end, taken apart at its scan over updates.

    The module's own `jax.lax.scan` stops there. It hands over the function of an update and the
    state before the first. So a run can be stopped at any log point, and looked at there.

    Args:
      module: of the checkout; its `jax` is replaced.
      make_train: called once the module has it.
    """

    def __init__(self, module: Any, make_train: Callable[[], Any]):
        module.jax = with_attributes(jax, lax=with_attributes(jax.lax, scan=self._scan))
        self._train = make_train()
        self._found: list[tuple[Any, PyTree]] = []

    def init(self, key: Array) -> list[Array]:
        """Return the leaves of the state before the first update; `key` is consumed."""
        update, state = self._update_and_state(key)
        after = jax.eval_shape(lambda state: update(state, None)[0], state)
        # As a scan does: what begins as an integer may go on as a real number.
        same = jax.tree.map(lambda x, like: jnp.asarray(x, like.dtype), state, after)
        return jax.tree.leaves(same)

    def advance(self, leaves: list[Array], updates: int) -> list[Array]:
        """Go on by a static number of updates."""
        update, state = self._resume(leaves)
        return jax.tree.leaves(jax.lax.scan(update, state, length=updates)[0])

    def state(self, leaves: list[Array]) -> PyTree:
        """Return the state that has these leaves."""
        return self._resume(leaves)[1]

    def _resume(self, leaves: list[Array]) -> tuple[Any, PyTree]:
        """Return the function of an update, and the state that it goes on from.

        A state holds functions that each call of `train` makes anew: hence the leaves alone go
        from one compiled function to the next. What is computed here of a key is not used, and the
        compiler drops it.
        """
        update, state = self._update_and_state(jax.random.PRNGKey(0))
        return update, jax.tree.unflatten(jax.tree.structure(state), leaves)

    def _update_and_state(self, key: Array) -> tuple[Any, PyTree]:
        self._found.clear()
        self._train(key)
        if len(self._found) != 1:
            raise ValueError(f"its train(key) has no single scan over a function {_UPDATE}")
        return self._found.pop()

    def _scan(self, f: Any, init: PyTree, *args: Any, **named: Any) -> Any:
        if getattr(f, "__name__", "") != _UPDATE:
            return jax.lax.scan(f, init, *args, **named)
        self._found.append((f, init))
        return init, None


class OlderEnvironment:
    """One of our environments behind the older API of gymnax, as a single copy.

    `step` returns five values and starts anew by itself. Observations are float32 and flat:
    Discrete ones are one-hot, [n].

    Raises:
      ValueError: when observations are neither Discrete nor a Box.
    """

    def __init__(self, env: Any, env_params: Any):
        self._env = env
        space = env.observation_space(env_params)
        if not isinstance(space, spaces.Discrete | spaces.Box):
            raise ValueError(f"peers take Discrete or Box observations; {env.name} has none")
        self._classes = space.n if isinstance(space, spaces.Discrete) else 0

    def reset(self, key: Array, params: Any) -> tuple[Array, Any]:
        """Start an episode; `key` is consumed."""
        observation, state = self._env.reset(key, params)
        return self.seen(observation), state

    def step(
        self, key: Array, state: Any, action: Array, params: Any
    ) -> tuple[Array, Any, Array, Array, dict[str, Any]]:
        """Act, and start anew when the episode ends or its time is up; `key` is consumed."""
        result = self._env.step(key, state, action, params)
        observation, state, reward, terminated, truncated, _ = result
        return self.seen(observation), state, reward, terminated | truncated, {}

    def action_space(self, params: Any) -> Any:
        """Discrete(n)."""
        return self._env.action_space(params)

    def observation_space(self, params: Any) -> Any:
        """Box: our own, flat, or of one-hot vectors, [n]."""
        if self._classes:
            return spaces.Box(0.0, 1.0, (self._classes,), jnp.float32)
        space = self._env.observation_space(params)
        low, high = (jnp.broadcast_to(x, space.shape).ravel() for x in (space.low, space.high))
        return spaces.Box(low, high, low.shape, jnp.float32)

    def seen(self, observation: Array) -> Array:
        """Return what a network is shown of an observation, [n]."""
        if self._classes:
            return jax.nn.one_hot(observation, self._classes)
        return observation.astype(jnp.float32).ravel()
