"""PureJaxRL's recurrent PPO, imported from a checkout and run on our environments.

Nothing in the checkout is changed. What it asks for and does not find is given to its module:
environments by `gymnax.make` of the older API, and flax's older `GRUCell()`. Its file of wrappers
also imports brax and navix, which its recurrent PPO does not use; empty modules stand in for them.
"""

import importlib.util
import pathlib
import sys
import types
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from gymnax.environments import spaces

_FILE = pathlib.Path("purejaxrl", "ppo_rnn.py")
_WRAPPERS = "wrappers"  # the module beside it, which it imports by this name
#: What its wrappers import and its recurrent PPO leaves alone, with the names taken from there.
_UNUSED: dict[str, tuple[str, ...]] = {
    "brax": ("envs",),
    "brax.envs": (),
    "brax.envs.wrappers": (),
    "brax.envs.wrappers.training": ("EpisodeWrapper", "AutoResetWrapper"),
    "navix": (),
}


def load(checkout: pathlib.Path) -> Any:
    """Import its recurrent PPO, and give its module a `GRUCell` of the older kind.

    Args:
      checkout: of github.com/luchris429/purejaxrl.

    Returns:
      The module, which has `make_train(config)`.

    Raises:
      ValueError: when it is no such checkout, or asks for a package that is not installed.
    """
    file = checkout / _FILE
    if not file.is_file():
        raise ValueError(f"{checkout} is no checkout of purejaxrl: it has no {_FILE.as_posix()}")
    lent = {name: module for name, module in _stand_ins().items() if name not in sys.modules}
    before = sys.modules.pop(_WRAPPERS, None)
    sys.modules.update(lent)
    sys.path.insert(0, str(file.parent))
    try:
        spec: Any = importlib.util.spec_from_file_location("purejaxrl_ppo_rnn", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the checkout {checkout} needs the package {error.name}, which is not installed: "
            f"pip install {error.name}"
        ) from error
    except ImportError as error:
        raise ValueError(f"the checkout {checkout} cannot be imported: {error}") from error
    finally:
        sys.path.remove(str(file.parent))
        for name in (*lent, _WRAPPERS):
            sys.modules.pop(name, None)
        if before is not None:
            sys.modules[_WRAPPERS] = before
    named: Any = module
    named.nn = types.SimpleNamespace(**vars(nn) | {"GRUCell": OlderGRUCell})
    return named


def make_train(module: Any, env: Any, env_params: Any, config: dict[str, Any]) -> Any:
    """Return its `train(key)` for one of our environments.

    Args:
      module: what `load` has returned.
      env: an environment of ours.
      env_params: its parameters.
      config: as its `make_train` takes it.

    Raises:
      ValueError: when observations are neither Discrete nor a Box.
    """
    older = OlderEnvironment(env, env_params)
    module.gymnax = types.SimpleNamespace(make=lambda name: (older, env_params))
    return module.make_train(dict(config))


class OlderGRUCell:
    """flax's GRU cell as it was: its width is that of its state."""

    def __call__(self, carry: jax.Array, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Advance states, [B, H], by inputs, [B, I]; called in a compact method."""
        cell: Any = nn.GRUCell(carry.shape[-1])
        advanced: tuple[jax.Array, jax.Array] = cell(carry, inputs)
        return advanced

    @staticmethod
    def initialize_carry(key: jax.Array, batch: tuple[int, ...], size: int) -> jax.Array:
        """Return states before the first input, zeros [*batch, size]."""
        del key
        return jnp.zeros((*batch, size))


class OlderEnvironment:
    """One of our environments behind the older API of gymnax, as a single copy.

    `step` returns five values and starts anew by itself. Observations are float32: Discrete ones
    are one-hot, [n], and a Box keeps its shape, which purejaxrl flattens.

    Raises:
      ValueError: when observations are neither Discrete nor a Box.
    """

    def __init__(self, env: Any, env_params: Any):
        self._env = env
        space = env.observation_space(env_params)
        if not isinstance(space, spaces.Discrete | spaces.Box):
            raise ValueError(
                f"purejaxrl's PPO takes Discrete or Box observations; {env.name} has none"
            )
        self._classes = space.n if isinstance(space, spaces.Discrete) else 0

    def reset(self, key: jax.Array, params: Any) -> tuple[jax.Array, Any]:
        """Start an episode; `key` is consumed."""
        observation, state = self._env.reset(key, params)
        return self._seen(observation), state

    def step(
        self, key: jax.Array, state: Any, action: jax.Array, params: Any
    ) -> tuple[jax.Array, Any, jax.Array, jax.Array, dict[str, Any]]:
        """Act, and start anew when the episode ends or its time is up; `key` is consumed."""
        result = self._env.step(key, state, action, params)
        observation, state, reward, terminated, truncated, _ = result
        return self._seen(observation), state, reward, terminated | truncated, {}

    def action_space(self, params: Any) -> Any:
        """Discrete(n)."""
        return self._env.action_space(params)

    def observation_space(self, params: Any) -> Any:
        """Box: our own, or of one-hot vectors, [n]."""
        if self._classes:
            return spaces.Box(0.0, 1.0, (self._classes,), jnp.float32)
        return self._env.observation_space(params)

    def _seen(self, observation: jax.Array) -> jax.Array:
        if self._classes:
            return jax.nn.one_hot(observation, self._classes)
        return observation.astype(jnp.float32)


def _stand_ins() -> dict[str, types.ModuleType]:
    """Make empty modules for those unused packages that are not installed."""
    made: dict[str, types.ModuleType] = {}
    for name, taken in _UNUSED.items():
        parent = name.partition(".")[0]
        if parent not in made and importlib.util.find_spec(parent) is not None:
            continue
        made[name] = types.ModuleType(name)
        for attribute in taken:
            setattr(made[name], attribute, None)
    return made
