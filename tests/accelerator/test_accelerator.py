"""What holds on a CPU holds on an accelerator: the same numbers, once and twice, and no transfers.

Not in the default suite, which runs on a CPU: `make gpu`.
"""

import dataclasses
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import SeedRunner, envs, make_trainer
from adqn_jax.config import BaseConfig
from settings import imitating, on_policy, small
from support import paper

ENV, ENV_PARAMS = envs.make("heavenhell-1")
ENV_PARAMS = dataclasses.replace(ENV_PARAMS, max_steps_in_episode=12)
#: Random actions alone: which is the greatest of values that nearly tie may differ.
CONFIGS = {
    "value": small("adqn-vr"),
    "actor-critic": on_policy("ppo-asym"),
    "imitation": imitating("a2d"),
}
SEEDS = 3
CPU = jax.local_devices(backend="cpu")[0]


def runner_of(config: BaseConfig) -> SeedRunner:
    """Return three seeds, side by side on an accelerator."""
    trainer = make_trainer(config, ENV, ENV_PARAMS)
    return SeedRunner(trainer, SEEDS, config.parts["hyper"])


def raw(tree: Any) -> list[np.ndarray]:
    """Return the leaves as arrays of numbers, keys included."""

    def of_leaf(x: Any) -> np.ndarray:
        is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(x) if is_key else x)

    return [of_leaf(x) for x in jax.tree.leaves(tree)]


def test_is_an_accelerator() -> None:
    """The rest would say nothing on a CPU."""
    assert jax.default_backend() != "cpu"


@pytest.mark.parametrize("name", paper.ENVS)
def test_environments_step_alike(name: str) -> None:
    """The observations, rewards and ends that a CPU sees, under random actions."""
    env, params = envs.make(name)

    def episode(key: jax.Array) -> Any:
        first, rest = jax.random.split(key)
        observation, state = env.reset(first, params)

        def step(state: Any, key: jax.Array) -> Any:
            chosen = env.action_space(params).sample(key)
            seen, state, reward, terminated, truncated, _ = env.step(key, state, chosen, params)
            return state, (seen, reward, terminated, truncated)

        return observation, jax.lax.scan(step, state, jax.random.split(rest, 300))[1]

    keys = jax.random.split(jax.random.key(1), 4)
    here = jax.jit(jax.vmap(episode))(keys)
    with jax.default_device(CPU):
        there = jax.jit(jax.vmap(episode))(jax.device_put(keys, CPU))
    for one, other in zip(raw(here), raw(there), strict=True):
        # Whole numbers are the same; sums that cancel differ by a rounding of their terms.
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", CONFIGS)
def test_numbers_are_those_of_a_cpu(kind: str) -> None:
    """An iteration from the same state moves the parameters to the same place."""
    config = CONFIGS[kind]
    trainer = make_trainer(config, ENV, ENV_PARAMS)

    def run(state: Any) -> Any:
        return trainer.iterate(state, config.parts["hyper"], 1)

    with jax.default_device(CPU):
        state = jax.jit(trainer.init)(jax.device_put(jax.random.key(3), CPU))
        there = jax.jit(run)(state)
    here = jax.jit(run)(jax.device_put(state, jax.local_devices()[0]))
    for one, other in zip(raw(here.agent.params), raw(there.agent.params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", CONFIGS)
def test_twice_the_same_seed(kind: str) -> None:
    """Two runs of one program agree, in every bit if XLA was asked to; nothing is transferred.

    XLA's sums on a GPU depend on which thread comes first, unless
    XLA_FLAGS=--xla_gpu_deterministic_ops=true.
    """
    runner = runner_of(CONFIGS[kind])
    runner.compile()
    finals = []
    for _ in range(2):
        states = runner.init(jax.random.key(5))
        runner.hyper_of_seeds  # noqa: B018  is on the device from here on
        with jax.transfer_guard("disallow"):
            for _ in range(3):
                states = runner.iterate(states, 1)
        finals.append(raw(states))
    exact = "xla_gpu_deterministic_ops=true" in os.environ.get("XLA_FLAGS", "")
    for one, other in zip(*finals, strict=True):
        if exact:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    found = runner.evaluate(states)
    assert np.isfinite(found["eval_return"]).all()
    assert len(found["eval_return"]) == SEEDS
