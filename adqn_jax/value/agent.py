"""DQN and its asymmetric relatives as an agent: replay, gradient steps, target networks."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.plan import Plan
from adqn_jax.replay import Buffer, BufferState, SlotCodec, make_buffer
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Params, PyTree, Rollout, Transition
from adqn_jax.value.algorithms import get_algorithm
from adqn_jax.value.config import Config, Hyperparameters
from adqn_jax.value.learner import Learner
from adqn_jax.value.networks import Actor, ValueNetworks, make_networks
from adqn_jax.value.plan import plan_of


@struct.dataclass
class ValueState:
    """What value-based learning keeps of a seed."""

    params: Params
    target_params: Params
    opt_state: PyTree
    buffer: BufferState


@dataclasses.dataclass(frozen=True)
class ValueAgent:
    """Q acts, U helps it to learn; see `agent.Agent`."""

    config: Config
    plan: Plan
    networks: ValueNetworks
    learner: Learner
    codec: SlotCodec
    buffer: Buffer

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of what `learn` reports."""
        return self.learner.diagnostics

    def init(self, key: Array, example: Transition) -> ValueState:
        """Draw parameters; the targets are the same, the replay is empty."""
        rows = self.codec.decode(jax.tree.map(lambda x: x[None], example))
        params = self.networks.init(key, rows.inputs)
        return ValueState(
            params=params,
            target_params=params,
            opt_state=self.learner.init_opt_state(params),
            buffer=self.buffer.init(jax.tree.map(lambda x: x[0], example)),
        )

    def novice(self, state: ValueState) -> Actor:
        """Return who acts at random."""
        return self.networks.actor(state.params, 1.0)

    def behaviour(self, state: ValueState, hyper: Hyperparameters, timesteps: Array) -> Actor:
        """Return who acts epsilon-greedily."""
        return self.networks.actor(state.params, _epsilon(hyper, timesteps))

    def policy(self, state: ValueState) -> Actor:
        """Return who acts greedily."""
        return self.networks.actor(self.deployed(state))

    def deployed(self, state: ValueState) -> Params:
        """Return the parameters that are evaluated and saved."""
        return state.params if self.config.train.eval_params == "online" else state.target_params

    def warm_up(self, state: ValueState, rollout: Rollout) -> ValueState:
        """Store what happened."""
        return dataclasses.replace(state, buffer=self.buffer.extend(state.buffer, rollout.slots))

    def learn(
        self, state: ValueState, rollout: Rollout, hyper: Hyperparameters, timesteps: Array,
        key: Array,
    ) -> tuple[ValueState, dict[str, Array]]:  # fmt: skip
        """Store what happened, take gradient steps on replayed rows, move the targets."""
        ring = self.buffer.extend(state.buffer, rollout.slots)

        def body(carry: tuple, key: Array) -> tuple[tuple, dict[str, Array]]:
            params, target, opt_state = carry
            rows = self.codec.decode(self.buffer.sample(ring, key))
            params, opt_state, seen = self.learner.update(hyper, params, target, opt_state, rows)
            if self.config.train.target == "polyak":
                target = _mix(target, params, hyper.target_tau)
            return (params, target, opt_state), seen

        carry = (state.params, state.target_params, state.opt_state)
        keys = jax.random.split(key, self.plan.updates_per_iteration)
        (params, target, opt_state), seen = jax.lax.scan(body, carry, keys)
        if self.config.train.target == "periodic":
            target = self._copied(params, target, hyper, timesteps)
        state = ValueState(params, target, opt_state, ring)
        return state, jax.tree.map(lambda x: x[-1], seen)

    def annealed(self, hyper: Hyperparameters, timesteps: Array) -> dict[str, Array]:
        """Return epsilon."""
        return {"epsilon": _epsilon(hyper, timesteps)}

    def learned(self, state: ValueState) -> PyTree:
        """Return networks and targets."""
        return state.params, state.target_params

    def parts(self, state: ValueState) -> dict[str, PyTree]:
        """Name the parts of a state that take memory."""
        return {
            "networks and targets": self.learned(state),
            "optimiser": state.opt_state,
            "replay": state.buffer.storage,
        }

    def _copied(
        self, params: Params, target: Params, hyper: Hyperparameters, timesteps: Array
    ) -> Params:
        """Copy the networks to the targets whenever another period of timesteps has gone by."""
        before = (timesteps - self.plan.timesteps_per_iteration) // hyper.target_period
        now = timesteps // hyper.target_period
        # A counter shared by all seeds keeps it a branch under `vmap`.
        copied: Params = jax.lax.cond(now > before, lambda: params, lambda: target)
        return copied


def make_agent(config: Config, codec: SlotCodec) -> ValueAgent:
    """Choose networks, replay and schedule for an environment.

    Raises:
      ValueError: when the configuration contradicts itself or the environment.
    """
    algorithm = get_algorithm(config.algorithm)
    plan = plan_of(config, codec.longest_episode)
    networks = make_networks(config, Spaces.of(codec.env, codec.env_params))
    return ValueAgent(
        config=config,
        plan=plan,
        networks=networks,
        learner=Learner(networks, algorithm, config.loss, config.train.max_grad_norm),
        codec=codec,
        buffer=make_buffer(
            capacity=config.train.buffer_timesteps // plan.num_envs,
            num_streams=plan.num_envs,
            row_length=plan.row_length,
            longest_episode=plan.longest_episode,
            batch_rows=plan.batch_rows,
        ),
    )


def _epsilon(hyper: Hyperparameters, timesteps: Array) -> Array:
    progress = jnp.clip(timesteps / hyper.epsilon_timesteps, 0.0, 1.0)
    return hyper.epsilon_start + progress * (hyper.epsilon_end - hyper.epsilon_start)


def _mix(old: PyTree, new: PyTree, tau: Array | float) -> PyTree:
    return jax.tree.map(lambda o, n: o + tau * (n - o), old, new)
