"""What a trained policy is worth on Frozen Lake or a Tiger Door, exactly."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax.envs.hazards import HazardGrid, HazardState
from adqn_jax.envs.pomdp import hazard_grid, hazard_states
from adqn_jax.imitation import ImitationNetworks
from adqn_jax.tabular import (
    Pairs,
    divergence,
    expected_return,
    imitate,
    last_observations,
    make_pairs,
    visits,
)
from adqn_jax.types import Inputs
from support import players


@dataclasses.dataclass(frozen=True)
class Worth:
    """Expected returns of an episode, undiscounted, up to the time limit."""

    greedy: float
    """Of most probable actions."""
    sampled: float
    """Of actions drawn."""


def worth(path: pathlib.Path) -> Worth:
    """Compute what a policy's file is worth: an expert, or a student without memory.

    Raises:
      ValueError: when it is no such policy, or was trained elsewhere.
    """
    pairs, drawn, limit = _load(path)
    # What is seen is a function of the state, and so is what a student does.
    return _worth(pairs, drawn[pairs.state], limit)


def clone(path: pathlib.Path) -> tuple[Worth, float]:
    """Compute what imitation of an expert's file converges to.

    Returns:
      What that is worth, when all is learnt that can be; its divergence from the expert, per step.

    Raises:
      ValueError: as `worth` does.
    """
    pairs, expert, limit = _load(path)
    trainee = imitate(pairs, expert)
    policy = trainee[pairs.memory]
    return _worth(pairs, policy, limit), divergence(pairs, visits(pairs, policy), expert, trainee)


def _worth(pairs: Pairs, policy: np.ndarray, limit: int) -> Worth:
    greedy = np.eye(policy.shape[1])[policy.argmax(-1)]
    return Worth(*(expected_return(pairs, p, limit) for p in (greedy, policy)))


def _load(path: pathlib.Path) -> tuple[Pairs, np.ndarray, int]:
    """Return last observations and states, a policy by state, [S, A], and the time limit."""
    player = players.find(None, path)
    env, params, policy = player.env, player.env_params, player.policy
    assert policy is not None, "a file holds one"
    networks = policy.networks
    known = isinstance(env, HazardGrid) and env.observes_deterministically
    if not known or not isinstance(networks, ImitationNetworks):
        raise ValueError(
            f"{path} is no policy of imitation on Frozen Lake or a Tiger Door without pictures"
        )
    if jax.tree.leaves(networks.memory()) and policy.config.network.remembers:
        raise ValueError(f"{path} has a memory, and no policy of the last observation alone")
    placement, cell, lit = (jnp.array(x) for x in zip(*hazard_states(env), strict=True))
    states = HazardState(cell=cell, placement=placement, lit=lit, time=jnp.zeros_like(cell))
    inputs = Inputs(
        observation=jax.vmap(lambda s: env.get_obs(s, params))(states),
        state=jax.vmap(lambda s: env.privileged_state(s, params))(states),
        action_tm1=jnp.zeros_like(cell),
        start=cell >= 0,
    )
    actor, memory = networks.actor(policy.params), networks.memory(len(cell))
    _, _, scores = networks.act(actor, memory, inputs, jax.random.key(0))  # drawn for nobody
    drawn = np.exp(np.asarray(scores, np.float64))
    model = hazard_grid(env, discount=1.0)
    pairs = make_pairs(model, last_observations(model))
    return pairs, drawn / drawn.sum(-1, keepdims=True), int(params.max_steps_in_episode)
