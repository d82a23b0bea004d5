"""One episode, kept whole: what was true, what the agent saw, what it thought and what it did."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import envs
from adqn_jax import NetworkConfig, load_params
from adqn_jax.algorithms import get_algorithm
from adqn_jax.networks import Networks, make_networks
from adqn_jax.rollout import epsilon_greedy
from adqn_jax.types import Array, Params, PyTree, Rows


@dataclasses.dataclass(frozen=True)
class Policy:
    """A trained seed."""

    algorithm: str
    networks: Networks
    params: Params


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


def load_policy(path: pathlib.Path, env_name: str | None = None) -> tuple[Policy, str]:
    """Read a policy that `run.py` saved, to act in the environment that it was trained on.

    Args:
      path: a file of a run's `policy/`.
      env_name: another environment to act in, or None.

    Returns:
      The policy, and the name of the environment that it will act in.

    Raises:
      ValueError: when the file holds no policy, or one that does not fit the environment's spaces.
    """
    params, metadata = load_params(path)
    try:
        trained_on, name = metadata["env"], metadata["algorithm"]
        head_sizes = tuple(metadata["network"]["head_sizes"])
        config = NetworkConfig(**metadata["network"] | {"head_sizes": head_sizes})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} does not say how its policy was trained by run.py") from error
    env_name = env_name or trained_on
    env, env_params = envs.make(env_name)
    networks = make_networks(config, get_algorithm(name), env, env_params)
    expected = _expected(networks, env, env_params)
    if difference := _difference(params, expected):
        raise ValueError(
            f"the policy {path}, trained on {trained_on}, does not fit the spaces of {env_name}: "
            f"{difference}"
        )
    # A module without parameters, of which the file knows nothing, has its empty place again.
    params = jax.tree.unflatten(jax.tree.structure(expected), jax.tree.leaves(params))
    return Policy(name, networks, params), env_name


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

    def play(key: Array, params: Params | None) -> tuple[Rows, Array, Array | None]:
        networks = None if policy is None else policy.networks
        rows, q = _play(key, env, env_params, networks, params, epsilon)
        if networks is None or params is None:
            return rows, q, None
        u = networks.unroll(params, _batch_of_one(rows)).u
        return rows, q, None if u is None else u[:, 0]

    params = None if policy is None else policy.params
    rows, q, u = jax.device_get(jax.jit(play)(key, params))
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


def _play(
    key: Array,
    env: Any,
    env_params: Any,
    networks: Networks | None,
    params: Params | None,
    epsilon: float,
) -> tuple[Rows, Array]:
    """Step through an episode and, without a reset, beyond it.

    Returns:
      The slots, leaves [T, ...], of which there is one more than the longest episode has steps,
      and Q(h,.) there, [T, A]; zeros without networks.
    """
    num_slots = env_params.max_steps_in_episode + 1

    def step(carry: tuple, key_and_start: tuple) -> tuple[tuple, tuple[Rows, Array]]:
        env_state, observation, action_tm1, history = carry
        (key_act, key_step), start = jax.random.split(key_and_start[0]), key_and_start[1]
        q = jnp.zeros(env.num_actions)
        if networks is not None and params is not None:
            history, q = networks.step(params["q"], history, action_tm1, observation, start)
        action = epsilon_greedy(key_act, q[None], epsilon if networks else 1.0)[0]
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
        return (next_state, next_observation, action, history), (slot, q)

    key_reset, key_steps = jax.random.split(key)
    observation, env_state = env.reset_env(key_reset, env_params)
    history = networks.initial_carry() if networks else jnp.zeros(0)
    carry = (env_state, observation, jnp.int32(0), history)
    starts = jnp.arange(num_slots) == 0
    _, recorded = jax.lax.scan(step, carry, (jax.random.split(key_steps, num_slots), starts))
    return recorded


def _batch_of_one(rows: Rows) -> Rows:
    """Add the axis B behind the time, [T, ...] -> [T, 1, ...]."""
    return jax.tree.map(lambda x: x[:, None], rows)


def _expected(networks: Networks, env: Any, env_params: Any) -> PyTree:
    """Return the shapes of the parameters that the networks have in an environment."""

    def init(key: Array) -> Params:
        rows, _ = _play(key, env, env_params, None, None, 1.0)
        return networks.init(key, _batch_of_one(rows))

    return jax.eval_shape(init, jax.random.key(0))


def _difference(params: PyTree, expected: PyTree) -> str:
    """Name the first parameter that differs in shape; empty where all agree."""
    have, need = (
        {
            "/".join(key.key for key in keys): leaf.shape
            for keys, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }
        for tree in (params, expected)
    )
    for name in sorted({*have, *need}):
        if have.get(name) != need.get(name):
            return f"{name} has shape {have.get(name)}, needed is {need.get(name)}"
    return ""
