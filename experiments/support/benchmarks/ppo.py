"""Recurrent PPO of others beside ours: the same environments and settings, by turns."""

import dataclasses
import itertools
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any, Literal

import jax

from adqn_jax import SeedRunner, actor_critic, envs, make_trainer
from support import presets
from support.benchmarks import purejaxrl as adapter
from support.benchmarks.checkouts import OlderEnvironment
from support.benchmarks.output import JsonFile, write
from support.benchmarks.timing import no_cache


@dataclasses.dataclass(frozen=True)
class PPOSetting:
    """What both train: recurrent PPO, theirs with a GRU of 128 units."""

    num_envs: int = 64
    """Environments of a seed."""
    steps: int = 128
    """Steps of each environment between updates; histories go on from one segment to the next."""
    iterations: int = 8
    """Segments in a run that is timed, each followed by 4 epochs of 4 minibatches."""

    widths: Literal["theirs", "fast"] = "theirs"
    """Our networks: as wide as theirs, or those of our preset `fast`, which are narrower."""

    encoders: Literal["separate", "shared"] = "separate"
    """Whether our actor and critic have a GRU each, or one, as theirs have."""

    def __post_init__(self) -> None:
        """Refuse what neither can train."""
        if self.num_envs < 4 or self.num_envs % 4:
            raise ValueError(f"4 minibatches must divide num_envs, got {self.num_envs}")
        if min(self.steps, self.iterations) < 1:
            raise ValueError("steps and iterations must be at least 1")

    @property
    def _timesteps(self) -> int:
        return self.num_envs * self.steps * self.iterations

    def ours(self, env_name: str) -> actor_critic.Config:
        """Return our configuration for an environment: the options nearest to the checkout's.

        The inputs of each GRU are 128 wide, too: of an observation and the action before, 64 each.
        """
        config = actor_critic.Config(algorithm="ppo").replace(
            learning_rate=2.5e-4, rate_end=0.0, adam_eps=1e-5, discount=0.99, return_lambda=0.95,
            entropy_start=0.01, entropy_end=0.01, clip_range=0.2, value_clip_range=0.2,
            value_weight=0.25, embedding_size=64, history_size=128, head_sizes=(128,),
            gru_init="orthogonal", returns="lambda", over_time="mean", discount_policy=False,
            normalise_advantages=True, value_loss="clipped", time_limit="terminates",
            total_timesteps=self._timesteps, log_every=self._timesteps, num_envs=self.num_envs,
            steps_per_iteration=self.steps, histories="continued", epochs=4, minibatches=4,
            target="none", max_grad_norm=0.5, history_encoders=self.encoders,
        )  # fmt: skip
        if self.widths == "fast":
            network = presets.preset("fast", env_name, "ppo").network
            config = dataclasses.replace(config, network=network)
        return config

    def theirs(self, timesteps: int) -> dict[str, Any]:
        """Return their configuration of a run of so many timesteps."""
        return {
            "LR": 2.5e-4, "NUM_ENVS": self.num_envs, "NUM_STEPS": self.steps,
            "TOTAL_TIMESTEPS": timesteps, "UPDATE_EPOCHS": 4, "NUM_MINIBATCHES": 4, "GAMMA": 0.99,
            "GAE_LAMBDA": 0.95, "CLIP_EPS": 0.2, "ENT_COEF": 0.01, "VF_COEF": 0.5,
            "MAX_GRAD_NORM": 0.5, "ENV_NAME": "", "ANNEAL_LR": True, "DEBUG": False,
        }  # fmt: skip


