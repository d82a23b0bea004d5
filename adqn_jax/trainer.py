"""The compiled trainer: a seed's life as pure functions, from `init` to the last iteration.

    train     = init, then log points
    log point = iterations, then an evaluation
    iteration = collect, then gradient steps, then perhaps a copy to the targets

Every count follows `TrainState.iteration`, which is equal for all seeds, so that under `vmap` a
branch stays a branch.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax import learner, rollout
from adqn_jax.algorithms import get_algorithm
from adqn_jax.buffer import Buffer, make_buffer
from adqn_jax.config import Config, Hyperparameters
from adqn_jax.networks import Networks, make_networks
from adqn_jax.plan import Plan, make_plan
from adqn_jax.replay import SlotCodec
from adqn_jax.types import Array, Episode, EpisodeWindow, Params, PyTree, Stream, TrainState

Metrics = dict[str, Array]


def make_train(
    config: Config, env: Any, env_params: Any
) -> Callable[..., tuple[TrainState, Metrics]]:
    """Build a whole training run as one pure function.

    Args:
      config: the run.
      env: an environment with a privileged state (`types.Environment`).
      env_params: its parameters; `max_steps_in_episode` fixes shapes and must be a number.

    Returns:
      `train(key, hyper=config.hyper) -> (TrainState, metrics)`, which consumes the key; metrics
      have a leading axis of log points. `jax.jit(jax.vmap(train))(keys)` trains many seeds in
      one program; a batch of `hyper`, too, may be mapped over.

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


