"""Prioritised replay: rows with large errors are drawn more often, and weigh less.

An item is a row, named by the slot in which it begins: the first of an episode, or, of what has no
memory, any. A row's priority follows from the errors of its transitions, and is set when the row
has been trained on; a new row has the largest that there was so far, at least 1.

Sources: Schaul et al. (2016), "Prioritized experience replay", the proportional variant; for rows,
Kapturowski et al. (2019), "Recurrent experience replay in distributed RL", Section 2.3.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.replay.buffer import Buffer, BufferState, Sample, Where
from adqn_jax.types import FINAL, Array, Transition

#: Share of the largest error in a row's priority; the mean of its errors has the rest (R2D2).
_OF_LARGEST = 0.9


@struct.dataclass
class Priorities:
    """The chance of each slot to begin a row, up to a factor."""

    of_slot: Array  # [C, E] float32, (priority of the row)^α; 0 where no row begins
    largest: Array  # float32, the largest (priority)^α that any row has had, at least 1


@struct.dataclass
class PrioritisedState(BufferState):
    """A ring of slots for each stream, and the priorities of the rows that begin there."""

    priorities: Priorities


@dataclasses.dataclass(frozen=True)
class PrioritisedBuffer(Buffer):
    """A ring whose rows have priorities: `sample`, train, `put_back`."""

    def init(self, example: Transition) -> PrioritisedState:
        """Return an empty ring for slots like the example, leaves [...]."""
        empty = super().init(example)
        none = jnp.zeros((self.capacity, self.num_streams), jnp.float32)
        return PrioritisedState(empty.storage, empty.count, Priorities(none, jnp.float32(1.0)))

    def add(self, state: BufferState, slot: Transition) -> PrioritisedState:
        """Write one slot of each stream, leaves [E, ...]; new rows have the largest priority."""
        assert isinstance(state, PrioritisedState)
        added, priorities = super().add(state, slot), state.priorities
        begins = slot.time == 0 if self.whole_histories else slot.end != FINAL
        row = jnp.where(begins, priorities.largest, 0.0)
        of_slot = jax.lax.dynamic_update_index_in_dim(
            priorities.of_slot, row, state.count % self.capacity, 0
        )
        priorities = dataclasses.replace(priorities, of_slot=of_slot)
        return PrioritisedState(added.storage, added.count, priorities)

    def sample(self, state: BufferState, key: Array, beta: Array | float = 0.0) -> Sample:
        """Draw rows in proportion to their priorities^α; `key` is consumed.

        At least `row_length` + 1 slots of each stream must have been written.

        Args:
          state: the ring.
          key: consumed.
          beta: exponent of the weights (N P)^-β / max, in [0, 1].
        """
        assert isinstance(state, PrioritisedState)
        chance = jnp.where(self._complete(state)[:, None], state.priorities.of_slot, 0.0)
        # First the slot, then the stream: two short sums instead of a long one.
        uniform = jax.random.uniform(key, (2, self.batch_rows), jnp.float32)
        slot = jax.vmap(_place, (None, 0))(chance.sum(1), uniform[0])
        stream = jax.vmap(_place)(chance[slot], uniform[1])
        # N and the sum cancel: (N P)^-β / max (N P)^-β = (P / min P)^-β, over the whole ring, so
        # that a batch of one row has a weight, too.
        least = jnp.min(chance, initial=jnp.inf, where=chance > 0.0)
        weight = (chance[slot, stream] / least) ** -jnp.float32(beta)
        where = Where(slot, stream)
        return Sample(self.rows(state, where), where, weight)

    def put_back(
        self, priorities: Priorities, where: Where, priority: Array, alpha: Array | float
    ) -> Priorities:
        """Set the priorities of rows, float [B], to the power of alpha.

        Apart from the ring itself, which a gradient step leaves alone.
        """
        powered = priority ** jnp.float32(alpha)
        # A row that was drawn twice has the larger one, in whatever order they are written.
        cleared = priorities.of_slot.at[where].set(0.0)
        largest = jnp.maximum(priorities.largest, powered.max())
        return Priorities(cleared.at[where].max(powered), largest)

    def _complete(self, state: BufferState) -> Array:
        """Tell which slots have a whole row from there on, bool [C]."""
        age = (state.count - 1 - jnp.arange(self.capacity)) % self.capacity
        return (age >= self.row_length) & (age < state.count)


def row_priority(errors: Array, valid: Array, floor: Array | float) -> Array:
    """Sum up a row's errors: 0.9 max + 0.1 mean over its transitions, and a floor.

    Args:
      errors: sizes of the transitions' errors, float [T, B].
      valid: which slots hold a transition, bool [T, B].
      floor: added, so that no row is lost.

    Returns:
      Priorities, float [B].
    """
    largest = jnp.max(errors, axis=0, initial=0.0, where=valid)
    mean = jnp.sum(errors * valid, axis=0) / jnp.maximum(valid.sum(0), 1)
    return _OF_LARGEST * largest + (1.0 - _OF_LARGEST) * mean + floor


def _place(weights: Array, uniform: Array) -> Array:
    """Draw an index in proportion to weights, float [N], by a number from [0, 1); int32."""
    last = len(weights) - 1
    # Sums in parallel round, so that they may fall, and rise where the weight is 0.
    below = jax.lax.cummax(jnp.cumsum(weights))
    found = jnp.searchsorted(below, uniform * below[-1], side="right")
    # Whatever rounding does, what is drawn has a weight: the next that has one, or the last.
    index = jnp.arange(last + 1, dtype=jnp.int32)
    positive = weights > 0.0
    following = jax.lax.cummin(jnp.where(positive, index, last + 1), reverse=True)
    latest = jnp.max(jnp.where(positive, index, 0))
    return jnp.minimum(following[jnp.minimum(found, last)], latest)
