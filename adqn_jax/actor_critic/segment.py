"""From what was gathered to rows to train on, and the returns along them."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.actor_critic.algorithms import Algorithm
from adqn_jax.actor_critic.config import Hyperparameters, LossConfig
from adqn_jax.replay import SlotCodec
from adqn_jax.returns import following, lambda_returns, n_step_returns
from adqn_jax.types import Array, Inputs, PyTree, Rollout, Rows


@struct.dataclass
class Segment:
    """What T steps of E streams gave; they may begin and end within episodes."""

    rows: Rows  # [T, E]
    time: Array  # [T, E] int32, steps since the episode's first slot
    trained: Array  # [T, E] bool, whether actor and critic learn from the slot
    memory: PyTree  # [E, ...] the actor's, before the first slot
    after: Inputs  # [E, ...] of the slot that comes next; bootstraps only


def make_segment(codec: SlotCodec, rollout: Rollout, *, whole: bool) -> Segment:
    """Decode what was gathered.

    Args:
      codec: knows the environment.
      rollout: T steps of E streams.
      whole: train on those episodes only that begin so early that the longest would be whole. Which
        they are depends on when they begin, not on how long they take: no length is preferred.
    """
    rows = codec.decode(rollout.slots, rollout.carry.action_tm1)
    time = rollout.slots.time.astype(jnp.int32)
    trained = rows.valid
    if whole:
        steps = time.shape[0]
        begun = jnp.arange(steps)[:, None] - time
        trained = trained & (begun >= 0) & (begun <= steps - codec.longest_episode)
    return Segment(rows, time, trained, rollout.carry.memory, rollout.after)


def returns(
    algorithm: Algorithm,
    config: LossConfig,
    hyper: Hyperparameters,
    segment: Segment,
    value: Array,
    value_after: Array,
) -> Array:
    """Estimate the return of each slot.

    Args:
      algorithm: says whether values bootstrap.
      config: static choices.
      hyper: discount and lambda.
      segment: T slots of E rows.
      value: of each slot, float [T, E]; zeros without a critic.
      value_after: of the slot that comes next, float [E].

    Returns:
      The returns, float [T, E].
    """
    rows = segment.rows
    # Without a critic there is nothing to bootstrap from.
    time_limit = "terminates" if algorithm.critic == "none" else config.time_limit
    discount = rows.discounts(hyper.discount, time_limit)
    v_t, trace = following(rows.valid, value, value_after)
    multi_step: Any = lambda_returns
    if algorithm.estimate == "bootstrap":
        if config.returns == "n-step":
            multi_step = functools.partial(n_step_returns, n=config.n_step)
        else:
            trace = hyper.return_lambda * trace
    result: Array = jax.vmap(multi_step, 1, 1)(rows.reward, discount, v_t, trace)
    return result
