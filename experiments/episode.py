"""One episode, kept whole: what was true, what the agent saw, what it thought and what it did."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments.spaces import Discrete

import envs
from adqn_jax import Policy, PolicyCarry, load_policy, spaces
from adqn_jax.rollout import epsilon_greedy
from adqn_jax.types import Array, PyTree, Rows


@dataclasses.dataclass(frozen=True)
class Recording:
    """An episode of T steps, in NumPy arrays."""

    states: PyTree  # [T+1, ...] privileged
    observations: PyTree  # [T+1, ...]
    actions: np.ndarray  # [T] int32
    rewards: np.ndarray  # [T] float32
    truncated: bool  # whether the time limit ended it
    q: np.ndarray | None  # [T, A] Q(h,.), by which the actions were chosen
    u: np.ndarray | None  # [T, A] U(h,s,.) or U(s,.)

    @property
    def length(self) -> int:
        """Steps, T."""
        return len(self.actions)


@dataclasses.dataclass(frozen=True)
class Setting:
    """Who acts where."""

    env_name: str
    env: Any
    env_params: Any
    policy: Policy | None  # None acts at random


def setting(env_name: str | None, path: pathlib.Path | None) -> Setting:
    """Find an environment, a policy that `run.py` saved, or both.

    Args:
      env_name: an environment; None is the one that the policy was trained on.
      path: a file of a run's `policy/`, or None.

    Raises:
      ValueError: when the file holds no policy, or one that does not fit the environment's spaces.
    """
    if path is None:
        return Setting(str(env_name), *envs.make(str(env_name)), None)
    policy = load_policy(path)
    if "env" not in policy.about:
        raise ValueError(f"{path} does not say on what run.py trained its policy")
    trained_on = policy.about["env"]
    name = env_name or trained_on
    env, env_params = envs.make(name, policy.about.get("observe", "observation"))
    for given, needed in (
        (policy.observation_space, env.observation_space(env_params)),
        (policy.state_space, env.privileged_state_space(env_params)),
        (Discrete(policy.num_actions), Discrete(env.num_actions)),
    ):
        if not spaces.same(given, needed):
            raise ValueError(
                f"the policy {path}, trained on {trained_on}, does not fit the spaces of {name}: "
                f"it has {given}, needed is {needed}"
            )
    return Setting(name, env, env_params, policy)


def record(
    key: Array, env: Any, env_params: Any, policy: Policy | None, epsilon: float
) -> Recording:
    """Play one episode; `key` is consumed.

    Args:
      key: a key.
      env: an environment with a time limit, `env_params.max_steps_in_episode`.
      env_params: its parameters.
      policy: who acts; None acts at random.
      epsilon: the probability of a random action, in [0, 1].

    Returns:
      The episode.
    """

    def play(key: Array) -> tuple[Rows, Array, Array | None]:
        played = play_slots(key, env, env_params, policy, epsilon)
        if policy is None:
            return played.rows, played.q, None
        u = policy.networks.unroll(policy.params, _batch_of_one(played.rows)).u
        return played.rows, played.q, None if u is None else u[:, 0]

    rows, q, u = jax.device_get(jax.jit(play)(key))
    length = int(np.argmax(rows.terminated | rows.truncated)) + 1
    return Recording(
        states=jax.tree.map(lambda x: x[: length + 1], rows.state),
        observations=jax.tree.map(lambda x: x[: length + 1], rows.observation),
        actions=rows.action[:length],
        rewards=rows.reward[:length],
        truncated=not rows.terminated[length - 1],
        q=None if policy is None else q[:length],
        u=None if u is None else u[:length],
    )


@struct.dataclass
class Slots:
    """An episode and, without a reset, what is beyond it: one slot more than the longest has."""

    rows: Rows  # leaves [T, ...]
    q: Array  # [T, A] Q(h,.); zeros without a policy
    history: Array  # [T, H], of which Q is a function; H is 0 without a policy


def play_slots(
    key: Array, env: Any, env_params: Any, policy: Policy | None, epsilon: float
) -> Slots:
    """Step through an episode and beyond it; arguments are those of `record`."""
    num_slots = env_params.max_steps_in_episode + 1

    def act(carry: PolicyCarry | None, observation: PyTree, key: Array) -> tuple[Array, Any, Array]:
        if policy is None or carry is None:
            q = jnp.zeros(env.num_actions)
            return epsilon_greedy(key, q, 1.0), None, q
        return policy.act(carry, observation, key, epsilon)

    def step(carry: tuple, key_and_start: tuple) -> tuple[tuple, Slots]:
        env_state, observation, action_tm1, memory = carry
        (key_act, key_step), start = jax.random.split(key_and_start[0]), key_and_start[1]
        action, memory, q = act(memory, observation, key_act)
        next_observation, next_state, reward, terminated, _ = env.step_env(
            key_step, env_state, action, env_params
        )
        slot = Rows(
            observation=observation,
            state=env.privileged_state(env_state, env_params),
            action_tm1=action_tm1,
            start=start,
            action=action,
            reward=reward,
            terminated=terminated,
            truncated=env.is_truncated(next_state, env_params),
            valid=jnp.asarray(True),
        )
        history = jnp.zeros(0) if memory is None else memory.history
        return (next_state, next_observation, action, memory), Slots(slot, q, history)

    key_reset, key_steps = jax.random.split(key)
    observation, env_state = env.reset_env(key_reset, env_params)
    memory = policy.initial_carry() if policy else None
    carry = (env_state, observation, jnp.int32(0), memory)
    starts = jnp.arange(num_slots) == 0
    _, recorded = jax.lax.scan(step, carry, (jax.random.split(key_steps, num_slots), starts))
    return recorded


def _batch_of_one(rows: Rows) -> Rows:
    """Add the axis B behind the time, [T, ...] -> [T, 1, ...]."""
    return jax.tree.map(lambda x: x[:, None], rows)
