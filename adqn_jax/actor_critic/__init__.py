"""Actor-critics: a policy π(a|h), which acts, and a critic that may see the privileged state."""

from adqn_jax.actor_critic.agent import ActorCriticAgent, ActorCriticState, make_agent
from adqn_jax.actor_critic.algorithms import ALGORITHMS, Algorithm
from adqn_jax.actor_critic.config import Config, Hyperparameters, LossConfig, TrainConfig
from adqn_jax.actor_critic.networks import (
    ActorCriticNetworks,
    make_networks,
    make_policy_networks,
)

__all__ = [
    "ALGORITHMS",
    "ActorCriticAgent",
    "ActorCriticNetworks",
    "ActorCriticState",
    "Algorithm",
    "Config",
    "Hyperparameters",
    "LossConfig",
    "TrainConfig",
    "make_agent",
    "make_networks",
    "make_policy_networks",
]
