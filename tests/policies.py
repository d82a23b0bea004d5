"""Policies that have learnt nothing, as files."""

import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax import Config, NetworkConfig, envs, imitation, make_policy, save_policy
from adqn_jax.policy import Policy
from adqn_jax.spaces import Spaces
from adqn_jax.teacher import Teacher
from adqn_jax.types import Inputs
from adqn_jax.value import make_networks

NETWORK = NetworkConfig(embedding_size=4, history_size=8, head_sizes=(8,))


@functools.cache
def untrained(algorithm: str, env_name: str) -> dict[str, Any]:
    """Draw a policy's parameters."""
    env, params = envs.make(env_name)
    networks = make_networks(Config(algorithm, network=NETWORK), Spaces.of(env, params))
    drawn: dict[str, Any] = jax.jit(networks.init)(jax.random.key(1), _inputs(env, params))
    return drawn


@functools.cache
def teacher(env_name: str) -> Teacher:
    """Return an expert that has learnt nothing."""
    return expert(env_name).teacher()


def expert(env_name: str) -> Policy:
    """Return its policy."""
    env, params = envs.make(env_name)
    config = imitation.Config("expert").replace(head_sizes=(8,))
    networks = imitation.make_policy_networks(config, Spaces.of(env, params))
    drawn = jax.jit(networks.init)(jax.random.key(0), _inputs(env, params))
    return make_policy(config, env, params, drawn, {})


def _inputs(env: Any, params: Any) -> Inputs:
    """Return the inputs of a first slot, [1, 1, ...]."""
    observation, state = env.reset_env(jax.random.key(0), params)
    seen = (observation, env.privileged_state(state, params))
    observation, state = jax.tree.map(lambda x: jnp.asarray(x)[None, None], seen)
    nothing = jnp.zeros((1, 1), jnp.int32)
    return Inputs(observation, state, nothing, nothing == 0)


def save(
    path: pathlib.Path, algorithm: str = "adqn-vr", env: str = "carflag", **about: Any
) -> pathlib.Path:
    """Write a policy file as `run.py` does."""
    config = Config(algorithm, network=NETWORK)
    known = {"env": env, "seed_index": 0} | about
    save_policy(path, make_policy(config, *envs.make(env), untrained(algorithm, env), known))
    return path
