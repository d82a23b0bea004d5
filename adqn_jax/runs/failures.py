"""Why a seed's numbers are no longer finite, where the cause is one that a user can mend."""

import jax

from adqn_jax import episode, spaces
from adqn_jax.episode import RandomActions
from adqn_jax.runs.records import NOT_FINITE
from adqn_jax.trainer import Trainer
from adqn_jax.types import Array, Inputs, steps_on_host

_STREAMS = 64


def why_failed(trainer: Trainer) -> str:
    """Play at random, and look whether the environment leaves the spaces that it declares."""
    env, env_params = trainer.env, trainer.env_params
    if steps_on_host(env):  # what it answers has been checked
        return NOT_FINITE
    actor = RandomActions(trainer.interaction.codec.action_space)

    @jax.jit
    def play(key: Array) -> Inputs:
        return episode.play(key, trainer.interaction, actor, None, _STREAMS).rows.inputs

    try:
        seen = jax.device_get(play(jax.random.key(0)))
    except jax.errors.JaxRuntimeError:  # there is no memory left for it
        return NOT_FINITE
    for what, element, space in (
        ("observation", seen.observation, env.observation_space(env_params)),
        ("privileged state", seen.state, env.privileged_state_space(env_params)),
    ):
        if stray := spaces.outside(element, space):
            return f"the environment's {what} can be {stray}"
    return NOT_FINITE
