"""The authors' trainer beside this one, on the same setting, by turns."""

import dataclasses
import os
import pathlib
import subprocess
import time
from typing import Any

import jax

from adqn_jax import Config, SeedRunner, envs, make_trainer
from support import cli
from support.benchmarks.output import JsonFile, write
from support.benchmarks.setting import Setting, check_seeds

#: Their names of environments.
_NAMES = {
    "carflag": "extra-car-flag-v0",
    "cleaner": "extra-cleaner-v0",
    "heavenhell-3": "POMDP-heavenhell_3-episodic-v0",
    "heavenhell-4": "POMDP-heavenhell_4-episodic-v0",
}
_SHORT, _LONG = 1_000, 4_000  # timesteps simulated after the first data; the difference is timed
_ITERATIONS = 8  # of ours that are timed together


def reference(
    path: pathlib.Path, setting: Setting, python: str = "python", seeds: int = 20,
    rounds: int = 3, json: JsonFile = None,
) -> None:  # fmt: skip
    """Train the authors' trainer and this one by turns, on the same setting, and compare.

    Args:
      path: a checkout of github.com/abaisero/asym-rlpo whose dependencies `python` finds.
      setting: what is trained; of the presets, paper has the authors' networks.
      python: interpreter to run the authors' trainer with.
      seeds: seeds of this trainer, side by side; the authors' trains one seed per core.
      rounds: how often each is measured; the best counts.
      json: where to write the results, too.
    """
    check_seeds(seeds)
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    result = compare(path, python, setting.env, setting.config(), seeds, rounds)
    for name, value in result.items():
        print(f"{name:>40} {value:>14,.4g}")
    if json is not None:
        write(json, {"setting": dataclasses.asdict(setting), "reference": result})


def compare(
    path: pathlib.Path, python: str, env_name: str, config: Config, num_seeds: int, rounds: int
) -> dict[str, float]:
    """Return trained timesteps per second of both, and their ratio.

    Theirs runs one process per core, as this one uses every core.

    Args:
      path: their checkout.
      python: an interpreter that finds its dependencies.
      env_name: environment.
      config: of this trainer; theirs is given its replay ratio and rows.
      num_seeds: seeds of this trainer.
      rounds: how often each is measured; the best counts.

    Raises:
      ValueError: when there is no such checkout or environment, or their trainer fails.
    """
    if not (path / "main_dqn.py").is_file():
        raise ValueError(f"{path} is no checkout of asym-rlpo: it has no main_dqn.py")
    if env_name not in _NAMES:
        raise ValueError(f"--env must be one of {', '.join(_NAMES)} here, got {env_name!r}")
    env, env_params = envs.make(env_name)
    trainer = make_trainer(config, env, env_params)
    runner = SeedRunner(trainer, num_seeds, config.hyper)
    runner.compile()
    plan = trainer.plan
    states = runner.iterate(runner.init(jax.random.key(0)), _ITERATIONS)
    states = jax.block_until_ready(states)
    trained = _ITERATIONS * plan.updates_per_iteration * runner.places
    trained *= config.train.batch_rows * plan.row_length
    ours, theirs = 0.0, 0.0
    for _ in range(rounds):
        theirs = max(theirs, _their_rate(path, python, env_name, config, plan.longest_episode))
        begin = time.perf_counter()
        states = jax.block_until_ready(runner.iterate(states, _ITERATIONS))
        ours = max(ours, trained / (time.perf_counter() - begin))
    return {
        "ours_trained_timesteps": ours,
        "theirs_trained_timesteps": theirs,
        "ratio": ours / theirs,
    }


def _their_rate(
    path: pathlib.Path, python: str, env_name: str, config: Config, longest: int
) -> float:
    """Time a longer and a shorter run; what both spend on starting cancels."""
    ratio = round(config.train.replay_ratio)
    words = {
        "max-episode-timesteps": longest,
        "episode-buffer-prepopulate-timesteps": _SHORT,
        "training-timesteps-per-simulation-timestep": ratio,
        "training-num-episodes": config.train.batch_rows,
        "device": "cpu",
    }
    command = [python, "main_dqn.py", _NAMES[env_name], config.algorithm]
    command += [f"--{name}={value}" for name, value in words.items()]
    cores = cli.cores()
    seconds = [_seconds(command, path, timesteps, cores) for timesteps in (_SHORT, _LONG)]
    return cores * ratio * (_LONG - _SHORT) / (seconds[1] - seconds[0])


def _seconds(command: list[str], path: pathlib.Path, timesteps: int, cores: int) -> float:
    """Run as many processes as there are cores, one thread each, until all have finished."""
    environment: Any = os.environ | {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    begin = time.perf_counter()
    runs = [
        subprocess.Popen(
            [*command, f"--max-simulation-timesteps={timesteps}"], cwd=path, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(cores)
    ]  # fmt: skip
    for run in runs:
        _, errors = run.communicate()
        if run.returncode:
            last = errors.strip().splitlines()[-1] if errors.strip() else "no message"
            raise ValueError(f"the trainer in {path} failed: {last}")
    return time.perf_counter() - begin
