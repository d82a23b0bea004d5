"""A training run on a host: its folder, checkpoints, interruptions, metrics and results."""

from adqn_jax.runs.launch import describe, make_runner, prepare, train
from adqn_jax.runs.outcome import Point
from adqn_jax.runs.session import Options

__all__ = ["Options", "Point", "describe", "make_runner", "prepare", "train"]
