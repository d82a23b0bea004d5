"""Many seeds, one after the other, whose environments the host steps."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax.host.asynchronous import Acting, Arrival
from adqn_jax.host.fleet import Fleet
from adqn_jax.host.play import Play, seeds_of
from adqn_jax.parallel import SeedRunner
from adqn_jax.rollout import Gathered
from adqn_jax.trainer import IterationKeys
from adqn_jax.types import Array, PyTree, Stream, TrainState

#: What a log point has beside a compiled environment's, all since the log point before.
METRICS = ("lag", "lag_max", "acting_seconds", "learning_seconds")


@dataclasses.dataclass(frozen=True)
class Hosting:
    """How the host steps environments."""

    max_lag: int = 0
    """Iterations by which learning may be ahead of who acts; 0: they take turns."""
    threads: int = 1
    """That step a seed's environments."""
    patience: float = 60.0
    """Seconds after which an environment that does not answer has failed."""


@dataclasses.dataclass
class HostRunner(SeedRunner):
    """The compiled functions of a seed, and the host's loop around them.

    The methods are those of `SeedRunner`, and so are the states. Each seed has simulators of its
    own; evaluations of all seeds share some. Seeds take turns on one device, an iteration or a
    chunk each.

    States hold no simulators. From states that it has not made itself, as after a restart, a
    runner goes on with new episodes; those before count as cut off by a time limit.
    """

    hosting: Hosting = dataclasses.field(default_factory=Hosting)

    def __post_init__(self) -> None:
        """Prepare to compile."""
        super().__post_init__()
        trainer, plan = self.trainer, self.trainer.plan
        networks = trainer.agent.networks
        self._train_play = Play(trainer.interaction, networks, plan.num_envs)
        self._eval_play = Play(trainer.interaction, networks, trainer.config.train.eval_episodes)
        self._fleets: dict[int, Fleet] = {}
        self._at: dict[int, int] = {}  # the iteration that a seed's simulators have reached
        self._acting: dict[int, Acting] = {}
        self._eval_fleet: Fleet | None = None
        self._meters = [_Meter() for _ in range(self.total_seeds)]
        self._open = jax.jit(self._opening)
        self._keys_of = jax.jit(self._bits_of)
        self._behave = jax.jit(self._behaviour)
        self._begin_seed = jax.jit(trainer.begin)
        self._novice = jax.jit(trainer.agent.novice)
        self._warm_up = jax.jit(trainer.warm_up, donate_argnums=0)
        self._learn = jax.jit(trainer.learn, donate_argnums=0)
        self._evaluated = jax.jit(self._evaluation)
        self._summary = jax.jit(trainer.summary)
        self._take = jax.jit(lambda states, i: jax.tree.map(lambda x: x[i], states))
        self._stack = jax.jit(lambda states: jax.tree.map(lambda *x: jnp.stack(x), *states))

    def _devices(self) -> list[Any]:
        return super()._devices()[:1]  # who waits for simulators has no use for more

    @functools.cached_property
    def seed_shapes(self) -> TrainState:
        """Shapes and dtypes of one seed's state."""

        def blank(key: Array) -> TrainState:
            one = self.trainer.env.blank(self.trainer.env_params)
            many = jax.tree.map(
                lambda x: jnp.zeros((self.trainer.plan.num_envs, *x.shape), x.dtype), one
            )
            return self.trainer.begin(key, key, self._train_play._begin(many))

        shapes: TrainState = jax.eval_shape(blank, jax.random.key(0))
        return shapes

    def compile(self) -> None:
        """Compile what learns; the other pieces are compiled when they are called first."""
        begin = time.perf_counter()
        trainer, state = self.trainer, self.seed_shapes
        gathered = jax.eval_shape(self._gathered, state, self._hyper(0))
        keys = jax.eval_shape(trainer.keys, state.key)
        self._learn = self._learn.lower(state, self._hyper(0), gathered, keys).compile()
        self.compile_seconds += time.perf_counter() - begin

    def _gathered(self, state: TrainState, hyper: Any) -> Gathered:
        """Return the shapes of an iteration's steps."""
        steps, streams = self.trainer.plan.steps_per_iteration, state.streams
        zero = jnp.zeros(self.trainer.plan.num_envs, jnp.int32)
        slot = self.trainer.interaction.codec.encode(streams, streams.carry.action_tm1, zero, zero)
        slots, done, returns = jax.tree.map(
            lambda x: jnp.broadcast_to(x, (steps, *x.shape)),
            (slot, streams.final, streams.episode.undiscounted_return),
        )
        who = self._behaviour(state.agent, hyper, state.iteration)
        acted = who if self.hosting.max_lag else None
        return Gathered(streams.carry, slots, done, returns, streams, acted)

    @property
    def bytes_needed(self) -> int:
        """Device memory that the states and a seed's gradient steps need."""
        analysis = self._learn.memory_analysis()
        state = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(self.seed_shapes))
        working = analysis.argument_size_in_bytes - state + analysis.temp_size_in_bytes
        return int(state * (self.places + 1) + working)  # a seed works on a copy

    def init(self, key: Array) -> TrainState:
        """Start all seeds from `fold_in(key, seed)`, the same at every point.

        Raises:
          EnvironmentFailure: when a simulator fails.
        """
        return self._together([self._init_seed(i, k) for i, k in enumerate(self._keys(key))])

    def _init_seed(self, seed: int, key: Array) -> TrainState:
        plan = self.trainer.plan
        key, key_agent, seeds, bits = self._open(key)
        fleet = self._fleet(seed)
        state = self._begin_seed(
            key, key_agent, self._train_play.begin(fleet.reset(np.asarray(seeds)))
        )
        if plan.warmup_steps:
            who = self._novice(state.agent)
            gathered = self._train_play.gather(fleet, state.streams, who, np.asarray(bits))
            state = self._warm_up(state, gathered)
        self._at[seed] = 0
        return state

    def iterate(self, states: TrainState) -> TrainState:
        """Run one chunk of `plan.iterations_per_chunk` iterations.

        Raises:
          EnvironmentFailure: when a simulator fails.
        """
        seeds = [self._take(states, i) for i in range(self.total_seeds)]
        for _ in range(self.trainer.plan.iterations_per_chunk):
            seeds = [self._iteration(i, state) for i, state in enumerate(seeds)]
        return self._together(seeds)

    def _iteration(self, seed: int, state: TrainState) -> TrainState:
        meter = self._meters[seed]
        arrived = self._arrival(seed, state)
        meter.acted(arrived)
        with meter.learning():
            hyper = self._hyper(seed)
            state = self._learn(state, hyper, arrived.gathered, arrived.keys)
            state = jax.block_until_ready(state)
        self._at[seed] = arrived.iteration + 1
        if self.hosting.max_lag:
            who = self._behave(state.agent, hyper, state.iteration)
            self._acting[seed].refresh(jax.block_until_ready(who), arrived.iteration + 1)
        return state

    def _arrival(self, seed: int, state: TrainState) -> Arrival:
        """Return what was gathered for a seed's next iteration."""
        iteration = int(state.iteration)
        if self._at.get(seed) != iteration:  # our simulators know nothing of this state
            self._drop(seed)
            cut = jnp.ones_like(state.streams.final)
            state = dataclasses.replace(
                state, streams=dataclasses.replace(state.streams, final=cut)
            )
        if not self.hosting.max_lag:
            who = self._behave(state.agent, self._hyper(seed), state.iteration)
            return self._act(seed, state.streams, who, state.key, iteration, iteration)
        if seed not in self._acting:
            who = jax.block_until_ready(
                self._behave(state.agent, self._hyper(seed), state.iteration)
            )
            plan = self.trainer.plan
            self._acting[seed] = Acting(
                functools.partial(self._act, seed), state.streams, jnp.copy(state.key), who,
                range(iteration, plan.iterations_per_log * plan.log_points), self.hosting.max_lag,
            )  # fmt: skip
        return self._acting[seed].take()

    def _act(
        self, seed: int, streams: Stream, who: Any, key: Array, iteration: int, version: int,
        stop: Any = None,
    ) -> Arrival:  # fmt: skip
        """Gather an iteration's steps."""
        begun = time.perf_counter()
        keys, seeds, bits = self._keys_of(key)
        fleet = self._fleet(seed)
        if seeds is not None:
            streams = self._train_play.begin(fleet.reset(np.asarray(seeds)))
        gathered = self._train_play.gather(fleet, streams, who, np.asarray(bits), stop)
        if self.hosting.max_lag:
            gathered = dataclasses.replace(gathered, acted=who)
        return Arrival(gathered, keys, iteration, version, time.perf_counter() - begun)

    def evaluate(self, states: TrainState) -> dict[str, np.ndarray]:
        """Evaluate every seed of every point; arrays [total_seeds].

        Raises:
          EnvironmentFailure: when a simulator fails.
        """
        found = [self._evaluate_seed(i, self._take(states, i)) for i in range(self.total_seeds)]
        return {name: np.array([of_seed[name] for of_seed in found]) for name in found[0]}

    def _evaluate_seed(self, seed: int, state: TrainState) -> dict[str, Any]:
        hyper = self._hyper(seed)
        whos, seeds, bits = self._evaluated(state)
        if self._eval_fleet is None:
            self._eval_fleet = self._new_fleet(self._eval_play.num_streams)
        played = {
            name: self._eval_play.episodes(
                self._eval_fleet, np.asarray(seeds), who, np.asarray(bits), hyper.discount
            )
            for name, who in whos.items()
        }
        found = jax.device_get(self._summary(state, hyper, played))
        return found | self.read(seed)

    def read(self, seed: int) -> dict[str, float]:
        """Return a seed's `METRICS` since they were read last."""
        return self._meters[seed].read(self.trainer.plan.updates_per_iteration)

    def close(self) -> None:
        """Stop acting, and close all simulators."""
        for seed in list(self._fleets):
            self._drop(seed)
        if self._eval_fleet is not None:
            self._eval_fleet.close()
            self._eval_fleet = None

    def _drop(self, seed: int) -> None:
        if acting := self._acting.pop(seed, None):
            acting.close()
        if fleet := self._fleets.pop(seed, None):
            fleet.close()
        self._at.pop(seed, None)

    def _fleet(self, seed: int) -> Fleet:
        if seed not in self._fleets:
            self._fleets[seed] = self._new_fleet(self.trainer.plan.num_envs)
        return self._fleets[seed]

    def _new_fleet(self, number: int) -> Fleet:
        return Fleet(
            self.trainer.env, self.trainer.env_params, number,
            threads=self.hosting.threads, patience=self.hosting.patience,
        )  # fmt: skip

    def _hyper(self, seed: int) -> Any:
        return jax.tree.map(lambda x: x[seed], self.hyper_of_seeds)

    def _together(self, seeds: list[TrainState]) -> TrainState:
        states: TrainState = jax.device_put(self._stack(seeds), self.sharding)
        return states

    def _opening(self, key: Array) -> tuple[Array, Array, Array, Array]:
        """Split a seed's key as `Trainer.init` does."""
        plan = self.trainer.plan
        key, key_streams, key_agent, key_warmup = jax.random.split(key, 4)
        bits = _bits(jax.random.split(key_warmup, plan.warmup_steps))
        return key, key_agent, seeds_of(key_streams, plan.num_envs), bits

    def _bits_of(self, key: Array) -> tuple[IterationKeys, Array | None, Array]:
        """Return an iteration's keys; seeds of episodes that begin it; and bits of its steps."""
        plan, keys = self.trainer.plan, self.trainer.keys(key)
        seeds = None if keys.start is None else seeds_of(keys.start, plan.num_envs)
        return keys, seeds, _bits(jax.random.split(keys.gather, plan.steps_per_iteration))

    def _behaviour(self, agent: PyTree, hyper: Any, iteration: Array) -> Any:
        """Return a copy of who acts, which outlives the agent's state."""
        return jax.tree.map(jnp.copy, self.trainer.behaviour(agent, hyper, iteration))

    def _evaluation(self, state: TrainState) -> tuple[dict[str, Any], Array, Array]:
        """Return who is evaluated, the seeds of the episodes, and bits of their steps."""
        key_reset, key_steps = self.trainer.evaluation_keys(state)
        bits = _bits(jax.random.split(key_steps, self.trainer.plan.longest_episode))
        seeds = seeds_of(key_reset, self._eval_play.num_streams)
        return self.trainer.evaluated(state), seeds, bits


class _Meter:
    """What a seed's acting and learning took since it was read last."""

    def __init__(self) -> None:
        self._lags: list[int] = []
        self._acting = self._learning = 0.0

    def acted(self, arrived: Arrival) -> None:
        self._lags.append(arrived.iteration - arrived.version)
        self._acting += arrived.seconds

    @contextlib.contextmanager
    def learning(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._learning += time.perf_counter() - begun

    def read(self, updates: int) -> dict[str, float]:
        lags = np.array(self._lags or [0]) * updates
        seconds = (round(self._acting, 3), round(self._learning, 3))
        self.__init__()  # type: ignore[misc]  # begin anew
        return dict(zip(METRICS, (float(lags.mean()), int(lags.max()), *seconds), strict=True))


def _bits(keys: Array) -> Array:
    return jax.random.key_data(keys)