def ppo(
    purejaxrl: pathlib.Path, setting: PPOSetting,
    names: tuple[str, ...] = ("carflag", "heavenhell-3"), seeds: tuple[int, ...] = (1, 8),
    rounds: int = 5, json: JsonFile = None,
) -> None:  # fmt: skip
    """Train purejaxrl's recurrent PPO and ours by turns, in one process, and compare.

    Rates are environment steps per second, of all seeds together, from the keys to the last
    gradient step. Compiling is timed apart, and neither side evaluates.

    Args:
      purejaxrl: a checkout of github.com/luchris429/purejaxrl; it needs the package distrax.
      setting: what both train.
      names: environments whose observations are Discrete or a Box, as `run.py --env` takes them.
      seeds: numbers of seeds; theirs are mapped over by `jax.vmap`.
      rounds: how often each is timed; medians count.
      json: where to write the results, too.
    """
    if not names or not seeds or min(*seeds, rounds) < 1:
        raise ValueError("name an environment; numbers of seeds, and rounds, must be at least 1")
    module = adapter.load(purejaxrl)
    for name in names:
        env, env_params = envs.make(name)
        OlderEnvironment(env, env_params)  # refuses what theirs cannot see
        make_trainer(setting.ours(name), env, env_params)
    rows = []
    with no_cache():
        for name, number in itertools.product(names, seeds):
            rows.append(compare(module, setting, name, number, rounds))
            print(f"{name:>16}, {number} seeds: {_told(rows[-1])}", flush=True)
            if json is not None:  # as far as it has come
                write(json, {"setting": dataclasses.asdict(setting), "peers": rows})


def compare(
    module: Any, setting: PPOSetting, env_name: str, num_seeds: int, rounds: int
) -> dict[str, Any]:
    """Time both by turns, and return rates, steps per second; ratios, ours over theirs.

    Args:
      module: what `adapter.load` has returned.
      setting: what both train.
      env_name: environment.
      num_seeds: seeds of each.
      rounds: how often each is timed; a ratio is of two runs, one after the other.

    Raises:
      ValueError: when there is no such environment, or its observations are of another kind.
    """
    env, env_params = envs.make(env_name)
    config = setting.ours(env_name)
    runner = SeedRunner(make_trainer(config, env, env_params), num_seeds, config.hyper)
    plan = runner.trainer.plan
    train = adapter.make_train(module, env, env_params, setting.theirs(plan.total_timesteps))
    keys = jax.random.split(jax.random.PRNGKey(0), num_seeds)
    theirs = jax.jit(train if num_seeds == 1 else jax.vmap(train))
    their_keys = keys[0] if num_seeds == 1 else keys
    begin = time.perf_counter()
    with jax.default_matmul_precision(config.network.matmul_precision):  # ours sets its own
        compiled = theirs.lower(their_keys).compile()
    their_compile_seconds = time.perf_counter() - begin
    runner.compile()
    steps = num_seeds * plan.total_timesteps
    # A slot in which a time limit cuts an episode off is none of an environment's steps. Ours are
    # counted as if every episode had one.
    our_steps = steps * plan.longest_episode / (plan.longest_episode + 1)
    ours, others = _by_turns(lambda: _run(runner), lambda: compiled(their_keys), rounds)
    ratios = [our_steps / a / (steps / b) for a, b in zip(ours, others, strict=True)]
    return {
        "env": env_name,
        "seeds": num_seeds,
        "ours_steps_per_second": our_steps / statistics.median(ours),
        "theirs_steps_per_second": steps / statistics.median(others),
        "ratio": statistics.median(ratios),
        "least_ratio": min(ratios),
        "largest_ratio": max(ratios),
        "ours_compile_seconds": runner.compile_seconds,
        "theirs_compile_seconds": their_compile_seconds,
    }


def _run(runner: SeedRunner) -> Any:
    """Train from the keys on, without evaluation."""
    plan = runner.trainer.plan
    states = runner.init(jax.random.key(0))
    return runner.iterate(states, plan.iterations_per_log * plan.log_points)


def _by_turns(
    first: Callable[[], Any], second: Callable[[], Any], rounds: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of every call; each is called once before, untimed."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for run, taken in zip((first, second), seconds, strict=True):
            begin = time.perf_counter()
            jax.block_until_ready(run())
            if number:
                taken.append(time.perf_counter() - begin)
    return seconds


def _told(row: dict[str, Any]) -> str:
    rates = (f"{who} {row[f'{who}_steps_per_second']:,.0f} steps/s" for who in ("ours", "theirs"))
    spread = f"{row['least_ratio']:.2f} to {row['largest_ratio']:.2f}"
    return f"{', '.join(rates)}, ratio {row['ratio']:.2f} ({spread})"
