"""Throughput of environments alone."""

from typing import Any

import jax

from adqn_jax import envs, explore, spaces
from support.benchmarks.timing import best_seconds


def steps_per_second(name: str, copies: int, seconds: float) -> float:
    """Step so many copies side by side, with random actions and automatic resets."""
    env, params = envs.make(name)
    space = spaces.action_space(env, params)

    def steps(state: Any, key: jax.Array, num_steps: int) -> Any:
        def body(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
            state, seen = carry
            key_action, key_step = jax.random.split(key)
            action = explore.uniform(key_action, space, copies)
            keys = jax.random.split(key_step, copies)
            observation, state, reward, *_ = jax.vmap(env.step, (0, 0, 0, None))(
                keys, state, action, params
            )
            # Observations and rewards are used, lest the compiler leave them out.
            seen = seen + sum(x.sum() for x in jax.tree.leaves(observation)) + reward.sum()
            return (state, seen), None

        return jax.lax.scan(body, (state, 0.0), jax.random.split(key, num_steps))[0]

    keys = jax.random.split(jax.random.key(0), copies)
    state = jax.vmap(env.reset, (0, None))(keys, params)[1]
    num_steps = max(8, 65_536 // copies)
    run = jax.jit(lambda state, key: steps(state, key, num_steps))
    best = best_seconds({name: lambda: run(state, jax.random.key(1))}, seconds)
    return copies * num_steps / best[name]
