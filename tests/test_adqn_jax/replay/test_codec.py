"""Replay stores little, and what it derives is what was seen."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from adqn_jax import envs, make_trainer
from adqn_jax.envs.cleaner import Cleaner
from settings import small

BUDGET = {
    "heavenhell-3": 16,
    "carflag": 40,
    "memory-four-rooms-7x7": 64,
    "cleaner": 200,
    "cleaner:13x13": 200,
    "foraging": 24,
    "foraging:10x10:3:3:levels": 40,
}


@pytest.mark.parametrize("name", BUDGET)
def test_bytes_per_timestep(name: str) -> None:
    """A stored timestep keeps within its budget."""
    env, params = envs.make(name)
    config = small("dqn", buffer_timesteps=4_000, warmup_timesteps=4_000, row_length=0)
    trainer = make_trainer(config, env, params)
    state = jax.eval_shape(trainer.init, jax.random.key(0))
    storage = jax.tree.leaves(state.agent.buffer.storage)
    size = sum(x.size * x.dtype.itemsize for x in storage) / np.prod(storage[0].shape[:2])
    assert 0 < size <= BUDGET[name]


class StoringCleaner(Cleaner):
    """The same environment, whose observations are stored."""

    observes_deterministically = False


def test_derived_and_stored_observations_train_alike() -> None:
    """But for rounding, as programs differ: parameters and evaluations after 30 iterations."""
    results = []
    for stores, env in enumerate((Cleaner(), StoringCleaner())):
        params = dataclasses.replace(env.default_params, max_steps_in_episode=12)
        trainer = make_trainer(small("adqn"), env, params)

        @jax.jit
        def run(key: jax.Array, trainer: Any = trainer) -> Any:
            state = trainer.iterate(trainer.init(key), trainer.config.hyper, 30)
            return state.agent.params, trainer.evaluate(state, trainer.config.hyper)

        results.append(run(jax.random.key(0)))
        stored = jax.eval_shape(trainer.init, jax.random.key(0)).agent.buffer.storage.observation
        assert (stored is None) == (not stores)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *results)
