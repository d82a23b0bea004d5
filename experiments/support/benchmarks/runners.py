"""Acting and learning in turns, and at the same time, with an environment that takes its time."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from adqn_jax import Config, TrainConfig, make_trainer
from adqn_jax.host import Hosting, HostRunner
from support.benchmarks.output import JsonFile, write
from support.benchmarks.timing import no_cache


def runners(
    pause: float = 0.01, algo: str = "adqn-vr", num_envs: int = 4, rows: int = 16,
    iterations: int = 16, rounds: int = 3, json: JsonFile = None,
) -> None:  # fmt: skip
    """Measure what --runner asynchronous saves, with an environment that sleeps in every step.

    Runs of both runners by turns, of one seed, without evaluations. Acting alone and learning alone
    are the seconds that the synchronous runner spends in each; they add up to its wall-clock time.

    Args:
      pause: seconds that an environment sleeps in a step; one thread steps them, in turns.
      algo: algorithm, of value-based learning.
      num_envs: environments.
      rows: rows of 50 timesteps in a gradient step: the more, the longer learning takes.
      iterations: iterations of a measurement, of 12 steps and a gradient step each.
      rounds: measurements of each.
      json: where to write the results, too.
    """
    if min(num_envs, rows, iterations, rounds) < 1 or pause < 0:
        raise ValueError("numbers must be at least 1, and a pause at least 0")
    results = []
    with no_cache():
        made = {lag: _runner(pause, algo, num_envs, rows, iterations, lag) for lag in (0, 1)}
        begun = {lag: runner.init(jax.random.key(0)) for lag, runner in made.items()}
        for number in range(rounds + 1):  # the first, which compiles, does not count
            for lag, runner in made.items():
                begun[lag], result = _measure(runner, begun[lag])
                results += [{"max_lag": lag, **result}] * (number > 0)
        for runner in made.values():
            runner.close()
    for result in results:
        print("  ".join(f"{name} {value:.3g}" for name, value in result.items()), flush=True)
    if json is not None:
        about = {"pause": pause, "algo": algo, "num_envs": num_envs, "rows": rows}
        write(json, {"setting": about | {"iterations": iterations}, "runners": results})


def _measure(runner: HostRunner, states: Any) -> tuple[Any, dict[str, float]]:
    runner.read(0)
    begin = time.perf_counter()
    plan = runner.trainer.plan
    states = jax.block_until_ready(runner.iterate(states, plan.iterations_per_log))
    wall = time.perf_counter() - begin
    return states, {"wall_seconds": wall, **runner.read(0)}


def _runner(
    pause: float, algo: str, num_envs: int, rows: int, iterations: int, lag: int
) -> HostRunner:
    import gymnasium  # an extra

    from adqn_jax.envs.adapt_gymnasium import from_gymnasium

    class Sleeper(gymnasium.Env):
        """Sleeps in every step, shows noise, and ends after 50 steps."""

        observation_space = gymnasium.spaces.Box(-9, 9, (4,), np.float32)
        action_space = gymnasium.spaces.Discrete(4)

        def _shown(self) -> np.ndarray:
            return self.np_random.normal(size=4).clip(-9, 9)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self._time = 0
            return self._shown(), {}

        def step(self, action: int) -> Any:
            time.sleep(pause)
            self._time += 1
            return self._shown(), 0.0, self._time == 50, False, {}

    train = TrainConfig(
        total_timesteps=10**9, warmup_timesteps=51 * num_envs, buffer_timesteps=2_000 * num_envs,
        num_envs=num_envs, row_length=50, batch_rows=rows, replay_ratio=50 * rows / (12 * num_envs),
        log_every=12 * num_envs * iterations, eval_episodes=1,
    )  # fmt: skip
    trainer = make_trainer(
        dataclasses.replace(Config(algo), train=train), *from_gymnasium(Sleeper, 50, "observation")
    )
    plan = trainer.plan
    assert (plan.steps_per_iteration, plan.updates_per_iteration) == (12, 1)
    runner = HostRunner(trainer, 1, trainer.config.hyper, Hosting(max_lag=lag))
    runner.compile()
    return runner
