"""The former address of `adqn_jax.replay.make_buffer`, which programs of others may import."""

from adqn_jax.replay import Buffer, BufferState, make_buffer

__all__ = ["Buffer", "BufferState", "make_buffer"]
