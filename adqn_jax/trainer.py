"""The compiled trainer: a seed's life as pure functions, from `init` to the last iteration.

    train     = init, then log points
    log point = iterations, then an evaluation
    iteration = collect, then updates, then perhaps a copy to the targets

Every count follows `TrainState.iteration`, which is equal for all seeds, so that under `vmap` a
branch stays a branch.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax import learner, rollout
from adqn_jax.algorithms import get_algorithm
from adqn_jax.buffer import make_buffer
from adqn_jax.config import Config, Hyperparameters
from adqn_jax.networks import make_networks
from adqn_jax.plan import Plan, make_plan
from adqn_jax.types import (
    FINAL,
    TERMINATED,
    TRUNCATED,
    Array,
    Environment,
    EpisodeWindow,
    Params,
    PyTree,
    Rows,
    Stream,
    TrainState,
    Transition,
)

Metrics = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A seed's pure functions; vmap them over keys, states and, if they differ, `hyper`."""

    plan: Plan
    hyper: Hyperparameters
    """The configuration's, for callers that vary none."""
    init: Callable[[Array], TrainState]
    """Draw parameters, start streams and fill the buffer with random actions; consumes a key."""
    iterate: Callable[[TrainState, Hyperparameters, int], TrainState]
    """Run a static number of iterations."""
    evaluate: Callable[[TrainState, Hyperparameters], Metrics]
    """Play greedy episodes and collect what a log point shows; leaves the state as it is."""


def make_train(
    config: Config, env: Environment, env_params: Any
) -> Callable[..., tuple[TrainState, Metrics]]:
    """Build a whole training run as one pure function.

    Args:
      config: the run.
      env: an environment with a privileged state.
      env_params: its parameters; `max_steps_in_episode` fixes shapes and must be a number.

    Returns:
      `train(key, hyper=config.hyper) -> (TrainState, metrics)`, which consumes the key; metrics
      have a leading axis of log points. `jax.jit(jax.vmap(train))(keys)` trains many seeds in
      one program.

    Raises:
      ValueError: when the configuration contradicts itself or the environment.
    """
    trainer = make_trainer(config, env, env_params)

    def train(key: Array, hyper: Hyperparameters = config.hyper) -> tuple[TrainState, Metrics]:
        def log_point(state: TrainState, _: None) -> tuple[TrainState, Metrics]:
            state = trainer.iterate(state, hyper, trainer.plan.iterations_per_log)
            return state, trainer.evaluate(state, hyper)

        return jax.lax.scan(log_point, trainer.init(key), length=trainer.plan.log_points)

    return train


