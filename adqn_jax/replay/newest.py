"""No replay: a ring that holds just what has to be seen to train on the timesteps just made."""

import dataclasses

import jax
import jax.numpy as jnp

from adqn_jax.replay.buffer import Buffer, BufferState, Where
from adqn_jax.types import Array, Inputs, Rows, Transition


@dataclasses.dataclass(frozen=True)
class NewestBuffer(Buffer):
    """A ring of the last rows: one of each stream, from its episode's start up to now."""

    def _unwritten(self, leaf: Array) -> Array:
        # Slots behind the newest are read, too, if only to be masked, and NaN would not be: so they
        # hold what an environment may be like.
        return jnp.broadcast_to(leaf, (self.capacity, self.num_streams, *leaf.shape))

    def newest(self, state: BufferState, steps: int) -> tuple[Transition, Array, Array]:
        """Read the row of each stream that ends in its last `steps` slots.

        Returns:
          Slots, leaves [T, E, ...], stale behind the newest one; which of them are the last steps,
          bool [T, E]; and the place behind these, int32 [E].
        """
        stream = jnp.arange(self.num_streams)
        first = state.count - steps
        back = jnp.zeros(self.num_streams, jnp.int32)
        if self.whole_histories:
            back = state.storage.time[first % self.capacity, stream].astype(jnp.int32)
        slots = self.rows(state, Where((first - back) % self.capacity, stream))
        place = jnp.arange(self.row_length + 1)[:, None]
        return slots, (place >= back) & (place < back + steps), back + steps


def just_made(rows: Rows, fresh: Array, behind: Array, after: Inputs) -> Rows:
    """Restrict rows to fresh transitions, and let what followed bootstrap the last of them.

    Args:
      rows: T slots of E rows.
      fresh: which slots to train on, bool [T, E].
      behind: the place behind them, int32 [E].
      after: what was seen there, leaves [E, ...].
    """
    stream = jnp.arange(len(behind))

    def put(row: Array, seen: Array) -> Array:
        return row.at[behind, stream].set(seen)

    inputs = jax.tree.map(put, rows.inputs, after)
    return dataclasses.replace(rows, inputs=inputs, valid=rows.valid & fresh)
