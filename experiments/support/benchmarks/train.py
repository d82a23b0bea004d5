"""Throughput of training: the gradient step alone, the whole loop, and what limits them."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import jax

from adqn_jax import Config, SeedRunner, Trainer, TrainState, envs, make_trainer
from adqn_jax.value import ValueState
from support.benchmarks.flops import count_flops
from support.benchmarks.steps import one_update, sample_rows
from support.benchmarks.timing import Runs, best_seconds

_SIZE = 1024  # rows and columns of the matrices whose product is the yardstick
_PRODUCTS = 8
_ITERATIONS = 8  # that are timed together


@dataclasses.dataclass(frozen=True)
class Throughput:
    """What was measured; rates are over all seeds and devices together."""

    seeds: int
    rows: int
    row_length: int
    compile_seconds: float
    product_gflops: float  # billions of FLOPs per second, of large matrix products
    flops_per_timestep: float  # of the matrix products of a trained timestep
    limit_timesteps: float  # trained timesteps per second, if these were all and ran at that rate
    update_timesteps: float  # trained timesteps per second, of the gradient steps alone
    update_steps: float  # gradient steps per second
    loop_timesteps: float  # trained timesteps per second, of the whole loop
    loop_simulated: float  # timesteps simulated per second
    share_of_limit_update: float
    share_of_limit_loop: float
    share_outside_update: float  # of the loop's time: rollout, buffer, evaluation
    share_evaluation: float
    peak_bytes: int
    share_of_peak_grown: float  # while all of this ran again and again


def measure(env_name: str, config: Config, num_seeds: int, seconds: float) -> Throughput:
    """Measure the training that `config` describes.

    Args:
      env_name: environment.
      config: the run; it is not trained to its end.
      num_seeds: seeds, trained side by side.
      seconds: least time that each measurement takes.

    Raises:
      ValueError: when the configuration cannot be run.
    """
    env, env_params = envs.make(env_name)
    trainer = make_trainer(config, env, env_params)
    runner = SeedRunner(trainer, num_seeds, config.hyper)
    runner.compile()
    runs, product_flops = timed_parts(runner, _ITERATIONS)
    best_seconds(runs, 0.0)
    peak_at_first = peak_bytes()
    best = best_seconds(runs, seconds)
    flops = _flops_per_timestep(trainer)
    return _summary(runner, best, product_flops / best["product"], flops, peak_at_first)


def timed_parts(runner: SeedRunner, iterations: int) -> tuple[Runs, int]:
    """Return what is timed, and the FLOPs of a call of `product`.

    `update` takes the gradient steps of an iteration, on the same rows; `loop` is so many
    iterations, `evaluation` what a log point adds, `product` the yardstick.
    """
    trainer = runner.trainer

    def learn(state: TrainState) -> Any:
        rows = sample_rows(trainer, state)

        def body(own: ValueState, _: None) -> Any:
            params, opt_state = one_update(trainer, dataclasses.replace(state, agent=own), rows)
            # Other targets each time: nothing is left out.
            return ValueState(params, own.params, opt_state, own.buffer), None

        return jax.lax.scan(body, state.agent, length=trainer.plan.updates_per_iteration)[0].params

    states = [runner.init(jax.random.key(0))]
    learn_all = runner.over_seeds(learn)
    product, product_flops = products(runner)

    def iterate() -> Any:
        states.append(runner.iterate(states.pop(), iterations))  # donates the states before
        return states[0]

    return {
        "product": product,
        "update": lambda: learn_all(states[0]),
        "loop": iterate,
        "evaluation": lambda: runner.evaluate(states[0]),
    }, product_flops


def _flops_per_timestep(trainer: Trainer) -> float:
    """Count the FLOPs of the matrix products that training on a timestep takes."""
    networks: Any = trainer.agent.networks

    def forward(state: TrainState) -> Any:
        return networks.unroll(state.agent.params, sample_rows(trainer, state).inputs)

    # Once for the target networks; for those that learn, once forward, and two products backward
    # for each forward.
    once = count_flops(forward, jax.eval_shape(trainer.init, jax.random.key(0)))
    return 4 * once / trainer.plan.trained_per_update


def _summary(
    runner: SeedRunner, best: dict[str, float], product_rate: float, flops: float,
    peak_at_first: int,
) -> Throughput:  # fmt: skip
    """Turn seconds into rates; an evaluation is counted as often as it occurs."""
    peak, plan = peak_bytes(), runner.trainer.plan
    per_iteration = runner.places * plan.updates_per_iteration * plan.trained_per_update
    evaluation = best["evaluation"] / plan.iterations_per_log
    loop = best["loop"] / _ITERATIONS + evaluation
    limit = product_rate / flops
    return Throughput(
        seeds=runner.num_seeds,
        rows=plan.batch_rows,
        row_length=plan.row_length,
        compile_seconds=runner.compile_seconds,
        product_gflops=product_rate / 1e9,
        flops_per_timestep=flops,
        limit_timesteps=limit,
        update_timesteps=per_iteration / best["update"],
        update_steps=runner.places * plan.updates_per_iteration / best["update"],
        loop_timesteps=per_iteration / loop,
        loop_simulated=runner.places * plan.timesteps_per_iteration / loop,
        share_of_limit_update=per_iteration / best["update"] / limit,
        share_of_limit_loop=per_iteration / loop / limit,
        share_outside_update=1.0 - best["update"] / loop,
        share_evaluation=evaluation / loop,
        peak_bytes=peak,
        share_of_peak_grown=peak / peak_at_first - 1.0,
    )


def products(runner: SeedRunner) -> tuple[Callable[[], Any], int]:
    """Multiply large matrices on every device at once; also returns the FLOPs of a call."""

    def chain(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, _PRODUCTS, lambda _, y: y @ x, x)

    shape = (runner.sharding.num_devices, _SIZE, _SIZE)
    matrices = jax.random.normal(jax.random.key(0), shape) / _SIZE**0.5
    matrices = jax.device_put(matrices, runner.sharding)
    run = runner.over_seeds(chain)
    return lambda: run(matrices), 2 * _SIZE**3 * _PRODUCTS * shape[0]


def peak_bytes() -> int:
    """Return the most memory that was in use: of all devices, or, on a CPU, of the process."""
    stats = jax.local_devices()[0].memory_stats()
    if stats is None:  # on a CPU: of the process
        try:
            import resource
        except ImportError:  # on Windows
            return 0
        unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, elsewhere kibibytes
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return sum(device.memory_stats()["peak_bytes_in_use"] for device in jax.local_devices())
