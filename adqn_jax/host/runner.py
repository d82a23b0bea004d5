"""Many seeds, one after the other, whose environments the host steps."""

import contextlib
import dataclasses
import functools
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax.host.asynchronous import Acting, Arrival
from adqn_jax.host.fleet import EnvironmentFailure, Fleet
from adqn_jax.host.meter import Meter
from adqn_jax.host.programs import Programs
from adqn_jax.parallel import SeedRunner
from adqn_jax.types import Array, Stream, TrainState


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
    own; evaluations of all seeds share some. Seeds take turns on one device, an iteration each.

    States hold no simulators. From states that it has not made itself, as after a restart, a
    runner goes on with new episodes; those before are cut off, and bootstrapped from.
    """

    hosting: Hosting = dataclasses.field(default_factory=Hosting)

    def __post_init__(self) -> None:
        """Lay the seeds out; there are no simulators yet."""
        super().__post_init__()
        self._programs = Programs(self.trainer, asynchronous=self.hosting.max_lag > 0)
        self._meters = [Meter(self.trainer.plan) for _ in range(self.total_seeds)]
        self._fleets: dict[int, Fleet] = {}  # by seed
        self._at: dict[int, int] = {}  # the iteration that these have reached
        self._acting: dict[int, Acting] = {}  # who steps them, if it is not us
        self._evaluating: Fleet | None = None

    def _devices(self) -> list[Any]:
        return super()._devices()[:1]  # who waits for simulators has no use for more

    @functools.cached_property
    def seed_shapes(self) -> TrainState:
        """Shapes and dtypes of one seed's state."""
        return self._programs.state_shapes

    def compile(self, *, evaluation: bool = True) -> None:
        """Compile what learns; the other pieces are compiled when they are called first."""
        begin = time.perf_counter()
        self._programs.compile(self._hyper(0))
        self.compile_seconds += time.perf_counter() - begin

    @property
    def bytes_needed(self) -> int:
        """Device memory that the states and a seed's gradient steps need."""
        state = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(self.seed_shapes))
        return int(2 * self.places * state + self.bytes_shared)  # in turns, on copies

    @property
    def bytes_shared(self) -> int:
        """Of these, what a seed's gradient steps need."""
        return int(self._programs.working_bytes)

    def init(self, key: Array) -> TrainState:
        """Start all seeds from `fold_in(key, seed)`, the same at every point.

        Raises:
          EnvironmentFailure: when a simulator fails.
        """
        return self._together([self._init_seed(i, k) for i, k in enumerate(self._keys(key))])

    def _init_seed(self, seed: int, key: Array) -> TrainState:
        self._drop(seed)  # who has begun before
        plan = self.trainer.plan
        key, key_agent, seeds, bits = self._programs.open(key)
        fleet = self._fleet(seed)
        state = self._programs.begin(
            key, key_agent, self._programs.training.begin(fleet.reset(np.asarray(seeds)))
        )
        if plan.warmup_steps:
            who = self._programs.novice(state.agent)
            gathered = self._programs.training.gather(fleet, state.streams, who, np.asarray(bits))
            state = self._programs.warm_up(state, gathered)
        self._at[seed] = 0
        return state

    def iterate(self, states: TrainState, num_iterations: int) -> TrainState:
        """Run so many iterations of every seed.

        Raises:
          EnvironmentFailure: when a simulator fails.
        """
        seeds = [self._programs.take(states, i) for i in range(self.total_seeds)]
        for _ in range(num_iterations):
            seeds = [self._iteration(i, state) for i, state in enumerate(seeds)]
        return self._together(seeds)

    def _iteration(self, seed: int, state: TrainState) -> TrainState:
        meter = self._meters[seed]
        arrived = self._arrival(seed, state)
        meter.acted(arrived)
        with meter.learning():
            hyper = self._hyper(seed)
            gathered, keys = arrived.gathered, arrived.keys
            if self.hosting.max_lag:
                gathered, keys = jax.device_put((gathered, keys), self._devices()[0])
            state = jax.block_until_ready(self._programs.learn(state, hyper, gathered, keys))
        self._at[seed] = arrived.iteration + 1
        if self.hosting.max_lag:
            who = self._programs.behaviour(state.agent, hyper, state.iteration)
            self._acting[seed].refresh(self._beside(seed, who), arrived.iteration + 1)
        return state

    def _arrival(self, seed: int, state: TrainState) -> Arrival:
        """Return what was gathered for a seed's next iteration."""
        iteration = int(state.iteration)
        # Taken out until all is learnt: where something fails, simulators are anywhere.
        if self._at.pop(seed, None) != iteration:  # ours know nothing of this state
            self._drop(seed)
            cut = jnp.ones_like(state.streams.final)
            state = dataclasses.replace(
                state, streams=dataclasses.replace(state.streams, final=cut)
            )
        if not self.hosting.max_lag:
            who = self._programs.behaviour(state.agent, self._hyper(seed), state.iteration)
            return self._act(seed, state.streams, who, state.key, iteration, iteration)
        if seed not in self._acting:
            who = self._programs.behaviour(state.agent, self._hyper(seed), state.iteration)
            streams, key, who = self._beside(seed, (state.streams, state.key, who))
            iterations = range(iteration, sys.maxsize)  # until it is closed: who learns may go on
            act = functools.partial(self._act_beside, seed)
            self._acting[seed] = Acting(act, streams, key, who, iterations, self.hosting.max_lag)
        return self._acting[seed].take()

    def _beside(self, seed: int, tree: Any) -> Any:
        """Copy what a seed acts by to where it acts, and wait until it is there."""
        # The copy is one even where there is no other device, as learning reuses its memory.
        copy = jax.tree.map(jnp.copy, tree)
        return jax.block_until_ready(jax.device_put(copy, self._acting_device(seed)))

    def _acting_device(self, seed: int) -> Any:
        """Return a CPU's device that does not learn: a device runs one program after the other."""
        learning = self._devices()[0]
        with contextlib.suppress(RuntimeError):  # there may be none, as JAX_PLATFORMS decides
            others = [d for d in jax.local_devices(backend="cpu") if d != learning]
            return others[seed % len(others)] if others else learning
        return learning

    def _act_beside(self, seed: int, *how: Any) -> Arrival:
        """Gather an iteration's steps on another device, in another thread."""
        with jax.default_device(self._acting_device(seed)):
            return self._act(seed, *how)

    def _act(
        self, seed: int, streams: Stream, who: Any, key: Array, iteration: int, version: int,
        stop: Any = None,
    ) -> Arrival:  # fmt: skip
        """Gather an iteration's steps."""
        begun = time.perf_counter()
        keys, seeds, bits = self._programs.keys(key)
        fleet = self._fleet(seed)
        if seeds is not None:
            streams = self._programs.training.begin(fleet.reset(np.asarray(seeds)))
        gathered = self._programs.training.gather(fleet, streams, who, np.asarray(bits), stop)
        if self.hosting.max_lag:
            gathered = dataclasses.replace(gathered, acted=who)
        return Arrival(gathered, keys, iteration, version, time.perf_counter() - begun)

    def evaluate(self, states: TrainState) -> dict[str, np.ndarray]:
        """Evaluate every seed of every point; arrays [total_seeds].

        Raises:
          EnvironmentFailure: when a simulator fails.
        """
        found = [
            self._evaluate_seed(i, self._programs.take(states, i)) for i in range(self.total_seeds)
        ]
        return {name: np.array([of_seed[name] for of_seed in found]) for name in found[0]}

    def _evaluate_seed(self, seed: int, state: TrainState) -> dict[str, Any]:
        hyper = self._hyper(seed)
        whos, seeds, bits = self._programs.evaluation(state)
        if self._evaluating is None:
            self._evaluating = self._new_fleet(self._programs.evaluating.num_streams)
        try:
            played = {
                name: self._programs.evaluating.episodes(
                    self._evaluating, np.asarray(seeds), who, np.asarray(bits), hyper.discount
                )
                for name, who in whos.items()
            }
        except EnvironmentFailure:
            self._close_evaluating()
            raise
        found = jax.device_get(self._programs.summary(state, hyper, played))
        return found | self.read(seed)

    def read(self, seed: int) -> dict[str, float]:
        """Return a seed's `METRICS` since they were read last."""
        return self._meters[seed].read()

    def close(self) -> None:
        """Stop acting, and close all simulators."""
        for seed in list(self._fleets):
            self._drop(seed)
        self._close_evaluating()

    def _close_evaluating(self) -> None:
        if self._evaluating is not None:
            self._evaluating.close()
            self._evaluating = None

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
        states: TrainState = jax.device_put(self._programs.stack(seeds), self.sharding)
        return states
