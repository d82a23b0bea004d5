"""Many seeds in one program, spread over all devices: those of this process run its share."""

import concurrent.futures
import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from adqn_jax.trainer import Trainer
from adqn_jax.types import Array, TrainState

_AXIS = "seeds"


def seed_keys(key: Array, num_seeds: int) -> Array:
    """Return the keys of seeds 0..num_seeds-1: `fold_in(key, i)`, however many there are."""
    return _fold_in_each(key, np.arange(num_seeds))


def _fold_in_each(key: Array, numbers: np.ndarray) -> Array:
    return jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)


@dataclasses.dataclass
class SeedRunner:
    """Compiled functions over the states of all seeds, leaves [S, ...].

    `hyper` holds numbers, or arrays [P]: P points of a sweep, each with seeds 0..num_seeds-1, the
    seeds of the first point first. Each device runs its own share of all these, without
    communication. When they do not divide among the devices, the last one fills the places left;
    `evaluate` does not report them. Whatever the numbers are, the compiled programs are the same.

    Where JAX runs in several processes, each compiles and runs the same program of its own devices,
    for its own places of all: `share` says which seeds these are. A device has as many places as
    in one process with as many devices, and S stands for the places of this process.
    """

    trainer: Trainer
    num_seeds: int
    hyper: Any  # the agent's traced numbers

    def __post_init__(self) -> None:
        """Lay the seeds out over the devices."""
        leaves = [np.atleast_1d(x) for x in jax.tree.leaves(self.hyper)]
        self.total_seeds = self.num_seeds * np.broadcast(*leaves).size
        own = -(-self.total_seeds // jax.process_count())
        devices = np.asarray(self._devices()[:own])
        self.places = -(-own // devices.size) * devices.size
        self._first = jax.process_index() * self.places
        mesh = jax.sharding.Mesh(devices, (_AXIS,), axis_types=(AxisType.Auto,))
        self.sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
        self.compile_seconds = 0.0
        self._fold_in: Any = jax.jit(_fold_in_each)
        self._init = self.over_seeds(self.trainer.init)
        self._iterate = self.over_seeds(self.trainer.iterate, donate=True, shared=1)
        self._evaluate = self.over_seeds(self.trainer.evaluate)
        self._traced: Any = None  # `evaluate`, if it is yet to be compiled
        self._compiling: concurrent.futures.Future | None = None  # `evaluate`, if it is just now

    @property
    def share(self) -> range:
        """Those of all seeds that this process trains; there are none where others do them all."""
        return range(self.total_seeds)[self._first : self._first + self.places]

    def _devices(self) -> list[Any]:
        """Return what seeds are laid out over, as far as there are seeds."""
        return jax.local_devices()

    @functools.cached_property
    def seed_shapes(self) -> TrainState:
        """Shapes and dtypes of one seed's state."""
        shapes: TrainState = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), self._traced_init.out_info
        )
        return shapes

    @functools.cached_property
    def _traced_init(self) -> Any:
        """`init`, traced once for the shapes and for the compiler."""
        return self._init.trace(self._over_places(jax.eval_shape(jax.random.key, 0)))

    @functools.cached_property
    def abstract_states(self) -> TrainState:
        """Shapes, dtypes and shardings of the states of all seeds."""
        states: TrainState = jax.tree.map(self._over_places, self.seed_shapes)
        return states

    @functools.cached_property
    def hyper_of_seeds(self) -> Any:
        """The traced numbers of every place, float32 [S]."""
        points = self.total_seeds // self.num_seeds

        def of_leaf(x: Any) -> Array:
            of_points = np.broadcast_to(np.asarray(x, np.float32), points)
            of_seeds = np.repeat(of_points, self.num_seeds)[self._filled()]
            return jax.device_put(of_seeds, self.sharding)

        return jax.tree.map(of_leaf, self.hyper)

    def compile(self, *, evaluation: bool = True) -> None:
        """Compile everything, side by side; how long it took is added to `compile_seconds`.

        Args:
          evaluation: whether `evaluate` is compiled, too; if not, that is left to
            `compile_evaluation`, and training need not wait for it.
        """
        begin = time.perf_counter()
        states, hyper = self.abstract_states, self.hyper_of_seeds
        with concurrent.futures.ThreadPoolExecutor() as pool:
            # While one compiles the next is traced; what is traced already comes first.
            init = pool.submit(self._traced_init.lower().compile)
            key = jax.eval_shape(jax.random.key, 0)
            fold_in = pool.submit(self._fold_in.lower(key, self._seeds).compile)
            iterate = pool.submit(self._iterate.lower(states, hyper, np.int32(1)).compile)
            self._traced = self._evaluate.trace(states, hyper)  # what cannot be is told now
            if evaluation:
                self.compile_evaluation()
        self._iterate, self._init = iterate.result(), init.result()
        self._fold_in = fold_in.result()
        self.compile_seconds += time.perf_counter() - begin
        if evaluation:
            self.finish_compiling()

    def compile_evaluation(self) -> None:
        """Begin to compile `evaluate` in the background, if that was left to do.

        Calling `evaluate` waits until it is done, as `finish_compiling` does.
        """
        if self._traced is not None:
            lowered, self._traced = self._traced.lower(), None
            pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
            self._compiling = pool.submit(lowered.compile)
            pool.shutdown(wait=False)  # its thread ends with its work

    def finish_compiling(self) -> bool:
        """Wait until `evaluate` is compiled, too; say whether it had not been.

        The wait is added to `compile_seconds`. Raises what the compiler raised.
        """
        begin = time.perf_counter()
        self.compile_evaluation()
        if self._compiling is None:
            return False
        self._evaluate, self._compiling = self._compiling.result(), None
        self.compile_seconds += time.perf_counter() - begin
        return True

    @property
    def bytes_needed(self) -> int:
        """Device memory of the program that needs most, with states, over all devices.

        It is of those compiled by now: `evaluate` may be left to do, and seldom needs most.
        """
        needed = [_needed(self._init), _needed(self._iterate)]
        if self._traced is None and self._compiling is None:
            # All states are there, though it reads a part of them only.
            needed.append(_needed(self._evaluate, self._bytes_of_states))
        return max(needed) * self.sharding.num_devices

    @property
    def bytes_shared(self) -> int:
        """Of these, what does not grow with the seeds: what those in turn work with."""
        if not self._one_by_one:
            return 0
        return self.bytes_needed - self._bytes_of_states * self.sharding.num_devices

    @property
    def _bytes_of_states(self) -> int:
        return int(self._init.memory_analysis().output_size_in_bytes)

    def init(self, key: Array) -> TrainState:
        """Start all seeds from `fold_in(key, seed)`, the same at every point."""
        return self._init(self._keys(key))

    def iterate(self, states: TrainState, num_iterations: int) -> TrainState:
        """Run so many iterations of every seed; `states` is donated."""
        everywhere = NamedSharding(self.sharding.mesh, PartitionSpec())
        number = jax.device_put(np.int32(num_iterations), everywhere)
        return self._iterate(states, self.hyper_of_seeds, number)

    def evaluate(self, states: TrainState) -> dict[str, np.ndarray]:
        """Evaluate every seed of every point; arrays [total_seeds], or [len(share)]."""
        self.finish_compiling()
        metrics = jax.device_get(self._evaluate(states, self.hyper_of_seeds))
        return {name: value[: len(self.share)] for name, value in metrics.items()}

    def close(self) -> None:
        """Let go of what is held beside the states: nothing here."""

    def over_seeds(self, function: Callable, *, donate: bool = False, shared: int = 0) -> Any:
        """Turn a function of one seed's values into a compiled one of all seeds', leaves [S, ...].

        Args:
          function: of any arguments.
          donate: whether the result, which is like the first argument, takes its memory.
          shared: how many of the last arguments are the same for all seeds, leaves [...].
        """

        def over_share(of_seeds: tuple, of_all: tuple) -> Any:
            run = self._over_share(lambda *of_seed: function(*of_seed, *of_all), donate)
            return run(*of_seeds)

        def over_devices(*args: Any) -> Any:
            split, spec = len(args) - shared, PartitionSpec(_AXIS)
            sharded = jax.shard_map(
                over_share, mesh=self.sharding.mesh, in_specs=(spec, PartitionSpec()),
                out_specs=spec, check_vma=False,
            )  # fmt: skip
            return sharded(args[:split], args[split:])

        return jax.jit(over_devices, donate_argnums=(0,) if donate else ())

    @property
    def _one_by_one(self) -> bool:
        """Whether a device runs its seeds one after the other, as on a CPU.

        A core gains nothing from wider arrays, and a single seed's fit its cache better.
        """
        return bool(self.sharding.mesh.devices.flat[0].platform == "cpu")

    def _over_share(self, function: Callable, donate: bool) -> Callable:
        """Run a device's share of the seeds, side by side or one after the other."""
        if not self._one_by_one:
            return jax.vmap(function)
        if donate:
            return functools.partial(_one_by_one_in_place, function)
        return lambda *args: jax.lax.map(lambda of_seed: function(*of_seed), args)

    def _keys(self, key: Array) -> Array:
        # One program, as each that is called on its own would be compiled on its own.
        return jax.device_put(self._fold_in(key, self._seeds), self.sharding)

    @property
    def _seeds(self) -> np.ndarray:
        """The seed in each place, at whatever point."""
        return self._filled() % self.num_seeds

    def _filled(self) -> np.ndarray:
        """Return which of all seeds is in each place."""
        return (self._first + np.arange(self.places)).clip(max=self.total_seeds - 1)

    def _over_places(self, x: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((self.places, *x.shape), x.dtype, sharding=self.sharding)


def _one_by_one_in_place(function: Callable, states: Any, *others: Any) -> Any:
    """Put what the function makes of each seed's state, leaves [...], in that state's place.

    A map would hold what it has read beside what it writes, of all seeds.
    """

    def body(i: Array, states: Any) -> Any:
        of_seed = jax.tree.map(
            lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), (states, *others)
        )
        put = functools.partial(jax.lax.dynamic_update_index_in_dim, index=i, axis=0)
        return jax.tree.map(put, states, function(*of_seed))

    return jax.lax.fori_loop(0, len(jax.tree.leaves(states)[0]), body, states)


def _needed(program: Any, held: int = 0) -> int:
    """Return the bytes of a device that a compiled program needs, of which some may be in use."""
    of = program.memory_analysis()
    arguments = max(of.argument_size_in_bytes, held)
    beside = of.output_size_in_bytes - of.alias_size_in_bytes + of.temp_size_in_bytes
    return int(arguments + beside)
