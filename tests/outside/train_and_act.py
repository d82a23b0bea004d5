"""What somebody does who has the wheel: train two seeds, keep a policy, load it and act.

A script of its own for tests/test_wheel.py, which runs it in an environment without this checkout.
It prints what it found as JSON.
"""

import json
import pathlib
from importlib import metadata
from typing import Any

import jax

import adqn_jax
from adqn_jax import envs


def trained(config: adqn_jax.Config, env: Any, env_params: Any) -> Any:
    """Train two seeds for a moment; return the parameters that the first one acts with."""
    trainer = adqn_jax.make_trainer(config, env, env_params)
    runner = adqn_jax.SeedRunner(trainer, num_seeds=2, hyper=config.hyper)
    states = runner.iterate(runner.init(jax.random.key(0)), 3)
    return jax.tree.map(lambda x: x[0], jax.device_get(trainer.acting_params(states)))


def main() -> None:
    """Work in the current folder."""
    config = adqn_jax.Config("dqn").replace(
        embedding_size=4, history_size=8, head_sizes=(8,), total_timesteps=480,
        warmup_timesteps=240, log_every=80, buffer_timesteps=1200, num_envs=2, row_length=20,
        steps_per_iteration=10, replay_ratio=2, batch_rows=2, eval_episodes=2,
    )  # fmt: skip
    env, env_params = envs.make("heavenhell-1")
    params = trained(config, env, env_params)
    file = pathlib.Path("policy.npz")
    adqn_jax.save_policy(file, adqn_jax.make_policy(config, env, env_params, params, {}))
    policy = adqn_jax.load_policy(file)
    observation, _ = env.reset_env(jax.random.key(1), env_params)
    act = jax.jit(policy.act)
    action, _, values = act(policy.initial_carry(), observation, jax.random.key(2))
    found = {
        "modules": [adqn_jax.__file__, envs.__file__],
        "versions": [adqn_jax.__version__, metadata.version("adqn-jax")],
        "action": int(action),
        "values": values.tolist(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
