"""REINFORCE, A2C and PPO as an agent: rollouts trained on once, and memory carried between them."""

import dataclasses
from typing import Any

import jax
from flax import struct

from adqn_jax.actor_critic.algorithms import get_algorithm
from adqn_jax.actor_critic.config import Config, Hyperparameters
from adqn_jax.actor_critic.learner import Batch, Learner, Numbers
from adqn_jax.actor_critic.networks import Actor, ActorCriticNetworks, make_networks
from adqn_jax.actor_critic.plan import has_target, plan_of
from adqn_jax.actor_critic.segment import make_segment
from adqn_jax.descent import deal
from adqn_jax.plan import Plan
from adqn_jax.replay import SlotCodec
from adqn_jax.schedules import falling, linear
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Params, PyTree, Rollout, Transition


@struct.dataclass
class ActorCriticState:
    """What an actor-critic keeps of a seed."""

    params: Params  # of "actor", where there is one "critic", and of what is asked beside
    target_params: Params  # of "target", the target critic; empty without one
    opt_state: PyTree
    memory: dict[str, PyTree]  # [E, ...] of each critic, before the next rollout


@dataclasses.dataclass(frozen=True)
class ActorCriticAgent:
    """The actor acts, the critic helps it to learn; see `agent.Agent`."""

    config: Config
    plan: Plan
    networks: ActorCriticNetworks
    learner: Learner
    codec: SlotCodec

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of what `learn` reports."""
        return self.learner.diagnostics

    def init(self, key: Array, example: Transition) -> ActorCriticState:
        """Draw parameters; the target critic is the same, memories are empty."""
        rows = self.codec.decode(jax.tree.map(lambda x: x[None], example))
        params = self.networks.init(key, rows.inputs)
        target = {}
        if has_target(self.config):
            target = {"target": params["critic"]}
        critics = [name for name in (*self.networks.models, *target) if name != "actor"]
        return ActorCriticState(
            params=params,
            target_params=target,
            opt_state=self.learner.init_opt_state(params),
            memory={
                name: self.networks.models["critic"].memory(self.plan.num_envs) for name in critics
            },
        )

    def novice(self, state: ActorCriticState) -> Actor:
        """Return who acts at random."""
        return self.networks.actor(state.params, 1.0, greedy=False)

    def behaviour(self, state: ActorCriticState, hyper: Hyperparameters, timesteps: Array) -> Actor:
        """Return who draws actions by the policy."""
        return self.networks.actor(state.params, greedy=False)

    def policy(self, state: ActorCriticState) -> Actor:
        """Return who draws actions or takes the most probable, as configured."""
        return self.networks.actor(state.params)

    def others(self, state: ActorCriticState) -> dict[str, Any]:
        """Return nobody."""
        return {}

    def deployed(self, state: ActorCriticState) -> Params:
        """Return the actor's parameters: only it acts."""
        return {"actor": state.params["actor"]}

    def warm_up(self, state: ActorCriticState, rollout: Rollout) -> ActorCriticState:
        """Learn nothing of what somebody else did."""
        return state

    def learn(
        self, state: ActorCriticState, rollout: Rollout, hyper: Hyperparameters, timesteps: Array,
        key: Array,
    ) -> tuple[ActorCriticState, dict[str, Array]]:  # fmt: skip
        """Take gradient steps on what happened, which is then forgotten; copy the critic."""
        segment = make_segment(self.codec, rollout, whole=self.plan.restarts)
        acted = None if rollout.acted is None else rollout.acted.params
        batch, memory = self.learner.prepare(
            hyper, state.params, state.target_params, segment, state.memory, acted
        )
        # The first step has what a run begins with, as the first of its timesteps have.
        begun = timesteps - self.plan.timesteps_per_iteration
        rate = falling(hyper.learning_rate, hyper.rate_end, self.plan.progress(begun))
        numbers = Numbers(rate, _entropy_weight(hyper, begun))

        def body(carry: tuple, rows: Array) -> tuple[tuple, dict[str, Array]]:
            part: Batch = batch.take(rows) if self.plan.batch_rows < self.plan.num_envs else batch
            params, opt_state = carry
            params, opt_state, seen = self.learner.update(hyper, numbers, params, opt_state, part)
            return (params, opt_state), seen

        carry = (state.params, state.opt_state)
        (params, opt_state), seen = jax.lax.scan(body, carry, self._minibatches(key))
        target = state.target_params
        if target:
            passed = self.plan.passed(timesteps, hyper.target_period)
            # A counter shared by all seeds keeps it a branch under `vmap`.
            target = jax.lax.cond(passed, lambda: {"target": params["critic"]}, lambda: target)
        state = ActorCriticState(params, target, opt_state, memory)
        return state, jax.tree.map(lambda x: x[-1], seen)

    def _minibatches(self, key: Array) -> Array:
        """Deal rows out anew in every epoch, int32 [updates, rows of each]; `key` is consumed."""
        minibatches = self.plan.num_envs // self.plan.batch_rows
        epochs = self.plan.updates_per_iteration // minibatches
        return deal(key, epochs, minibatches, self.plan.num_envs)

    def annealed(self, hyper: Hyperparameters, timesteps: Array) -> dict[str, Array]:
        """Return the actor's step size and the weight of its entropy."""
        return {
            "learning_rate": falling(
                hyper.learning_rate, hyper.rate_end, self.plan.progress(timesteps)
            ),
            "entropy_weight": _entropy_weight(hyper, timesteps),
        }

    def params(self, state: ActorCriticState) -> Params:
        """Return those of the actor, of its critic, and of what is asked beside."""
        return state.params

    def learned(self, state: ActorCriticState) -> PyTree:
        """Return networks and targets."""
        return state.params, state.target_params

    def parts(self, state: ActorCriticState) -> dict[str, PyTree]:
        """Name the parts of a state that take memory."""
        return {
            "networks and targets": self.learned(state),
            "optimiser": state.opt_state,
            "memory of critics": state.memory,
        }


def make_agent(config: Config, codec: SlotCodec) -> ActorCriticAgent:
    """Choose networks and schedule for an environment.

    Raises:
      ValueError: when the configuration contradicts itself or the environment.
    """
    algorithm = get_algorithm(config.algorithm)
    plan = plan_of(config, codec.longest_episode)
    networks = make_networks(config, Spaces.of(codec.env, codec.env_params))
    learner = Learner(networks, algorithm, config.loss, config.train.max_grad_norm)
    return ActorCriticAgent(config, plan, networks, learner, codec)


def _entropy_weight(hyper: Hyperparameters, timesteps: Array) -> Array:
    return linear(hyper.entropy_start, hyper.entropy_end, timesteps / hyper.entropy_timesteps)
