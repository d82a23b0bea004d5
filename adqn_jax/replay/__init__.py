"""Replay of whole histories: a ring of slots, and how rows to train on are made of them."""

from adqn_jax.replay.buffer import Buffer, BufferState, make_buffer
from adqn_jax.replay.codec import SlotCodec

__all__ = ["Buffer", "BufferState", "SlotCodec", "make_buffer"]
