"""From a segment to what is learnt of it, and one gradient step on that."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.actor_critic import losses
from adqn_jax.actor_critic.algorithms import Algorithm
from adqn_jax.actor_critic.config import Hyperparameters, LossConfig
from adqn_jax.actor_critic.networks import ActorCriticNetworks
from adqn_jax.actor_critic.segment import Segment, returns
from adqn_jax.descent import adam, begin, descend
from adqn_jax.types import Array, Inputs, Params, PyTree


@struct.dataclass
class Batch:
    """What gradient steps train on: constants of the parameters that gathered; [T, B] each."""

    inputs: Inputs
    action: Array
    trained: Array  # bool, whether the slot counts
    policy_weight: Array  # float, factor on the actor's loss
    advantage: Array  # float
    target: Array  # float, what the critic regresses on
    old_value: Array  # float, of the critic
    old_log_prob: Array | None  # float, of the action taken; None where nothing asks
    memory: dict[str, PyTree]  # [B, ...] of actor and critic, before the first slot

    def take(self, rows: Array) -> "Batch":
        """Take some rows, int [N]."""
        memory = jax.tree.map(lambda x: x[rows], self.memory)
        along_time = jax.tree.map(lambda x: x[:, rows], dataclasses.replace(self, memory={}))
        return dataclasses.replace(along_time, memory=memory)


@struct.dataclass
class Numbers:
    """Traced numbers of a gradient step, annealed; scalars."""

    learning_rate: Array | float
    entropy_weight: Array | float


@dataclasses.dataclass(frozen=True)
class Learner:
    """Gradient steps on batches of rows; each network has an optimiser of its own."""

    networks: ActorCriticNetworks
    algorithm: Algorithm
    config: LossConfig
    max_grad_norm: float

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of what `update` reports."""
        measured = ["loss_actor", "mean_entropy"]
        if self.algorithm.loss == "clip":
            measured += ["clipped", "kl"]
        if self.algorithm.critic != "none":
            measured += ["loss_critic", "mean_v"]
        measured += [f"loss_{name}" for name in self.networks.asks]
        trained = (*self.networks.models, *self.networks.asks)
        return (*measured, *(f"grad_norm_{name}" for name in trained))

    def init_opt_state(self, params: Params) -> PyTree:
        """Return the optimisers' first states, one per network."""
        optimiser = adam(1.0, 1.0, self.max_grad_norm)
        return {name: begin(optimiser, params[name]) for name in params}

    def prepare(
        self, hyper: Hyperparameters, params: Params, target_params: Params, segment: Segment,
        memory: Mapping[str, PyTree], acted: Params | None = None,
    ) -> tuple[Batch, dict[str, PyTree]]:  # fmt: skip
        """Evaluate a segment with the parameters that gathered it.

        Args:
          hyper: traced numbers.
          params: of "actor" and, where there is one, "critic"; others are not read.
          target_params: of "target", another critic, or nothing.
          segment: T slots of E rows.
          memory: of each critic, before the segment, leaves [E, ...].
          acted: the parameters of the "actor" that gathered it, where `params` have gone on since.

        Returns:
          What gradient steps train on; the memory of each critic after the segment.
        """
        before = {"actor": segment.memory, **memory}
        params = {name: params[name] for name in self.networks.models}
        asked = {name: params[name] for name in params if name != "actor" or self._asks_actor}
        if self.networks.shares_encoder:
            asked = params
        value, said, after = self._evaluate(segment, asked | target_params, before)

        def of(name: str) -> Array:
            return returns(self.algorithm, self.config, hyper, segment, *value[name])

        nothing = jnp.zeros_like(segment.rows.reward)
        value.setdefault("critic", (nothing, nothing[0]))  # without a critic values are 0
        own, old = of("critic"), None
        if self._asks_actor:
            if acted is not None:
                by = {"actor": acted}
                said = self.networks.unroll(by, segment.rows.inputs, before)[0]["actor"]
            assert said is not None
            old = self.networks.distribution.log_prob(said, segment.rows.action)
        advantage = own - value["critic"][0]
        if self.config.normalise_advantages:
            advantage = _normalise(advantage, segment.trained)
        batch = Batch(
            inputs=segment.rows.inputs,
            action=segment.rows.action,
            trained=segment.trained,
            policy_weight=hyper.discount**segment.time
            if self.config.discount_policy
            else jnp.ones_like(nothing),
            advantage=advantage,
            target=of("target") if "target" in value else own,
            old_value=value["critic"][0],
            old_log_prob=old,
            memory={name: before[name] for name in params},
        )
        return batch, {name: after[name] for name in memory}

    @property
    def _asks_actor(self) -> bool:
        return self.algorithm.loss == "clip"

    def _evaluate(
        self, segment: Segment, params: Params, memory: dict[str, PyTree]
    ) -> tuple[dict[str, tuple[Array, Array]], Array | None, dict[str, PyTree]]:
        """Return each critic's values, [T, E], and the next one, [E]; the policy's; memories."""
        if not params:
            return {}, None, {}
        before = {name: memory[name] for name in params}
        outputs, after = self.networks.unroll(params, segment.rows.inputs, before)
        said = outputs.pop("actor", None)
        value = {
            name: (x, self.networks.value(name, params, after, segment.after))
            for name, x in outputs.items()
        }
        return value, said, after

    def losses(self, hyper: Hyperparameters, params: Params, batch: Batch) -> dict[str, Array]:
        """Weigh and sum the losses of a batch, and what else is measured of it; scalars.

        "actor", "critic", "entropy" and "belief" are terms of the objective. Means over transitions
        are "mean_entropy", "mean_v", "clipped", the share of ratios beyond the range, and "kl", an
        estimate of KL(π_old || π).
        """
        outputs, _ = self.networks.unroll(params, batch.inputs, batch.memory)
        share = weight = _share(batch.trained)
        if self.config.over_time == "sum":
            weight = batch.trained.astype(jnp.float32) / batch.trained.shape[1]
        said, policy = outputs["actor"], self.networks.distribution
        actor, measured = self._actor(hyper, policy.log_prob(said, batch.action), batch)
        entropy = measured["mean_entropy"] = policy.entropy(said)
        result = {
            "actor": jnp.sum(weight * batch.policy_weight * actor),
            "entropy": jnp.sum(weight * entropy),
        }
        if "critic" in outputs:
            critic = self._critic(hyper, outputs["critic"], batch)
            measured["mean_v"] = outputs["critic"]
            result["critic"] = jnp.sum(weight * critic)
        for name, of in self.networks.asks.items():
            result[name] = jnp.sum(weight * of.loss(outputs[name], batch.inputs))
        return result | {name: jnp.sum(share * x) for name, x in measured.items()}

    def _actor(
        self, hyper: Hyperparameters, log_prob: Array, batch: Batch
    ) -> tuple[Array, dict[str, Array]]:
        """Return the actor's loss in every slot, and measures of how far it has moved."""
        if self.algorithm.loss == "policy-gradient":
            return _over_slots(losses.policy_gradient_loss, log_prob, batch.advantage), {}
        assert batch.old_log_prob is not None
        loss = _over_slots(
            losses.clipped_surrogate_loss, log_prob, batch.old_log_prob, batch.advantage,
            fixed=(hyper.clip_range,),
        )  # fmt: skip
        log_ratio = log_prob - batch.old_log_prob
        ratio = jnp.exp(log_ratio)
        # Schulman's estimate, which is never negative; http://joschu.net/blog/kl-approx.html
        moved = {"clipped": jnp.abs(ratio - 1.0) > hyper.clip_range, "kl": ratio - 1.0 - log_ratio}
        return loss, moved

    def _critic(self, hyper: Hyperparameters, value: Array, batch: Batch) -> Array:
        """Return the critic's loss in every slot."""
        if self.config.value_loss == "clipped" and self.algorithm.loss == "clip":
            return _over_slots(
                losses.clipped_value_loss, value, batch.old_value, batch.target,
                fixed=(hyper.value_clip_range,),
            )  # fmt: skip
        return _over_slots(losses.value_loss, value, batch.target)

    def update(
        self, hyper: Hyperparameters, numbers: Numbers, params: Params, opt_state: PyTree,
        batch: Batch,
    ) -> tuple[Params, PyTree, dict[str, Array]]:  # fmt: skip
        """Take one gradient step.

        Returns:
          Parameters, the optimisers' state, and the diagnostics, scalars.
        """

        def objective(params: Params) -> tuple[Array, dict[str, Array]]:
            seen = self.losses(hyper, params, batch)
            total = seen["actor"] - numbers.entropy_weight * seen["entropy"]
            if "critic" in seen:
                total += hyper.value_weight * seen["critic"]
            for name in self.networks.asks:
                total += getattr(self.config, f"{name}_weight") * seen[name]
            return total, seen

        with self.networks.precision():
            grads, seen = jax.grad(objective, has_aux=True)(params)
        rate = dict.fromkeys(params, numbers.learning_rate)
        rate["critic"] = hyper.critic_rate * numbers.learning_rate
        adams = {name: adam(rate[name], hyper.adam_eps, self.max_grad_norm) for name in params}
        norms, params, opt_state = descend(adams, grads, opt_state, params)
        del seen["entropy"]  # the mean says more
        named = {f"loss_{n}" if n in params else n: x for n, x in seen.items()}
        return params, opt_state, named | {f"grad_norm_{name}": x for name, x in norms.items()}


def _over_slots(loss: Callable[..., Array], *slots: Array, fixed: tuple[Any, ...] = ()) -> Array:
    """Map a loss of one transition over slots, [T, B, ...]; what is fixed is the same in all."""
    result: Array = jax.vmap(jax.vmap(lambda *slot: loss(*slot, *fixed)))(*slots)
    return result


def _share(trained: Array) -> Array:
    """Weigh slots that count alike, [T, B], to a sum of 1; there may be nothing to train on."""
    counted = trained.astype(jnp.float32)
    return counted / jnp.maximum(counted.sum(), 1.0)


def _normalise(advantage: Array, trained: Array) -> Array:
    share = _share(trained)
    centred = advantage - jnp.sum(share * advantage)
    return centred / (jnp.sqrt(jnp.sum(share * jnp.square(centred))) + 1e-8)
