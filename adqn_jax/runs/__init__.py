"""A training run on one host or several: folder, checkpoints, interruptions, metrics, results."""

from adqn_jax.runs.launch import describe, make_runner, prepare, train
from adqn_jax.runs.outcome import Point
from adqn_jax.runs.session import Options

__all__ = ["Options", "Point", "describe", "make_runner", "prepare", "train"]
