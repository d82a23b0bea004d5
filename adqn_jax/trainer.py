"""The compiled trainer: a seed's life as pure functions, from `init` to the last iteration.

    train     = init, then log points
    log point = iterations, then an evaluation
    iteration = collect, then learn

It knows no algorithm: what learns is an `Agent`. Every count follows `TrainState.iteration`, which
is equal for all seeds, so that under `vmap` a branch stays a branch.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax import contract, families, rollout
from adqn_jax.agent import Agent, Who
from adqn_jax.config import BaseConfig
from adqn_jax.evaluation import Evaluation, Metrics
from adqn_jax.plan import Plan
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Gathered, Interaction
from adqn_jax.spaces import Spaces
from adqn_jax.teacher import Teacher
from adqn_jax.types import Array, EpisodeWindow, Params, Rollout, Stream, TrainState


def make_train(
    config: BaseConfig, env: Any, env_params: Any, teacher: Teacher | None = None
) -> Callable[..., tuple[TrainState, Metrics]]:
    """Build a whole training run as one pure function.

    Args:
      config: the run.
      env: an environment with a privileged state (`types.Environment`).
      env_params: its parameters; `max_steps_in_episode` fixes shapes and must be a number.
      teacher: an expert, for algorithms that are given one (`Policy.teacher`). Its parameters may
        be traced: what makes and calls `train` may be compiled with the expert as an argument.

    Returns:
      `train(key, hyper=config.hyper) -> (TrainState, metrics)`, which consumes the key; metrics
      have a leading axis of log points. `jax.jit(jax.vmap(train))(keys)` trains many seeds in
      one program; a batch of `hyper`, too, may be mapped over.

    Raises:
      ValueError: when the configuration contradicts itself or the environment.
    """
    trainer = make_trainer(config, env, env_params, teacher)

    def train(key: Array, hyper: Any = trainer.config.hyper) -> tuple[TrainState, Metrics]:
        def log_point(state: TrainState, _: None) -> tuple[TrainState, Metrics]:
            state = trainer.iterate(state, hyper, trainer.plan.iterations_per_log)
            return state, trainer.evaluate(state, hyper)

        return jax.lax.scan(log_point, trainer.init(key), length=trainer.plan.log_points)

    return train


def make_trainer(
    config: BaseConfig, env: Any, env_params: Any, teacher: Teacher | None = None
) -> "Trainer":
    """Build the functions that `make_train` composes, for callers that run them in pieces.

    Raises:
      ValueError: when the configuration contradicts itself or the environment, or the environment
        breaks the contract (`contract.check`), or an expert is missing, out of place, or of another
        environment.
    """
    family = families.family_for(config)
    contract.check(env, env_params)
    codec = SlotCodec(env, env_params)
    families.check_actions(config.algorithm, codec.action_space)
    if teacher is not None and not family.taught:
        raise ValueError(f"{config.algorithm} takes no expert")
    if teacher is not None:
        teacher.check(Spaces.of(env, env_params))
    agent = family.make_agent(config, codec, *([teacher] if family.taught else []))
    return Trainer(config, agent, Interaction(codec))


@struct.dataclass
class IterationKeys:
    """The keys of an iteration."""

    next: Array  # of the next iteration
    start: Array | None  # of the episodes that begin with it, where all do
    gather: Array
    learn: Array


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A seed's pure functions; vmap them over keys, states and, if they differ, `hyper`."""

    config: Any  # of the agent's family
    agent: Agent
    interaction: Interaction

    @property
    def plan(self) -> Plan:
        """Static shapes and counts."""
        return self.agent.plan

    @property
    def env(self) -> Any:
        """The environment."""
        return self.interaction.env

    @property
    def env_params(self) -> Any:
        """Its parameters."""
        return self.interaction.env_params

    def init(self, key: Array) -> TrainState:
        """Start streams and agent, and gather what the agent begins with; consumes `key`."""
        key, key_streams, key_agent, key_warmup = jax.random.split(key, 4)
        state = self.begin(key, key_agent, self._start(key_streams, self.plan.num_envs))
        if not self.plan.warmup_steps:
            return state
        who, steps = self.agent.novice(state.agent), self.plan.warmup_steps
        return self.warm_up(state, self._gather(state.streams, who, key_warmup, steps))

    def begin(self, key: Array, key_agent: Array, streams: Stream) -> TrainState:
        """Return the state of a seed that has gathered nothing; `key_agent` is consumed.

        Args:
          key: the state's.
          key_agent: what the agent is drawn by.
          streams: begun, leaves [E, ...].
        """
        zero = jnp.zeros(self.plan.num_envs, jnp.int32)
        example = self.interaction.codec.encode(streams, streams.carry.action_tm1, zero, zero)
        return TrainState(
            key=key,
            iteration=jnp.int32(0),
            agent=self.agent.init(key_agent, example),
            streams=streams,
            window=EpisodeWindow(jnp.zeros(self.plan.window, jnp.float32), jnp.int32(0)),
            diagnostics={name: jnp.float32(0.0) for name in self.agent.diagnostics},
        )

    def warm_up(self, state: TrainState, gathered: Gathered) -> TrainState:
        """Let the agent take in what the novice gathered."""
        state, happened = self._take_in(state, gathered)
        agent = self.agent.warm_up(state.agent, happened)
        return dataclasses.replace(state, agent=agent)

    def iterate(self, state: TrainState, hyper: Any, num_iterations: int | Array) -> TrainState:
        """Run so many iterations; a traced number makes one program do for all."""
        hyper = _float32(hyper)
        return jax.lax.fori_loop(
            0, num_iterations, lambda _, state: self._iteration(state, hyper), state
        )

    @property
    def evaluation(self) -> Evaluation:
        """What a log point asks of a state."""
        return Evaluation(self.agent, self.interaction, self.config.train.eval_episodes)

    def evaluate(self, state: TrainState, hyper: Any) -> Metrics:
        """Collect what a log point shows, of greedy episodes and of training so far."""
        return self.evaluation.metrics(state, _float32(hyper))

    def acting_params(self, state: TrainState) -> Params:
        """Return the parameters that are evaluated and saved; states of many seeds will do."""
        return self.agent.deployed(state.agent)

    def _iteration(self, state: TrainState, hyper: Any) -> TrainState:
        keys = self.keys(state.key)
        who = self.behaviour(state.agent, hyper, state.iteration)
        streams = state.streams
        if keys.start is not None:
            streams = self._start(keys.start, self.plan.num_envs)
        gathered = self._gather(streams, who, keys.gather, self.plan.steps_per_iteration)
        return self.learn(state, hyper, gathered, keys)

    def keys(self, key: Array) -> IterationKeys:
        """Return the keys of the iteration that begins with this key, which is consumed."""
        key, key_gather, key_learn = jax.random.split(key, 3)
        key_start = None
        if self.plan.restarts:
            key_gather, key_start = jax.random.split(key_gather)
        return IterationKeys(key, key_start, key_gather, key_learn)

    def behaviour(self, agent: Any, hyper: Any, iteration: Array) -> Who:
        """Return who gathers in an iteration, by the agent's state so far."""
        return self.agent.behaviour(agent, _float32(hyper), self.plan.timesteps(iteration))

    def learn(
        self, state: TrainState, hyper: Any, gathered: Gathered, keys: IterationKeys
    ) -> TrainState:
        """Finish an iteration by what was gathered in it."""
        state, happened = self._take_in(state, gathered)
        iteration = state.iteration + 1
        agent, diagnostics = self.agent.learn(
            state.agent, happened, _float32(hyper), self.plan.timesteps(iteration),
            keys.learn,
        )  # fmt: skip
        return dataclasses.replace(
            state, key=keys.next, iteration=iteration, agent=agent, diagnostics=diagnostics
        )

    def _gather(self, streams: Stream, who: Who, key: Array, num_steps: int) -> Gathered:
        """Step the streams; what happened is the agent's to store."""
        act = functools.partial(self.agent.networks.act, who)

        def body(streams: Stream, key: Array) -> tuple[Stream, Any]:
            streams, step = self.interaction.step(key, streams, act)
            return streams, (step.slot, step.done, step.episode.undiscounted_return)

        keys = jax.random.split(key, num_steps)
        reached, (slots, done, returns) = jax.lax.scan(body, streams, keys)
        return Gathered(streams.carry, slots, done, returns, reached)

    def _take_in(self, state: TrainState, gathered: Gathered) -> tuple[TrainState, Rollout]:
        """Go on from the streams reached, and remember the returns of episodes that ended."""
        slots, done, returns = gathered.slots, gathered.done, gathered.returns
        if self.plan.restarts:
            # Episodes count that would be over in any case: of those begun later, the short ones
            # alone would be. Stream by stream, as those that end last are long ones.
            num_steps = done.shape[0]
            begun = jnp.arange(num_steps)[:, None] - slots.time.astype(jnp.int32)
            done = (done & (begun <= num_steps - self.plan.longest_episode)).T
            returns = returns.T
        window = rollout.add_to_window(state.window, done.ravel(), returns.ravel())
        after = self.interaction.inputs(gathered.reached)
        state = dataclasses.replace(state, streams=gathered.reached, window=window)
        return state, Rollout(slots, gathered.carry, after, gathered.acted)

    def _start(self, key: Array, num_streams: int) -> Stream:
        memory = self.agent.networks.memory(num_streams)
        return self.interaction.start(key, num_streams, memory)


def _float32(hyper: Any) -> Any:
    """Give traced numbers the precision of all others, whatever `jax_enable_x64` makes of them."""
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), hyper)
