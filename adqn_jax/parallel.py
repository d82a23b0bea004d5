"""Many seeds in one program, spread over all local devices."""

import concurrent.futures
import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from adqn_jax.config import Hyperparameters
from adqn_jax.trainer import Trainer
from adqn_jax.types import Array, TrainState

_AXIS = "seeds"


def seed_keys(key: Array, num_seeds: int) -> Array:
    """Return the keys of seeds 0..num_seeds-1: `fold_in(key, i)`, however many there are."""
    return jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(num_seeds))


@dataclasses.dataclass
class SeedRunner:
    """Compiled functions over the states of all seeds, leaves [S, ...].

    Each device runs its own share of the seeds, without communication. When
    the seeds do not divide among the devices, further seeds fill the places left; `evaluate`
    does not report them.
    """

    trainer: Trainer
    num_seeds: int
    hyper: Hyperparameters

    def __post_init__(self) -> None:
        """Lay the seeds out over the devices."""
        num_devices = min(len(jax.local_devices()), self.num_seeds)
        self.places = -(-self.num_seeds // num_devices) * num_devices
        devices = np.asarray(jax.local_devices()[:num_devices])
        mesh = jax.sharding.Mesh(devices, (_AXIS,), axis_types=(AxisType.Auto,))
        self.sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
        self.compile_seconds = 0.0
        plan = self.trainer.plan
        self._init = self.over_seeds(self.trainer.init)
        self._iterate = self.over_seeds(
            lambda state: self.trainer.iterate(state, self.hyper, plan.iterations_per_chunk),
            donate=True,
        )
        self._evaluate = self.over_seeds(lambda state: self.trainer.evaluate(state, self.hyper))

    @functools.cached_property
    def abstract_states(self) -> TrainState:
        """Shapes, dtypes and shardings of the states of all seeds."""
        keys = jax.eval_shape(lambda: seed_keys(jax.random.key(0), self.places))
        return self._abstract(jax.eval_shape(self._init, keys))

    def compile(self) -> None:
        """Compile everything, side by side; how long it took is added to `compile_seconds`."""
        begin = time.perf_counter()
        keys = self._abstract(jax.eval_shape(lambda: seed_keys(jax.random.key(0), self.places)))
        states = self.abstract_states
        lowered = [
            self._iterate.lower(states),
            self._init.lower(keys),
            self._evaluate.lower(states),
        ]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            compiled = pool.map(lambda program: program.compile(), lowered)
            self._iterate, self._init, self._evaluate = compiled
        self.compile_seconds += time.perf_counter() - begin

    @property
    def bytes_needed(self) -> int:
        """Device memory that the compiled chunk needs, states included, over all devices."""
        analysis = self._iterate.memory_analysis()
        per_device = (
            analysis.argument_size_in_bytes
            + analysis.output_size_in_bytes
            - analysis.alias_size_in_bytes
            + analysis.temp_size_in_bytes
        )
        return per_device * self.sharding.num_devices

    def init(self, key: Array) -> TrainState:
        """Start all seeds from `fold_in(key, seed)`."""
        keys = jax.device_put(seed_keys(key, self.places), self.sharding)
        return self._init(keys)

    def iterate(self, states: TrainState) -> TrainState:
        """Run one chunk of `plan.iterations_per_chunk` iterations; `states` is donated."""
        return self._iterate(states)

    def evaluate(self, states: TrainState) -> dict[str, np.ndarray]:
        """Evaluate every seed; arrays [num_seeds]."""
        metrics = jax.device_get(self._evaluate(states))
        return {name: value[: self.num_seeds] for name, value in metrics.items()}

    def over_seeds(self, function: Callable, *, donate: bool = False) -> Any:
        """Turn a function of one seed's values into a compiled one of all seeds', leaves [S, ...].

        Args:
          function: of one argument.
          donate: whether the argument's memory may be reused for the result.
        """
        spec = PartitionSpec(_AXIS)
        sharded = jax.shard_map(
            self._over_share(function), mesh=self.sharding.mesh, in_specs=spec, out_specs=spec,
            check_vma=False,
        )  # fmt: skip
        return jax.jit(sharded, donate_argnums=(0,) if donate else ())

    def _over_share(self, function: Callable) -> Callable:
        """Run a device's share of the seeds: side by side, but on a CPU one after the other.

        A core gains nothing from wider arrays, and a single seed's fit its cache better.
        """
        if self.sharding.mesh.devices.flat[0].platform == "cpu":
            return functools.partial(jax.lax.map, function)
        return jax.vmap(function)

    def _abstract(self, tree: Any) -> Any:
        def with_sharding(x: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self.sharding)

        return jax.tree.map(with_sharding, tree)
