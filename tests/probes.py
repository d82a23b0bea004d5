"""Tiny environments whose values are known exactly; each says which part broke."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import EnvParams, EnvState

from adqn_jax.envs import PrivilegedEnvironment


@struct.dataclass
class ProbeState(EnvState):
    """A hidden bit and the clock."""

    time: jax.Array  # int32
    bit: jax.Array  # int32, 0 or 1, drawn at reset


class Probe(PrivilegedEnvironment[ProbeState, EnvParams]):
    """Episodes of `length` steps, two actions, a hidden bit that is the privileged state.

    Observation: Discrete(4), 0 but where `look` says otherwise. Ends by termination, or, where
    `terminates` is False, by its time limit.
    """

    length = 1
    terminates = True

    def __init__(self, length: int | None = None):
        super().__init__()
        if length is not None:
            self.length = length

    @property
    def default_params(self) -> EnvParams:
        return EnvParams(max_steps_in_episode=self.length)

    @property
    def num_actions(self) -> int:
        return 2

    def look(self, state: ProbeState) -> Any:
        """What is seen in a state."""
        return 0

    def pay(self, state: ProbeState, action: Any) -> Any:
        """What an action earns in a state."""
        return 0.0

    def reset_env(self, key: jax.Array, params: EnvParams) -> Any:
        state = ProbeState(time=jnp.int32(0), bit=jax.random.bernoulli(key).astype(jnp.int32))
        return self.get_obs(state), state

    def step_env(self, key: jax.Array, state: ProbeState, action: Any, params: EnvParams) -> Any:
        reward = jnp.float32(self.pay(state, action))
        state = ProbeState(time=state.time + 1, bit=state.bit)
        terminated = jnp.asarray(self.terminates and state.time >= self.length)
        return self.get_obs(state), state, reward, terminated, {}

    def get_obs(self, state: ProbeState, params: Any = None, key: Any = None) -> Any:
        return jnp.asarray(self.look(state), jnp.int32)

    def privileged_state(self, env_state: ProbeState, params: EnvParams) -> Any:
        return env_state.bit

    def action_space(self, params: Any = None) -> Any:
        return spaces.Discrete(2)

    def observation_space(self, params: Any) -> Any:
        return spaces.Discrete(4)

    def privileged_state_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(2)


class Constant(Probe):
    """One step that pays 1: every value is 1."""

    def pay(self, state: ProbeState, action: Any) -> Any:
        return 1.0


class Uneven(Probe):
    """The bit pays 1 at once and ends the episode; without it nothing does for `length` steps."""

    length = 10

    def pay(self, state: ProbeState, action: Any) -> Any:
        return state.bit

    def step_env(self, key: jax.Array, state: ProbeState, action: Any, params: EnvParams) -> Any:
        seen, state, reward, terminated, info = super().step_env(key, state, action, params)
        return seen, state, reward, terminated | (state.bit == 1), info


class TwoSteps(Probe):
    """The second step pays 1: values are γ, then 1."""

    length = 2

    def look(self, state: ProbeState) -> Any:
        return jnp.minimum(state.time, 1)

    def pay(self, state: ProbeState, action: Any) -> Any:
        return jnp.where(state.time == 1, 1.0, 0.0)


class Choice(Probe):
    """One step that pays 1 for action 1 and -1 for action 0."""

    def pay(self, state: ProbeState, action: Any) -> Any:
        return 2.0 * action - 1.0


class Memory(Probe):
    """The bit is shown first; two steps later, 1 is paid for naming it, -1 for the other."""

    length = 3

    def look(self, state: ProbeState) -> Any:
        return jnp.where(state.time == 0, 1 + state.bit, 0)

    def pay(self, state: ProbeState, action: Any) -> Any:
        return jnp.where(state.time == 2, jnp.where(action == state.bit, 1.0, -1.0), 0.0)


class Aim(Probe):
    """Pays, in its last step, -(a - g)² - (b - 2)² for two numbers; g, 1 or 3, is shown first.

    The first number is clipped to [0, 4], the second has no upper bound. Which g it is, is the bit.
    """

    def action_space(self, params: Any = None) -> Any:
        return spaces.Box(jnp.array([0.0, 0.0]), jnp.array([4.0, jnp.inf]), (2,), jnp.float32)

    @property
    def num_actions(self) -> int:
        raise NotImplementedError

    def look(self, state: ProbeState) -> Any:
        return jnp.where(state.time == 0, 1 + state.bit, 0)

    def pay(self, state: ProbeState, action: Any) -> Any:
        miss = jnp.sum(jnp.square(action - jnp.array([1.0 + 2.0 * state.bit, 2.0])))
        return jnp.where(state.time == self.length - 1, -miss, 0.0)


class Pictured(Aim):
    """A picture shows which number is meant."""

    def get_obs(self, state: ProbeState, params: Any = None, key: Any = None) -> Any:
        return jnp.zeros((4, 5, 2)).at[2, 1 + 2 * state.bit, 1].set(1.0)

    def observation_space(self, params: Any) -> Any:
        return spaces.Box(0.0, 1.0, (4, 5, 2))


class StateOnly(Probe):
    """One step that pays by a bit nobody shows: U knows it, Q is the mean."""

    def pay(self, state: ProbeState, action: Any) -> Any:
        return 2.0 * state.bit - 1.0


class Limit(Probe):
    """Steps that pay 1 until the time limit."""

    length = 4
    terminates = False

    def pay(self, state: ProbeState, action: Any) -> Any:
        return 1.0


class Told(Limit):
    """Steps that pay the number that the environment was given, of [-1, 1]."""

    def action_space(self, params: Any = None) -> Any:
        return spaces.Box(-1.0, 1.0, (1,), jnp.float32)

    def pay(self, state: ProbeState, action: Any) -> Any:
        return action[0]


class Noisy(Limit):
    """Observations drawn at random, so that they must be stored."""

    length = 7
    observes_deterministically = False

    def reset_env(self, key: jax.Array, params: EnvParams) -> Any:
        _, state = super().reset_env(key, params)
        return jax.random.randint(key, (), 0, 4), state

    def step_env(self, key: jax.Array, state: ProbeState, action: Any, params: EnvParams) -> Any:
        _, *rest = super().step_env(key, state, action, params)
        return jax.random.randint(key, (), 0, 4), *rest
