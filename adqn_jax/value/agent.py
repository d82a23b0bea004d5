"""DQN and its asymmetric relatives as an agent: replay, gradient steps, target networks."""

import dataclasses
from typing import Any

import jax
from flax import struct

from adqn_jax.plan import Plan
from adqn_jax.replay import Buffer, NewestBuffer, PrioritisedBuffer, SlotCodec, make_buffer
from adqn_jax.replay.buffer import BufferState, Where, min_capacity
from adqn_jax.replay.newest import just_made
from adqn_jax.replay.prioritised import Priorities, PrioritisedState, row_priority
from adqn_jax.schedules import falling, linear
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Params, PyTree, Rollout, Rows, Transition
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
            target_params={} if self.config.train.target == "none" else params,
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

    def others(self, state: ValueState) -> dict[str, Any]:
        """Return nobody."""
        return {}

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
        # The step size is that of the first timestep gathered.
        begun = timesteps - self.plan.timesteps_per_iteration
        rate: Any = falling(hyper.learning_rate, hyper.rate_end, self.plan.progress(begun))
        annealed = dataclasses.replace(hyper, learning_rate=rate)

        def body(carry: tuple, key: Array) -> tuple[tuple, dict[str, Array]]:
            params, target, opt_state, priorities = carry
            key_batch, key_update = jax.random.split(key)
            batch = self._batch(ring, priorities, rollout, _beta(hyper, timesteps), key_batch)
            update = self.learner.update(
                annealed, params, target, opt_state, batch.rows, key_update, batch.weight
            )
            if self.config.train.target == "polyak":
                target = _mix(target, update.params, hyper.target_tau)
            if isinstance(self.buffer, PrioritisedBuffer):
                assert batch.where is not None
                valid = batch.rows.valid[:-1]
                priority = row_priority(update.errors, valid, hyper.priority_floor)
                priorities = self.buffer.put_back(
                    priorities, batch.where, priority, hyper.priority_alpha
                )
            return (update.params, target, update.opt_state, priorities), update.diagnostics

        priorities = ring.priorities if isinstance(ring, PrioritisedState) else None
        carry = (state.params, state.target_params, state.opt_state, priorities)
        keys = jax.random.split(key, self.plan.updates_per_iteration)
        (params, target, opt_state, priorities), seen = jax.lax.scan(body, carry, keys)
        if self.config.train.target == "periodic":
            target = self._copied(params, target, hyper, timesteps)
        if isinstance(ring, PrioritisedState) and priorities is not None:
            ring = dataclasses.replace(ring, priorities=priorities)
        state = ValueState(params, target, opt_state, ring)
        return state, jax.tree.map(lambda x: x[-1], seen)

    def _batch(
        self,
        ring: BufferState,
        priorities: Priorities | None,
        rollout: Rollout,
        beta: Array,
        key: Array,
    ) -> "_Batch":
        """Choose what a gradient step trains on."""
        if isinstance(self.buffer, NewestBuffer):
            slots, fresh, behind = self.buffer.newest(ring, self.plan.steps_per_iteration)
            rows = just_made(self.codec.decode(slots), fresh, behind, rollout.after)
            return _Batch(rows, None, None)
        if isinstance(self.buffer, PrioritisedBuffer):
            assert isinstance(ring, PrioritisedState)
            assert priorities is not None
            current = dataclasses.replace(ring, priorities=priorities)
            sample = self.buffer.sample(current, key, beta)
        else:
            sample = self.buffer.sample(ring, key)
        return _Batch(self.codec.decode(sample.slots), sample.where, sample.weight)

    def annealed(self, hyper: Hyperparameters, timesteps: Array) -> dict[str, Array]:
        """Return epsilon, the step size, and with priorities the exponent of their weights."""
        annealed = {
            "epsilon": _epsilon(hyper, timesteps),
            "learning_rate": falling(
                hyper.learning_rate, hyper.rate_end, self.plan.progress(timesteps)
            ),
        }
        if isinstance(self.buffer, PrioritisedBuffer):
            annealed["priority_beta"] = _beta(hyper, timesteps)
        return annealed

    def params(self, state: ValueState) -> Params:
        """Return those of Q and of U."""
        return state.params

    def learned(self, state: ValueState) -> PyTree:
        """Return networks and targets."""
        return state.params, state.target_params

    def parts(self, state: ValueState) -> dict[str, PyTree]:
        """Name the parts of a state that take memory."""
        return {
            "networks and targets": self.learned(state),
            "optimiser": state.opt_state,
            "replay": [state.buffer.storage, getattr(state.buffer, "priorities", None)],
        }

    def _copied(
        self, params: Params, target: Params, hyper: Hyperparameters, timesteps: Array
    ) -> Params:
        """Copy the networks to the targets whenever another period of timesteps has gone by."""
        passed = self.plan.passed(timesteps, hyper.target_period)
        # A counter shared by all seeds keeps it a branch under `vmap`.
        copied: Params = jax.lax.cond(passed, lambda: params, lambda: target)
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
        buffer=_make_buffer(config, plan),
    )


def _make_buffer(config: Config, plan: Plan) -> Buffer:
    # Without memory, a slot needs nothing of what came before; episodes are averaged whole.
    whole = config.network.remembers or config.loss.average == "episode"
    row_length = plan.row_length
    capacity = config.train.buffer_timesteps // plan.num_envs
    if config.train.replay == "none":
        row_length += plan.longest_episode if whole else 0
        capacity = min_capacity(row_length, plan.longest_episode)
    return make_buffer(
        capacity=capacity,
        num_streams=plan.num_envs,
        row_length=row_length,
        longest_episode=plan.longest_episode,
        batch_rows=plan.batch_rows,
        whole_histories=whole,
        kind=_BUFFERS[config.train.replay],
    )


_BUFFERS = {"uniform": Buffer, "prioritised": PrioritisedBuffer, "none": NewestBuffer}


@struct.dataclass
class _Batch:
    """What a gradient step trains on."""

    rows: Rows
    where: Where | None  # they begin in the ring; None where that is of no use
    weight: Array | None  # [B], None: 1


def _epsilon(hyper: Hyperparameters, timesteps: Array) -> Array:
    return linear(hyper.epsilon_start, hyper.epsilon_end, timesteps / hyper.epsilon_timesteps)


def _beta(hyper: Hyperparameters, timesteps: Array) -> Array:
    return linear(hyper.priority_beta, 1.0, timesteps / hyper.priority_timesteps)


def _mix(old: PyTree, new: PyTree, tau: Array | float) -> PyTree:
    return jax.tree.map(lambda o, n: o + tau * (n - o), old, new)
