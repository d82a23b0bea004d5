"""The compiled pieces of a seed's training, between which the host steps simulators."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax.host.play import Play, seeds_of
from adqn_jax.rollout import Gathered
from adqn_jax.trainer import IterationKeys, Trainer
from adqn_jax.types import Array, PyTree, TrainState


@dataclasses.dataclass
class Programs:
    """Pieces of `Trainer`, compiled when they are called first; `learn` beforehand, by `compile`.

    Keys of steps are returned as bits, which the host can go through.
    """

    trainer: Trainer
    asynchronous: bool
    """Whether learning is told who acted, as it may have gone on since."""

    def __post_init__(self) -> None:
        """Compile nothing yet."""
        trainer, plan = self.trainer, self.trainer.plan
        agent = trainer.agent
        self.training = Play(trainer.interaction, agent.networks, plan.num_envs)
        self.evaluating = Play(trainer.interaction, agent.networks, trainer.evaluation.num_episodes)
        self.open = jax.jit(self._open)
        self.begin = jax.jit(trainer.begin)
        self.novice = jax.jit(agent.novice)
        self.warm_up = jax.jit(trainer.warm_up, donate_argnums=0)
        self.keys = jax.jit(self._keys)
        self.behaviour = jax.jit(self._behaviour)
        self.learn: Any = jax.jit(trainer.learn, donate_argnums=0)
        self.evaluation = jax.jit(self._evaluation)
        self.summary = jax.jit(trainer.evaluation.summary)
        self.take = jax.jit(lambda states, i: jax.tree.map(lambda x: x[i], states))
        self.stack = jax.jit(lambda states: jax.tree.map(lambda *x: jnp.stack(x), *states))

    @functools.cached_property
    def state_shapes(self) -> TrainState:
        """Shapes and dtypes of a seed's state."""
        env, env_params = self.trainer.env, self.trainer.env_params

        def blank(key: Array) -> TrainState:
            number = self.trainer.plan.num_envs
            blank = jax.tree.map(lambda x: jnp.stack([x] * number), env.blank(env_params))
            return self.trainer.begin(key, key, self.training.begin(blank))

        shapes: TrainState = jax.eval_shape(blank, jax.random.key(0))
        return shapes

    def compile(self, hyper: Any) -> None:
        """Compile what learns, which takes longest."""
        state = self.state_shapes
        gathered = jax.eval_shape(self._gathered, state, hyper)
        keys = jax.eval_shape(self.trainer.keys, state.key)
        self.learn = self.learn.lower(state, hyper, gathered, keys).compile()

    @property
    def working_bytes(self) -> int:
        """Device memory that learning needs beside a state."""
        analysis = self.learn.memory_analysis()
        taken = analysis.argument_size_in_bytes + analysis.temp_size_in_bytes
        return int(taken + analysis.output_size_in_bytes - analysis.alias_size_in_bytes)

    def _gathered(self, state: TrainState, hyper: Any) -> Gathered:
        """Return something of the shapes of an iteration's steps."""
        plan, streams = self.trainer.plan, state.streams
        zero = jnp.zeros(plan.num_envs, jnp.int32)
        slot = self.trainer.interaction.codec.encode(streams, streams.carry.action_tm1, zero, zero)
        slots, done, returns = jax.tree.map(
            lambda x: jnp.stack([x] * plan.steps_per_iteration),
            (slot, streams.final, streams.episode.undiscounted_return),
        )
        who = self._behaviour(state.agent, hyper, state.iteration)
        acted = who if self.asynchronous else None
        return Gathered(streams.carry, slots, done, returns, streams, acted)

    def _open(self, key: Array) -> tuple[Array, Array, Array, Array]:
        """Split a seed's key as `Trainer.init` does.

        Returns:
          The state's key; the agent's; seeds of the first episodes; bits of the warm-up's steps.
        """
        plan = self.trainer.plan
        key, key_streams, key_agent, key_warmup = jax.random.split(key, 4)
        bits = jax.random.key_data(jax.random.split(key_warmup, plan.warmup_steps))
        return key, key_agent, seeds_of(key_streams, plan.num_envs), bits

    def _keys(self, key: Array) -> tuple[IterationKeys, Array | None, Array]:
        """Return an iteration's keys; seeds of episodes that begin it; and bits of its steps."""
        plan, keys = self.trainer.plan, self.trainer.keys(key)
        seeds = None if keys.start is None else seeds_of(keys.start, plan.num_envs)
        steps = jax.random.split(keys.gather, plan.steps_per_iteration)
        return keys, seeds, jax.random.key_data(steps)

    def _behaviour(self, agent: PyTree, hyper: Any, iteration: Array) -> Any:
        """Return a copy of who acts, which outlives the agent's state."""
        return jax.tree.map(jnp.copy, self.trainer.behaviour(agent, hyper, iteration))

    def _evaluation(self, state: TrainState) -> tuple[dict[str, Any], Array, Array]:
        """Return who is evaluated, the seeds of the episodes, and bits of their steps."""
        evaluation = self.trainer.evaluation
        key, keys = evaluation.keys(state)
        seeds = seeds_of(key, evaluation.num_episodes)
        return evaluation.who(state), seeds, jax.random.key_data(keys)