def make_trainer(config: Config, env: Environment, env_params: Any) -> Trainer:
    """Build the functions that `make_train` composes, for callers that run them in pieces.

    Raises:
      ValueError: when the configuration contradicts itself or the environment.
    """
    plan = make_plan(config, env_params)
    algorithm = get_algorithm(config.algorithm)
    networks = make_networks(config.network, algorithm, env, env_params)
    update = learner.make_update(networks, algorithm, config.loss, config.train.max_grad_norm)
    buffer = make_buffer(
        capacity=plan.capacity,
        num_streams=config.train.num_envs,
        row_length=plan.row_length,
        longest_episode=plan.longest_episode,
        batch_rows=config.train.batch_rows,
    )
    stores_observation = not env.observes_deterministically
    acting = "target" if config.train.eval_params == "target" else "online"

    def to_slot(streams: Stream, action: Array, reward: Array, end: Array) -> Transition:
        return Transition(
            env_state=streams.env_state,
            observation=streams.observation if stores_observation else None,
            action=action.astype(plan.action_dtype(env.num_actions)),
            reward=reward,
            time=streams.episode.length.astype(plan.time_dtype),
            end=end,
        )

    def to_rows(slots: Transition) -> Rows:
        """Derive what the buffer did not store; leaves [T, B, ...]."""
        over_slots = lambda f: jax.vmap(jax.vmap(f))  # noqa: E731
        observation = slots.observation
        if not stores_observation:
            key = jax.random.key(0)  # these observations draw nothing
            observation = over_slots(lambda s: env.observe(key, s, None, env_params))(
                slots.env_state
            )
        action = slots.action.astype(jnp.int32)
        return Rows(
            observation=observation,
            state=over_slots(lambda s: env.privileged_state(s, env_params))(slots.env_state),
            action_tm1=jnp.roll(action, 1, axis=0),
            start=slots.time == 0,
            action=action,
            reward=slots.reward,
            terminated=slots.end == TERMINATED,
            truncated=slots.end == TRUNCATED,
            valid=slots.end != FINAL,
        )

    step_streams = partial(
        rollout.step_streams,
        env=env, env_params=env_params, networks=networks, to_slot=to_slot,
    )  # fmt: skip

    def collect(state: TrainState, key: Array, epsilon: Array | float, discount: Any, steps: int) -> TrainState:
        """Step the streams and store what happened."""

        def body(carry: tuple, key: Array) -> tuple[tuple, None]:
            streams, ring, window = carry
            streams, step = step_streams(
                key, q_params=state.params["q"], streams=streams, epsilon=epsilon, discount=discount
            )
            ring = buffer.add(ring, step.slot)
            return (streams, ring, rollout.add_to_window(window, step)), None

        carry = (state.streams, state.buffer, state.window)
        (streams, ring, window), _ = jax.lax.scan(body, carry, jax.random.split(key, steps))
        return state.replace(streams=streams, buffer=ring, window=window)

    def learn(state: TrainState, key: Array, hyper: Hyperparameters) -> TrainState:
        """Take an iteration's gradient steps."""

        def body(carry: tuple, key: Array) -> tuple[tuple, dict[str, Array]]:
            params, target, opt_state = carry
            rows = to_rows(buffer.sample(state.buffer, key))
            params, opt_state, diagnostics = update(hyper, params, target, opt_state, rows)
            if config.train.target == "polyak":
                target = _mix(target, params, hyper.target_tau)
            return (params, target, opt_state), diagnostics

        carry = (state.params, state.target_params, state.opt_state)
        keys = jax.random.split(key, plan.updates_per_iteration)
        (params, target, opt_state), diagnostics = jax.lax.scan(body, carry, keys)
        return state.replace(
            params=params, target_params=target, opt_state=opt_state,
            diagnostics=jax.tree.map(lambda x: x[-1], diagnostics),
        )  # fmt: skip

    def sync_target(state: TrainState, hyper: Hyperparameters) -> TrainState:
        """Copy to the targets when a period of timesteps has gone by."""
        now, before = (plan.timesteps(i) // hyper.target_period for i in (state.iteration, state.iteration - 1))
        params = jax.lax.cond(
            now > before, lambda s: s.params, lambda s: s.target_params, state
        )
        return state.replace(target_params=params)

    def iteration(state: TrainState, hyper: Hyperparameters) -> TrainState:
        key, key_collect, key_learn = jax.random.split(state.key, 3)
        epsilon = _epsilon(hyper, plan.timesteps(state.iteration))
        state = state.replace(key=key, iteration=state.iteration + 1)
        state = collect(state, key_collect, epsilon, hyper.discount, plan.steps_per_iteration)
        state = learn(state, key_learn, hyper)
        return sync_target(state, hyper) if config.train.target == "periodic" else state

    def iterate(state: TrainState, hyper: Hyperparameters, num_iterations: int) -> TrainState:
        body = lambda s, _: (iteration(s, hyper), None)  # noqa: E731
        return jax.lax.scan(body, state, length=num_iterations)[0]

    def init(key: Array) -> TrainState:
        key, key_streams, key_params, key_warmup = jax.random.split(key, 4)
        carry = networks.initial_carry(config.train.num_envs)
        streams = rollout.init_streams(key_streams, env, env_params, carry)
        zero = jnp.zeros(config.train.num_envs)
        slot = to_slot(streams, zero, zero, zero.astype(jnp.uint8))
        rows = to_rows(jax.tree.map(lambda x: x[None], slot))
        params = networks.init(key_params, rows)
        names = learner.diagnostic_names(algorithm)
        state = TrainState(
            key=key,
            iteration=jnp.int32(0),
            params=params,
            target_params=params,
            opt_state=learner.init_opt_state(config.train.max_grad_norm, params),
            buffer=buffer.init(jax.tree.map(lambda x: x[0], slot)),
            streams=streams,
            window=EpisodeWindow(jnp.zeros(plan.window), jnp.int32(0)),
            diagnostics={name: jnp.float32(jnp.nan) for name in names},
        )
        return collect(state, key_warmup, 1.0, config.hyper.discount, plan.warmup_steps)

    def evaluate(state: TrainState, hyper: Hyperparameters) -> Metrics:
        params: Params = state.target_params if acting == "target" else state.params
        # The key is derived, not consumed: evaluating leaves training as it is.
        key_reset, key_steps = jax.random.split(jax.random.fold_in(state.key, state.iteration))
        carry = networks.initial_carry(config.train.eval_episodes)
        streams = rollout.init_streams(key_reset, env, env_params, carry)

        def body(carry: tuple, key: Array) -> tuple[tuple, None]:
            streams, first, over = carry
            streams, step = step_streams(
                key, q_params=params["q"], streams=streams, epsilon=0.0, discount=hyper.discount
            )
            first = jax.tree.map(lambda old, new: jnp.where(over, old, new), first, step.episode)
            return (streams, first, over | step.done), None

        keys = jax.random.split(key_steps, plan.longest_episode)
        over = jnp.zeros(config.train.eval_episodes, bool)
        (_, episodes, _), _ = jax.lax.scan(body, (streams, streams.episode, over), keys)
        return {
            "timesteps": plan.timesteps(state.iteration),
            "updates": state.iteration * plan.updates_per_iteration,
            "epsilon": _epsilon(hyper, plan.timesteps(state.iteration)),
            "eval_return": episodes.undiscounted_return.mean(),
            "eval_discounted_return": episodes.discounted_return.mean(),
            "eval_length": episodes.length.mean(),
            "eval_success": episodes.success.mean(),
            "behaviour_return": rollout.window_mean(state.window),
            "behaviour_episodes": state.window.count,
        } | state.diagnostics

    return Trainer(plan, config.hyper, init, iterate, evaluate)


def _epsilon(hyper: Hyperparameters, timesteps: Array) -> Array:
    progress = jnp.clip(timesteps / hyper.epsilon_timesteps, 0.0, 1.0)
    return hyper.epsilon_start + progress * (hyper.epsilon_end - hyper.epsilon_start)


def _mix(old: PyTree, new: PyTree, tau: Array | float) -> PyTree:
    return jax.tree.map(lambda o, n: o + tau * (n - o), old, new)
