"""Compare trained policies with the exact values, on environments that are finite POMDPs.

Prints, for each policy file, the mean errors of Q and U along the histories that it visits.
"""

import dataclasses
import pathlib
import sys
from typing import Annotated, Any

import jax
import numpy as np
import tyro

import cli
import envs
from adqn_jax import Config, SeedRunner, load_policy, make_trainer
from adqn_jax.tabular import Comparison, belief_graph, make_comparison, optimal_values
from envs.pomdp import POMDP, heavenhell


def exact_model(env: Any, discount: float) -> POMDP:
    """Return an environment as a finite POMDP with a trainer's discount.

    Raises:
      ValueError: when it is none.
    """
    if isinstance(env, envs.HeavenHell):
        return heavenhell(env.n, discount)
    if isinstance(env, envs.FinitePOMDP):
        return dataclasses.replace(env.model, discount=discount)
    raise ValueError(f"{env.name} is no finite POMDP: heavenhell-N and pomdp:PATH are")


def compare_policy(path: pathlib.Path, *, epsilon: float, streams: int, seed: int) -> Comparison:
    """Compare a policy that `run.py` saved with the optimum.

    Raises:
      ValueError: when the file is no policy, or its environment no finite POMDP.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no file: name <run>/policy/seed-000.npz")
    policy = load_policy(path)
    if "env" not in policy.about:
        raise ValueError(f"{path} does not say on which environment it was trained")
    config = policy.config
    env, env_params = envs.make(policy.about["env"])
    model = exact_model(env, config.hyper.discount)
    histories = belief_graph(model)
    compare = make_comparison(
        make_trainer(config, env, env_params), histories, optimal_values(model, histories),
        streams=streams, epsilon=epsilon,
    )  # fmt: skip
    return compare(policy.params, jax.random.key(seed))


def follow_training(
    config: Config, env_name: str, *, num_seeds: int, seed: int, streams: int = 64
) -> list[dict[str, np.ndarray]]:
    """Train, and compare the networks with the exact values at every log point.

    Returns:
      A row per log point: `timesteps` (a number), `eval_return`, and the fields of `Comparison`,
      [num_seeds] each.
    """
    env, env_params = envs.make(env_name)
    runner = SeedRunner(make_trainer(config, env, env_params), num_seeds, config.hyper)
    runner.compile()
    plan = runner.trainer.plan
    model = exact_model(env, config.hyper.discount)
    histories = belief_graph(model)
    compare = make_comparison(
        runner.trainer, histories, optimal_values(model, histories), streams=streams
    )
    states, rows = runner.init(jax.random.key(seed)), []
    for _ in range(plan.log_points):
        for _ in range(plan.chunks_per_log):
            states = runner.iterate(states)
        metrics = runner.evaluate(states)
        online = config.train.eval_params == "online"
        params = jax.device_get(states.params if online else states.target_params)
        key = jax.random.key(int(metrics["timesteps"][0]))
        compared = [
            dataclasses.asdict(compare(jax.tree.map(lambda x, i=i: x[i], params), key))
            for i in range(num_seeds)
        ]
        rows.append(
            {name: np.array([row[name] for row in compared]) for name in compared[0]}
            | {"timesteps": metrics["timesteps"][0], "eval_return": metrics["eval_return"]}
        )
    return rows


def main(
    policies: Annotated[list[pathlib.Path], tyro.conf.Positional],
    epsilon: float = 0.0,
    streams: int = 64,
    seed: int = 0,
) -> None:
    """Compare trained policies with the exact values.

    Args:
      policies: policy files, <run>/policy/seed-000.npz, of heavenhell-N or pomdp:PATH.
      epsilon: probability of a random action in the episodes that choose what is compared.
      streams: environments that are played for one time limit's steps each.
      seed: of the episodes.
    """
    if not policies:
        raise ValueError("name at least one policy file, <run>/policy/seed-000.npz")
    if not 0.0 <= epsilon <= 1.0 or streams < 1:
        raise ValueError("epsilon must be at least 0 and at most 1, and streams at least 1")
    names = [field.name for field in dataclasses.fields(Comparison)]
    for number, path in enumerate(policies):
        row = compare_policy(path, epsilon=epsilon, streams=streams, seed=seed)
        if number == 0:
            print("".join(f"{name:>11}" for name in names) + "  policy")
        print("".join(f"{getattr(row, name):11.4f}" for name in names) + f"  {path}", flush=True)


if __name__ == "__main__":
    cli.run(lambda: cli.parse(main, args=sys.argv[1:], description=__doc__))
