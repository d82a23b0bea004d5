"""How the expert improves: what its actions were worth, and a step towards the better ones."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax import trust_region
from adqn_jax.descent import deal
from adqn_jax.discrete import entropy, taken
from adqn_jax.imitation import losses
from adqn_jax.imitation.config import Hyperparameters
from adqn_jax.imitation.learner import Learner, Lesson, Trained
from adqn_jax.imitation.slots import mean
from adqn_jax.surrogates import clipped_surrogate
from adqn_jax.types import Array, Inputs, Params

_REGION = trust_region.TrustRegion()
_FISHER_STRIDE = 10  # every tenth slot of a stream gives the Fisher information


@struct.dataclass
class Slots:
    """What was gathered, one stream after the other; M = E T slots."""

    inputs: Inputs  # [M, ...]
    action: Array  # [M] int32
    valid: Array  # [M] bool
    log_probs: Array  # [M, A] of the expert, before the step
    advantage: Array  # [M], importance weight included


def advantages(
    hyper: Hyperparameters, learner: Learner, params: Params, beta: Array, gathered: Lesson,
    returns: tuple[Array, Array], log_expert: Array,
) -> Array:  # fmt: skip
    """Return what actions were worth, normalised, float [T, E]: GAE, or Q - V.

    Args:
      hyper: traced numbers.
      learner: knows networks and configuration.
      params: of all networks.
      beta: β of the mixed action values.
      gathered: T steps of E streams.
      returns: lambda-returns and values, [T, E] each.
      log_expert: log π_θ(.|s), [T, E, A].
    """
    rows, (target, value) = gathered.rows, returns
    if learner.config.loss.advantage == "q":
        target = taken(learner.mixed("q", params, beta, gathered), rows.action)
    worth = target - value
    if learner.config.loss.entropy == "advantage":
        worth += hyper.entropy_weight * entropy(log_expert)
    centred = worth - mean(worth, rows.valid)
    return centred / (jnp.sqrt(mean(jnp.square(centred), rows.valid)) + 1e-3)


def weights(log_probs: dict[str, Array], action: Array, beta: Array) -> Array:
    """Return the importance weight of each slot, [T, E]; 1 without a student."""
    if "student" not in log_probs:
        return jnp.ones(action.shape, jnp.float32)
    of_actions = [taken(log_probs[name], action) for name in ("expert", "student")]
    of_slot: Any = jax.vmap(jax.vmap(losses.importance_weight, (0, 0, None)), (0, 0, None))
    return jnp.asarray(of_slot(*of_actions, beta))


def improve(
    hyper: Hyperparameters, learner: Learner, trained: Trained, gathered: Lesson,
    log_expert: Array, advantage: Array, key: Array,
) -> tuple[Trained, dict[str, Array]]:  # fmt: skip
    """Move the expert, by TRPO or PPO; `key` is consumed.

    Args:
      hyper: traced numbers.
      learner: knows networks and configuration.
      trained: parameters and optimisers' states.
      gathered: T steps of E streams.
      log_expert: log π_θ(.|s) before, [T, E, A].
      advantage: importance weight included, [T, E].
      key: a key.

    Returns:
      Parameters and optimisers' states, and measures of the step, scalars.
    """
    rows = gathered.rows
    slots: Slots = jax.tree.map(
        # Streams first: every tenth slot then is of every stream, however many there are.
        lambda x: x.swapaxes(0, 1).reshape(-1, *x.shape[2:]),
        Slots(rows.inputs, rows.action, rows.valid, log_expert, advantage),
    )
    if learner.config.loss.policy_step == "trpo":
        params, moved = _trust_region(hyper, learner, trained[0]["expert"], slots)
        measured = {"kl": moved.kl, "step_length": moved.length}
        return (trained[0] | {"expert": params}, trained[1]), measured
    trained = _clipped(hyper, learner, trained, slots, key)
    with learner.networks.precision():
        moved_kl = _kl(learner, slots, trained[0]["expert"], 1)
    return trained, {"kl": moved_kl}


def _trust_region(
    hyper: Hyperparameters, learner: Learner, params: Params, slots: Slots
) -> tuple[Params, trust_region.Moved]:
    old = taken(slots.log_probs, slots.action)

    def surrogate(params: Params) -> Array:
        log_probs = learner.networks.expert(params, slots.inputs)
        terms = jax.vmap(losses.surrogate)(taken(log_probs, slots.action), old, slots.advantage)
        return mean(terms + _bonus(hyper, learner, log_probs), slots.valid)

    with learner.networks.precision():
        return trust_region.step(
            surrogate, lambda p: _kl(learner, slots, p, 1), params, _REGION,
            max_kl=hyper.max_kl, damping=hyper.damping,
            fisher_kl=lambda p: _kl(learner, slots, p, _FISHER_STRIDE),
        )  # fmt: skip


def _clipped(
    hyper: Hyperparameters, learner: Learner, trained: Trained, slots: Slots, key: Array
) -> Trained:
    train, old = learner.config.train, taken(slots.log_probs, slots.action)

    def loss(params: Params, at: Array) -> Array:
        log_probs = learner.networks.expert(params, jax.tree.map(lambda x: x[at], slots.inputs))
        terms = jax.vmap(clipped_surrogate, (0, 0, 0, None))(
            taken(log_probs, slots.action[at]), old[at], slots.advantage[at], hyper.clip_range
        )
        return -mean(terms + _bonus(hyper, learner, log_probs), slots.valid[at])

    batches = deal(key, train.expert_epochs, train.expert_minibatches, slots.action.shape[0])
    return learner.descend("expert", hyper.expert_rate, hyper, trained, loss, batches)[0]


def _kl(learner: Learner, slots: Slots, params: Params, stride: int) -> Array:
    """Return the mean KL from the expert before the step, of every so many slots."""
    inputs, before, valid = jax.tree.map(
        lambda x: x[::stride], (slots.inputs, slots.log_probs, slots.valid)
    )
    after = learner.networks.expert(params, inputs)
    return mean(jax.vmap(losses.forward_kl)(before, after), valid)


def _bonus(hyper: Hyperparameters, learner: Learner, log_probs: Array) -> Array:
    if learner.config.loss.entropy == "surrogate":
        return hyper.entropy_weight * entropy(log_probs)
    return jnp.zeros(log_probs.shape[:-1], log_probs.dtype)
