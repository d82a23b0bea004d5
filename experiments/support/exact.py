"""Learned values against exact ones, on environments that are finite POMDPs."""

import dataclasses
from typing import Any

import jax
import numpy as np

from adqn_jax import Config, SeedRunner, envs, make_trainer
from adqn_jax.envs.pomdp import POMDP, heavenhell
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Interaction
from adqn_jax.tabular import Comparison, belief_graph, make_comparison, optimal_values
from adqn_jax.value import ValueNetworks
from support.players import Player


def exact_model(env: Any, discount: float) -> POMDP:
    """Return an environment as a finite POMDP with a trainer's discount.

    Raises:
      ValueError: when it is none.
    """
    if isinstance(env, envs.FullyObserved):
        raise ValueError("the exact values are those of an agent that does not see the state")
    if isinstance(env, envs.HeavenHell):
        return heavenhell(env.n, discount)
    if isinstance(env, envs.FinitePOMDP):
        return dataclasses.replace(env.model, discount=discount)
    raise ValueError(f"{env.name} is no finite POMDP: heavenhell-N and pomdp:PATH are")


def compare_policy(player: Player, *, epsilon: float, streams: int, seed: int) -> Comparison:
    """Compare a value-based policy with the optimum.

    Raises:
      ValueError: when its environment is no finite POMDP, or it has no action values.
    """
    policy, env, env_params = player.policy, player.env, player.env_params
    assert policy is not None, "somebody must act"
    if not isinstance(policy.networks, ValueNetworks):
        raise ValueError(f"{policy.config.algorithm} has no Q(h,a) to compare")
    model = exact_model(env, policy.config.hyper.discount)
    histories = belief_graph(model)
    interaction = Interaction(SlotCodec(env, env_params))
    compare = make_comparison(
        interaction, policy.networks, histories, optimal_values(model, histories),
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
    trainer, networks = runner.trainer, runner.trainer.agent.networks
    assert isinstance(networks, ValueNetworks)
    compare = make_comparison(
        trainer.interaction, networks, histories, optimal_values(model, histories),
        streams=streams,
    )  # fmt: skip
    states, rows = runner.init(jax.random.key(seed)), []
    for _ in range(plan.log_points):
        states = runner.iterate(states, plan.iterations_per_log)
        metrics = runner.evaluate(states)
        params = jax.device_get(trainer.acting_params(states))
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
