"""Replay: a ring of slots, whole histories in it, and how rows to train on are made of them."""

from adqn_jax.replay.buffer import Buffer, BufferState, Sample, make_buffer
from adqn_jax.replay.codec import SlotCodec
from adqn_jax.replay.newest import NewestBuffer
from adqn_jax.replay.prioritised import PrioritisedBuffer

__all__ = [
    "Buffer",
    "BufferState",
    "NewestBuffer",
    "PrioritisedBuffer",
    "Sample",
    "SlotCodec",
    "make_buffer",
]
