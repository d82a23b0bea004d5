"""Simulators to test with: ours behind Gymnasium's interface, and one that misbehaves."""

import time
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import EnvParams, EnvState

from adqn_jax.envs import PrivilegedEnvironment, make
from adqn_jax.host.play import seed_of


@struct.dataclass
class SeededState(EnvState):
    """A state, and the key that all that follows is drawn by."""

    time: jax.Array
    wrapped: Any
    key: jax.Array


class Seeded(PrivilegedEnvironment[SeededState, EnvParams]):
    """One of our environments, whose episodes follow from the seed that a simulator would get."""

    def __init__(self, name: str):
        super().__init__()
        self.env, self.params = make(name)

    @property
    def default_params(self) -> EnvParams:
        return self.params

    @property
    def num_actions(self) -> int:
        return self.env.num_actions

    def begin(self, seed: jax.Array) -> tuple[Any, SeededState]:
        """Reset as a simulator is reset."""
        key, key_reset = jax.random.split(jax.random.key(seed))
        observation, state = self.env.reset_env(key_reset, self.params)
        return observation, SeededState(state.time, state, jax.random.key_data(key))

    def reset_env(self, key: jax.Array, params: EnvParams) -> tuple[Any, SeededState]:
        return self.begin(seed_of(key))

    def step_env(self, key: jax.Array, state: SeededState, action: Any, params: EnvParams) -> Any:
        del key
        after, key_step = jax.random.split(jax.random.wrap_key_data(state.key))
        observation, reached, reward, terminated, info = self.env.step_env(
            key_step, state.wrapped, action, params
        )
        reached = SeededState(reached.time, reached, jax.random.key_data(after))
        return observation, reached, reward, terminated, info

    def get_obs(self, state: SeededState, params: Any = None, key: Any = None) -> Any:
        return self.env.get_obs(state.wrapped, self.params)

    def privileged_state(self, env_state: SeededState, params: EnvParams) -> Any:
        return self.env.privileged_state(env_state.wrapped, params)

    def action_space(self, params: Any = None) -> spaces.Space:
        return self.env.action_space(params)

    def observation_space(self, params: EnvParams) -> spaces.Space:
        return self.env.observation_space(params)

    def privileged_state_space(self, params: EnvParams) -> spaces.Space:
        return self.env.privileged_state_space(params)


class Behind(gymnasium.Env):
    """The same behind Gymnasium's interface, with the privileged state in `info`."""

    compiled: dict[str, Any] = {}  # noqa: RUF012  by environment, for all objects

    def __init__(self, name: str):
        seeded = Seeded(name)
        self.observation_space = _theirs(seeded.observation_space(seeded.params))
        self.state_space = _theirs(seeded.privileged_state_space(seeded.params))
        self.action_space = gymnasium.spaces.Discrete(seeded.num_actions)
        if name not in self.compiled:
            look = lambda state: seeded.privileged_state(state, seeded.params)  # noqa: E731
            step = lambda *x: seeded.step_env(jax.random.key(0), *x, seeded.params)  # noqa: E731
            self.compiled[name] = tuple(map(jax.jit, (seeded.begin, step, look)))
        self._begin, self._step, self._look = self.compiled[name]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, self._state = self._begin(jnp.uint32(seed))
        return np.asarray(observation), {"state": np.asarray(self._look(self._state))}

    def step(self, action: int) -> Any:
        observation, self._state, reward, terminated, info = self._step(
            self._state, jnp.int32(action)
        )
        told = {name: np.asarray(value) for name, value in info.items() if name == "success"}
        told["state"] = np.asarray(self._look(self._state))
        return np.asarray(observation), np.float32(reward), bool(terminated), False, told


def _theirs(space: spaces.Space) -> gymnasium.Space:
    if isinstance(space, spaces.Discrete):
        return gymnasium.spaces.Discrete(space.n)
    low, high = (np.broadcast_to(np.asarray(b), space.shape) for b in (space.low, space.high))
    return gymnasium.spaces.Box(low, high, space.shape, np.dtype(space.dtype))


class Lights(gymnasium.Env):
    """A lamp is shown at first, and at the end must be named: 1 for the right one, else 0.

    What goes wrong, if anything does, goes wrong in a step of that number.
    """

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64)
    action_space = gymnasium.spaces.Discrete(2, start=1)
    length = 3

    def __init__(self, fault: str = "", at: int = 0, pause: float = 0.0):
        self._fault, self._at, self._pause, self._all = fault, at, pause, 0
        self.closed = 0
        if fault == "unmade":
            raise OSError("no such scene")

    def _seen(self) -> np.ndarray:
        shown = (2.0 * self._lamp - 1.0) if self._time == 0 else 0.0
        return np.array([shown, self._time / self.length])

    def get_state(self) -> tuple[int, np.ndarray]:
        """The truth, as POPGym gives it."""
        return self._lamp, np.array([float(self._time)])

    @property
    def _info(self) -> dict[str, Any]:
        return {"state": np.array([self._lamp, self._time])}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._lamp, self._time = int(self.np_random.integers(2)), 0
        return self._seen(), self._info

    def step(self, action: int) -> Any:
        self._all += 1
        self._time += 1
        time.sleep(self._pause)
        over = self._time == self.length
        right = over and action - 1 == self._lamp
        seen, info = self._seen(), self._info | {"is_success": right}
        if self._fault and self._all == self._at:
            if self._fault == "raises":
                raise RuntimeError("the arm has left the table\nand more of it")
            if self._fault == "exits":
                raise SystemExit(3)
            if self._fault == "hangs":
                time.sleep(60)
            seen = {"shape": seen[:1], "words": "two"}.get(self._fault, seen)
            if self._fault == "forgets":
                del info["state"]
            if self._fault == "reward":
                return seen, np.nan, over, False, info
        return seen, float(right), over, False, info

    def close(self) -> None:
        if self._fault == "closes slowly":
            time.sleep(0.2)
        self.closed += 1
        if self._fault == "cannot close":
            raise RuntimeError("the arm is stuck")


#: What goes wrong in environments made by name from now on, and in which step.
fault: dict[str, Any] = {}
gymnasium.register("Lights-v0", lambda: Lights(**fault), max_episode_steps=5)
