"""Every record and callable alias of the package, and the legend of its axes.

Axes:
  S  seeds, trained side by side; no function of the package but `parallel` sees it
  E  streams: environments that a seed steps in lock step
  C  slots of a stream in the replay ring
  T  slots of a row (`row_length` + 1), time first
  B  rows of a batch
  A  actions, where they are discrete
  N  entries of an action, where it is continuous
  H  width of the history encoder

Time: the suffix `_tm1` marks the step left, `_t` the step reached. A *slot* t holds what was known
when action a_t was chosen, that action, and what the environment answered: reward, terminated,
truncated. Termination and truncation stay apart in every record.
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

Array = jax.Array
PyTree = Any
Params = dict[str, PyTree]  # one entry per network, such as "q" and "u"
Spec = Any  # a gymnax space; gymnax's own annotations do not hold up


class Environment(Protocol):
    """What the trainer asks of an environment: gymnax 1.0, and a privileged state."""

    observes_deterministically: bool

    @property
    def num_actions(self) -> int: ...  # asked only where actions are discrete
    def reset_env(self, key: Array, params: Any) -> tuple[Any, Any]: ...
    def step_env(
        self, key: Array, state: Any, action: Any, params: Any
    ) -> tuple[Any, Any, Array, Array, dict[Any, Any]]: ...
    def observe(self, key: Array, state: Any, action: Any, params: Any) -> Any: ...
    def is_truncated(self, state: Any, params: Any) -> Array: ...
    def observation_space(self, params: Any) -> Spec: ...
    def privileged_state(self, env_state: Any, params: Any) -> Any: ...
    def privileged_state_space(self, params: Any) -> Spec: ...


class Simulator(Protocol):
    """An environment at work on the host; it may be used by one thread at a time."""

    def reset(self, seed: int) -> PyTree:
        """Begin an episode, whose course follows from the seed and the actions: its state."""

    def step(self, action: np.ndarray) -> tuple[PyTree, float, bool, bool, bool | None]:
        """Act: state, reward, terminated, truncated; whether it succeeded, None if untold."""

    def close(self) -> None:
        """Let go of what it holds."""


class HostEnvironment(Environment, Protocol):
    """An environment that cannot be compiled: its steps are those of simulators on the host.

    Its state is what a simulator has shown. `observe` and `privileged_state` read it, and may be
    compiled; `reset_env` and `step_env` refuse.
    """

    def simulator(self, params: Any) -> Simulator: ...  # a new one
    def blank(self, params: Any) -> PyTree: ...  # a state in zeros, NumPy arrays


def steps_on_host(env: Any) -> bool:
    """Whether an environment is a `HostEnvironment`."""
    return hasattr(env, "simulator")


#: What a slot's `end` says of its episode: it goes on, ended by the environment, or was ended by
#: the time limit; or it is over, and this slot only shows what followed the time limit.
GOES_ON, TERMINATED, TRUNCATED, FINAL = range(4)


@struct.dataclass
class Transition:
    """One slot of a stream, in dtypes as small as its values allow.

    A truncated episode is followed by one more slot, whose `end` is FINAL: it holds the
    observation and the state that followed, has no action of its own, and is bootstrapped from
    but not trained on.
    """

    env_state: PyTree  # the simulator's state
    observation: PyTree | None  # None where it is derived from env_state
    action: Array  # unsigned; or float32 [..., N], as it was drawn: the environment clips it
    reward: Array  # float32, 0 in a FINAL slot
    time: Array  # unsigned, steps since the episode's first slot, which has 0
    end: Array  # uint8


@struct.dataclass
class Inputs:
    """What a model may look at in a slot, acting and training alike; leaves [..., *shape]."""

    observation: PyTree
    state: PyTree | None  # privileged; None once deployed, so that what reads it fails when traced
    action_tm1: Array  # int32 or float32 [..., N], the action before; means nothing where `start`
    start: Array  # bool, first slot of an episode: forgets memory and action


@struct.dataclass
class Rows:
    """A batch to train on, time first.

    Every row begins with the first slot of an episode, unless nothing remembers what was before, or
    the memory at its beginning is given beside it.
    """

    inputs: Inputs  # [T, B, ...]
    action: Array  # [T, B] int32, or [T, B, N] float32
    reward: Array  # [T, B] float32
    terminated: Array  # [T, B] bool
    truncated: Array  # [T, B] bool
    valid: Array  # [T, B] bool, whether the slot holds a transition to learn from

    def discounts(self, discount: Array | float, time_limit: str) -> Array:
        """Return the discount of what follows each slot, [T, B].

        It is 0 where an episode ended: by itself or, if the `time_limit` "terminates", by that.
        """
        ends = self.terminated
        if time_limit == "terminates":
            ends = ends | self.truncated
        return jnp.where(ends, 0.0, discount)


@struct.dataclass
class Carry:
    """What acting remembers between two slots; a leading axis for each axis of a batch."""

    memory: PyTree  # the actor's own; of a GRU its state [..., H]
    action_tm1: Array  # [...] int32 or [..., N] float32, the action before; nothing where `start`
    start: Array  # [...] bool, whether an episode starts: forgets memory and action


@struct.dataclass
class Episode:
    """An episode so far; scalars per stream."""

    undiscounted_return: Array  # float32
    discounted_return: Array  # float32
    length: Array  # int32, steps
    success: Array  # bool


@struct.dataclass
class Stream:
    """An environment in progress, and the agent's memory of it; leaves [E, ...]."""

    env_state: PyTree
    observation: PyTree
    final: Array  # bool, the episode is over: this slot only shows its last observation
    carry: Carry
    episode: Episode  # so far


@struct.dataclass
class Rollout:
    """What T steps of E streams gave, in the order in which it happened."""

    slots: Transition  # [T, E, ...]
    carry: Carry  # [E, ...] what acting remembered before the first slot
    after: Inputs  # [E, ...] of the slot that comes next; bootstraps only
    acted: PyTree | None = None  # who did, where learning has gone on meanwhile


@struct.dataclass
class EpisodeWindow:
    """The undiscounted returns of the last W finished behaviour episodes."""

    returns: Array  # [W] float32, a ring
    count: Array  # int32, episodes finished so far


@struct.dataclass
class TrainState:
    """Everything a seed's training needs to go on; a pytree, fit for checkpoints."""

    key: Array
    iteration: Array  # int32, equal for all seeds
    agent: PyTree  # the agent's own: parameters, optimiser, what it replays
    streams: Stream  # [E, ...]
    window: EpisodeWindow
    diagnostics: dict[str, Array]  # of the last update, float32 scalars; 0 before the first