def make_trainer(config: Config, env: Any, env_params: Any) -> "Trainer":
    """Build the functions that `make_train` composes, for callers that run them in pieces.

    Raises:
      ValueError: when the configuration contradicts itself or the environment.
    """
    algorithm = get_algorithm(config.algorithm)
    plan = make_plan(config, env_params)
    networks = make_networks(config.network, algorithm, env, env_params)
    return Trainer(
        config=config,
        plan=plan,
        env=env,
        env_params=env_params,
        networks=networks,
        codec=SlotCodec(env, env_params, plan.longest_episode),
        buffer=make_buffer(
            capacity=plan.capacity,
            num_streams=plan.num_envs,
            row_length=plan.row_length,
            longest_episode=plan.longest_episode,
            batch_rows=config.train.batch_rows,
        ),
        update=learner.make_update(networks, algorithm, config.loss, config.train.max_grad_norm),
        diagnostics=learner.diagnostic_names(algorithm),
    )


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A seed's pure functions; vmap them over keys, states and, if they differ, `hyper`."""

    config: Config
    plan: Plan
    env: Any
    env_params: Any
    networks: Networks
    codec: SlotCodec
    buffer: Buffer
    update: learner.UpdateFn
    diagnostics: tuple[str, ...]
    """Names of the update's diagnostics."""

    def init(self, key: Array) -> TrainState:
        """Draw parameters, start streams, fill the buffer with random actions; consumes `key`."""
        key, key_streams, key_params, key_warmup = jax.random.split(key, 4)
        streams = self._start(key_streams, self.plan.num_envs)
        zero = jnp.zeros(self.plan.num_envs)
        slots = self.codec.encode(streams, zero, zero, zero)
        rows = self.codec.decode(jax.tree.map(lambda x: x[None], slots))
        params = self.networks.init(key_params, rows)
        state = TrainState(
            key=key,
            iteration=jnp.int32(0),
            params=params,
            target_params=params,
            opt_state=learner.init_opt_state(self.config.train.max_grad_norm, params),
            buffer=self.buffer.init(jax.tree.map(lambda x: x[0], slots)),
            streams=streams,
            window=EpisodeWindow(jnp.zeros(self.plan.window), jnp.int32(0)),
            diagnostics={name: jnp.float32(jnp.nan) for name in self.diagnostics},
        )
        return self._collect(state, key_warmup, 1.0, self.plan.warmup_steps)

    def iterate(self, state: TrainState, hyper: Hyperparameters, num_iterations: int) -> TrainState:
        """Run a static number of iterations."""

        def body(state: TrainState, _: None) -> tuple[TrainState, None]:
            return self._iteration(state, hyper), None

        return jax.lax.scan(body, state, length=num_iterations)[0]

    def greedy_episodes(self, state: TrainState, hyper: Hyperparameters) -> Episode:
        """Play `eval_episodes` greedy episodes, leaves [eval_episodes]; the state stays as it is.

        Keys are derived from the state's, not consumed: whether and when one evaluates does not
        change training.
        """
        q_params = self.acting_params(state)["q"]
        key_reset, key_steps = jax.random.split(jax.random.fold_in(state.key, state.iteration))
        streams = self._start(key_reset, self.config.train.eval_episodes)

        def body(carry: tuple, key: Array) -> tuple[tuple, None]:
            streams, first, over = carry
            streams, step = self._step(key, q_params, streams, 0.0, hyper.discount)
            first = jax.tree.map(lambda old, new: jnp.where(over, old, new), first, step.episode)
            return (streams, first, over | step.done), None

        keys = jax.random.split(key_steps, self.plan.longest_episode)
        carry = (streams, streams.episode, jnp.zeros_like(streams.final))
        (_, episodes, _), _ = jax.lax.scan(body, carry, keys)
        return episodes

    def evaluate(self, state: TrainState, hyper: Hyperparameters) -> Metrics:
        """Collect what a log point shows, of greedy episodes and of training so far."""
        episodes = self.greedy_episodes(state, hyper)
        timesteps = self.plan.timesteps(state.iteration)
        return {
            "timesteps": timesteps,
            "updates": state.iteration * self.plan.updates_per_iteration,
            "epsilon": _epsilon(hyper, timesteps),
            "eval_return": episodes.undiscounted_return.mean(),
            "eval_discounted_return": episodes.discounted_return.mean(),
            "eval_length": episodes.length.mean(),
            "eval_success": episodes.success.mean(),
            "behaviour_return": rollout.window_mean(state.window),
            "behaviour_episodes": state.window.count,
            "failed": _failed(state),
        } | state.diagnostics

    def acting_params(self, state: TrainState) -> Params:
        """Return the parameters that are evaluated and saved; states of many seeds will do."""
        return state.params if self.config.train.eval_params == "online" else state.target_params

    def _iteration(self, state: TrainState, hyper: Hyperparameters) -> TrainState:
        key, key_collect, key_learn = jax.random.split(state.key, 3)
        epsilon = _epsilon(hyper, self.plan.timesteps(state.iteration))
        state = dataclasses.replace(state, key=key, iteration=state.iteration + 1)
        state = self._collect(state, key_collect, epsilon, self.plan.steps_per_iteration)
        state = self._learn(state, key_learn, hyper)
        return self._copy_to_target(state, hyper)

    def _collect(
        self, state: TrainState, key: Array, epsilon: Array | float, num_steps: int
    ) -> TrainState:
        """Step the streams and store what happened."""

        def body(carry: tuple, key: Array) -> tuple[tuple, None]:
            streams, ring, window = carry
            streams, step = self._step(key, state.params["q"], streams, epsilon, 1.0)
            ring = self.buffer.add(ring, step.slot)
            return (streams, ring, rollout.add_to_window(window, step)), None

        carry = (state.streams, state.buffer, state.window)
        (streams, ring, window), _ = jax.lax.scan(body, carry, jax.random.split(key, num_steps))
        return dataclasses.replace(state, streams=streams, buffer=ring, window=window)

    def _learn(self, state: TrainState, key: Array, hyper: Hyperparameters) -> TrainState:
        """Take an iteration's gradient steps."""

        def body(carry: tuple, key: Array) -> tuple[tuple, dict[str, Array]]:
            params, target, opt_state = carry
            rows = self.codec.decode(self.buffer.sample(state.buffer, key))
            params, opt_state, diagnostics = self.update(hyper, params, target, opt_state, rows)
            if self.config.train.target == "polyak":
                target = _mix(target, params, hyper.target_tau)
            return (params, target, opt_state), diagnostics

        carry = (state.params, state.target_params, state.opt_state)
        keys = jax.random.split(key, self.plan.updates_per_iteration)
        (params, target, opt_state), diagnostics = jax.lax.scan(body, carry, keys)
        return dataclasses.replace(
            state,
            params=params,
            target_params=target,
            opt_state=opt_state,
            diagnostics=jax.tree.map(lambda x: x[-1], diagnostics),
        )

    def _copy_to_target(self, state: TrainState, hyper: Hyperparameters) -> TrainState:
        """Copy the networks to the targets whenever another period of timesteps has gone by."""
        if self.config.train.target != "periodic":
            return state
        before, now = (
            self.plan.timesteps(iteration) // hyper.target_period
            for iteration in (state.iteration - 1, state.iteration)
        )
        target_params = jax.lax.cond(
            now > before, lambda s: s.params, lambda s: s.target_params, state
        )
        return dataclasses.replace(state, target_params=target_params)

    def _start(self, key: Array, num_streams: int) -> Stream:
        carry = self.networks.initial_carry(num_streams)
        return rollout.init_streams(key, self.env, self.env_params, carry)

    def _step(
        self,
        key: Array,
        q_params: PyTree,
        streams: Stream,
        epsilon: Array | float,
        discount: Array | float,
    ) -> tuple[Stream, rollout.Step]:
        return rollout.step_streams(
            key, self.env, self.env_params, self.networks, q_params, streams,
            epsilon=epsilon, discount=discount, to_slot=self.codec.encode,
        )  # fmt: skip


def _epsilon(hyper: Hyperparameters, timesteps: Array) -> Array:
    progress = jnp.clip(timesteps / hyper.epsilon_timesteps, 0.0, 1.0)
    return hyper.epsilon_start + progress * (hyper.epsilon_end - hyper.epsilon_start)


def _failed(state: TrainState) -> Array:
    """Tell whether training has run into numbers that are not finite, int32 0 or 1."""
    # Before the first update there are no diagnostics yet.
    diagnostics = jax.tree.map(lambda x: jnp.where(state.iteration > 0, x, 0.0), state.diagnostics)
    leaves = jax.tree.leaves((state.params, state.target_params, diagnostics))
    finite = jnp.array([jnp.isfinite(leaf).all() for leaf in leaves]).all()
    return 1 - finite.astype(jnp.int32)


def _mix(old: PyTree, new: PyTree, tau: Array | float) -> PyTree:
    return jax.tree.map(lambda o, n: o + tau * (n - o), old, new)
