"""Imitation of an expert that sees the state: given, or adapted to what its student can follow."""

from adqn_jax.imitation.agent import ImitationAgent, ImitationState, make_agent
from adqn_jax.imitation.algorithms import ALGORITHMS, Algorithm
from adqn_jax.imitation.config import Config, Hyperparameters, LossConfig, TrainConfig
from adqn_jax.imitation.networks import (
    ImitationNetworks,
    Mixture,
    make_networks,
    make_policy_networks,
)

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Config",
    "Hyperparameters",
    "ImitationAgent",
    "ImitationNetworks",
    "ImitationState",
    "LossConfig",
    "Mixture",
    "TrainConfig",
    "make_agent",
    "make_networks",
    "make_policy_networks",
]
