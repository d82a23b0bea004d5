"""What it costs to derive observations when rows are drawn, instead of storing them."""

import copy
import functools
import math
from collections.abc import Sequence

import jax

from adqn_jax import Config, envs, make_trainer
from adqn_jax.replay.buffer import min_capacity
from support.benchmarks.setting import value_based
from support.benchmarks.steps import one_update, sample_rows
from support.benchmarks.timing import Runs, best_seconds


def replay_costs(name: str, config: Config, seconds: float) -> dict[str, float]:
    """Measure bytes and times of both ways, and their difference as a share of a gradient step."""
    env, params = envs.make(name)
    stores = copy.copy(env)
    stores.observes_deterministically = False
    runs: Runs = {}
    sizes = {}
    for way, chosen in (("derived", env), ("stored", stores)):
        trainer = make_trainer(config, chosen, params)
        state = jax.jit(trainer.init)(jax.random.key(0))
        storage = jax.tree.leaves(state.agent.buffer.storage)
        slots = math.prod(storage[0].shape[:2])
        sizes[way] = sum(leaf.nbytes for leaf in storage) / slots
        rows = jax.jit(functools.partial(sample_rows, trainer))
        runs[way] = functools.partial(rows, state)
    update = jax.jit(functools.partial(one_update, trainer))
    runs["update"] = functools.partial(update, state, runs["stored"]())
    best = best_seconds(runs, seconds)
    per_row = {way: 1e6 * best[way] / config.train.batch_rows for way in ("derived", "stored")}
    return {
        "bytes_derived": sizes["derived"],
        "bytes_stored": sizes["stored"],
        "us_per_row_derived": per_row["derived"],
        "us_per_row_stored": per_row["stored"],
        "extra_share_of_update": (best["derived"] - best["stored"]) / best["update"],
    }


def with_small_buffers(names: Sequence[str], algo: str, preset: str) -> dict[str, Config]:
    """Return what to measure on each environment, in a buffer as small as can be drawn from.

    Raises:
      ValueError: when one of them cannot be trained, or there is none.
    """
    if not names:
        raise ValueError("name at least one environment")
    configs = {}
    for name in names:
        configs[name] = _with_small_buffer(value_based(preset, name, algo), name)
        make_trainer(configs[name], *envs.make(name))
    return configs


def _with_small_buffer(config: Config, env_name: str) -> Config:
    """Hold as little as rows can be drawn from."""
    longest = int(envs.make(env_name)[1].max_steps_in_episode)
    timesteps = config.train.num_envs * min_capacity(config.train.row_length or longest, longest)
    return config.replace(buffer_timesteps=timesteps, warmup_timesteps=timesteps)
