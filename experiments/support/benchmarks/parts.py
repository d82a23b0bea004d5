"""Where the time of a gradient step goes: its parts, each beside the limit of its products."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax import Config, SeedRunner, envs, make_trainer
from adqn_jax.types import PyTree
from support.benchmarks.flops import count_flops
from support.benchmarks.steps import one_update, sample_rows
from support.benchmarks.timing import best_seconds
from support.benchmarks.train import products

#: Matrix products backward for each one forward.
_BACKWARD = 2


def measure_parts(
    env_name: str, config: Config, num_seeds: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Time the parts of a gradient step, every core or accelerator busy with its share of seeds.

    Args:
      env_name: environment.
      config: the run; only its warm-up is simulated.
      num_seeds: seeds, trained side by side.
      seconds: least time that each measurement takes.

    Returns:
      Of each part, by its name: the milliseconds of a seed's gradient step on one device, those
      that its matrix products alone would take, and the latter's share of the former. The part
      called `loss, optimiser` is what the others leave of the whole.
    """
    env, env_params = envs.make(env_name)
    trainer = make_trainer(config, env, env_params)
    networks: Any = trainer.agent.networks
    runner = SeedRunner(trainer, num_seeds, config.hyper)
    update = functools.partial(one_update, trainer)

    states = runner.init(jax.random.key(0))
    params = states.agent.params
    rows = runner.over_seeds(functools.partial(sample_rows, trainer))(states)
    encoded = runner.over_seeds(networks.encode)(params, rows.inputs)
    for_histories, for_heads = (params, rows.inputs), (params, rows.inputs, encoded)
    calls: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "histories, forward": (networks.encode, for_histories),
        "heads, forward": (networks.heads, for_heads),
        "histories, forward and backward": (_gradient(networks.encode, (0,)), for_histories),
        "heads, forward and backward": (_gradient(networks.heads, (0, 2)), for_heads),
        "all": (update, (states, rows)),
    }
    runs = {name: _bind(runner.over_seeds(call), args) for name, (call, args) in calls.items()}
    product, product_flops = products(runner)
    with networks.precision():  # gradients are traced here
        best = best_seconds({"product": product} | runs, seconds)

    devices = runner.sharding.num_devices
    times = {name: 1e3 * best[name] * devices / runner.places for name in runs}
    whole = times.pop("all")
    times |= {"loss, optimiser": whole - sum(times.values()), "all": whole}

    flops_per_ms = product_flops / best["product"] / devices / 1e3
    one_seed = jax.tree.map(lambda x: x[0], for_heads)
    encoding_ms = count_flops(networks.encode, *one_seed[:2]) / flops_per_ms
    evaluating_ms = count_flops(networks.heads, *one_seed) / flops_per_ms
    once = [encoding_ms, evaluating_ms]
    limits = [*once, *((1 + _BACKWARD) * ms for ms in once), 0.0, (2 + _BACKWARD) * sum(once)]
    return {
        name: {"ms": ms, "limit_ms": limit, "share_of_limit": limit / ms}
        for (name, ms), limit in zip(times.items(), limits, strict=True)
    }


def _gradient(function: Callable[..., PyTree], argnums: tuple[int, ...]) -> Callable[..., PyTree]:
    """Differentiate the sum of squares of all that a function returns."""

    def squares(*args: Any) -> jax.Array:
        return sum((jnp.sum(x**2) for x in jax.tree.leaves(function(*args))), jnp.float32(0.0))

    return jax.grad(squares, argnums)


def _bind(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[], Any]:
    return lambda: function(*args)
