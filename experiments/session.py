"""A training run as the host sees it: compiled chunks, and what happens between them."""

import contextlib
import dataclasses
import pathlib
import time
from typing import Any

import jax
import numpy as np
import tqdm

import envs
import plot
from adqn_jax import Config, SeedRunner, Trainer, make_policy, make_trainer, save_policy
from adqn_jax.checkpoint import Checkpoints
from adqn_jax.types import TrainState
from folder import begin, claim, versions
from memory import Memory
from records import Records


@dataclasses.dataclass
class Session:
    """A run in progress."""

    folder: pathlib.Path
    runner: SeedRunner
    states: TrainState
    records: Records
    checkpoints: Checkpoints
    log_points: int  # finished so far
    training_seconds: float  # in compiled chunks, so far

    @property
    def trainer(self) -> Trainer:
        """The functions of one seed."""
        return self.runner.trainer


def train(
    config: Config, *, env_name: str, observe: envs.Observe, num_seeds: int, seed: int,
    folder: pathlib.Path, overwrite: bool, resume: bool, dry_run: bool, checkpoint_minutes: float,
) -> None:  # fmt: skip
    """Train `num_seeds` seeds and leave the results in `folder`; or only say what it would take.

    Raises:
      ValueError: when the configuration cannot be run, or does not match what is resumed.
      FileExistsError: when the folder holds a run, and neither flag says what to do with it.
    """
    env, env_params = envs.make(env_name, observe)
    trainer = make_trainer(config, env, env_params)
    run = record(config, env_name=env_name, observe=observe, num_seeds=num_seeds, seed=seed)
    if not dry_run:
        claim(folder, run, overwrite=overwrite, resume=resume)
    _describe(env_name, num_seeds, trainer)

    runner = SeedRunner(trainer, num_seeds, config.hyper)
    runner.compile()
    print(f"compiled in {runner.compile_seconds:.1f} s", flush=True)
    memory = Memory.of(runner)
    if dry_run:
        print(memory.table())
    memory.check()
    if dry_run:
        return
    begin(folder, run, resume=resume)
    session = _start(runner, folder, seed, resume=resume)
    _loop(session, checkpoint_minutes * 60.0)
    _finish(session, run)


def record(
    config: Config, *, env_name: str, observe: envs.Observe, num_seeds: int, seed: int
) -> dict[str, Any]:
    """Return what decides a run's numbers, as config.json keeps it."""
    env, _ = envs.make(env_name, observe)
    run = {"env": env_name, "env_settings": env.settings, "observe": observe}
    return run | {"seeds": num_seeds, "seed": seed} | dataclasses.asdict(config)


def _describe(env_name: str, num_seeds: int, trainer: Trainer) -> None:
    plan, train_config = trainer.plan, trainer.config.train
    trained = plan.updates_per_iteration * train_config.batch_rows * plan.row_length
    print(
        f"{trainer.config.algorithm} on {env_name}, {num_seeds} seeds on "
        f"{len(jax.local_devices())} x {jax.devices()[0].platform}\n"
        f"each seed: {plan.total_timesteps:,} timesteps, {plan.warmup_steps * plan.num_envs:,} of "
        f"them warm-up; an iteration is {plan.timesteps_per_iteration} timesteps and "
        f"{plan.updates_per_iteration} gradient steps on {train_config.batch_rows} x "
        f"{plan.row_length} timesteps ({trained / plan.timesteps_per_iteration:.3g} trained per "
        f"timestep simulated)",
        flush=True,
    )


def _start(runner: SeedRunner, folder: pathlib.Path, seed: int, *, resume: bool) -> Session:
    checkpoints = Checkpoints(folder / "checkpoints")
    records = Records(folder / "metrics.csv")
    if resume and checkpoints.latest is not None:
        states, history = checkpoints.restore(runner.abstract_states)
        records.rows = history["rows"]
        records.write()
        log_points, seconds = checkpoints.latest, history["training_seconds"]
    else:
        states, log_points, seconds = runner.init(jax.random.key(seed)), 0, 0.0
    return Session(folder, runner, states, records, checkpoints, log_points, seconds)


def _loop(session: Session, checkpoint_seconds: float) -> None:
    plan, runner = session.trainer.plan, session.runner
    saved_at = time.monotonic()
    per_chunk = plan.iterations_per_chunk * plan.timesteps_per_iteration * runner.num_seeds
    done = plan.timesteps(session.log_points * plan.iterations_per_log) * runner.num_seeds
    with tqdm.tqdm(
        total=plan.total_timesteps * runner.num_seeds, initial=done, unit=" timesteps",
        unit_scale=True, disable=None, dynamic_ncols=True,
    ) as bar:  # fmt: skip
        while session.log_points < plan.log_points:
            started = time.perf_counter()
            for _ in range(plan.chunks_per_log):
                session.states = jax.block_until_ready(runner.iterate(session.states))
                bar.update(per_chunk)
            metrics = runner.evaluate(session.states)
            session.training_seconds += time.perf_counter() - started
            session.log_points += 1
            session.records.add(metrics, session.training_seconds)
            bar.set_postfix_str(f"return {metrics['eval_return'].mean():.3f}")
            if time.monotonic() - saved_at > checkpoint_seconds:
                save(session)
                saved_at = time.monotonic()


def save(session: Session) -> None:
    """Write a checkpoint in the background."""
    history = {"rows": session.records.rows, "training_seconds": session.training_seconds}
    session.checkpoints.save(session.log_points, session.states, history)


def _finish(session: Session, run: dict[str, Any]) -> None:
    save(session)
    trainer = session.trainer
    params = jax.device_get(trainer.acting_params(session.states))
    policies = session.folder / "policy"
    policies.mkdir(exist_ok=True)
    about = {name: run[name] for name in ("env", "env_settings", "observe", "seeds", "seed")}
    about["made_with"] = versions()
    for seed in range(session.runner.num_seeds):
        of_seed = jax.tree.map(lambda x, seed=seed: x[seed], params)
        about["seed_index"] = seed
        policy = make_policy(trainer.config, trainer.env, trainer.env_params, of_seed, about)
        save_policy(policies / f"seed-{seed:03d}.npz", policy)
    with contextlib.closing(session.checkpoints):
        plot.curve(session.folder)
    _report(session)


def _report(session: Session) -> None:
    runner, plan = session.runner, session.trainer.plan
    final = session.records.last("eval_return")
    error = final.std(ddof=1) / np.sqrt(final.size) if final.size > 1 else float("nan")
    trained = plan.log_points * plan.iterations_per_log * plan.timesteps_per_iteration
    rows = {
        "final greedy return": f"{final.mean():.3f} +- {error:.3f} (standard error)",
        "last 100 episodes": f"{session.records.last('behaviour_return').mean():.3f} (behaviour)",
        "compiling": f"{runner.compile_seconds:.1f} s",
        "training": f"{session.training_seconds:.1f} s",
        "timesteps": f"{trained * final.size / session.training_seconds:,.0f} /s over all seeds",
        "results": str(session.folder),
    }
    for name, value in rows.items():
        print(f"{name:>20}  {value}")
