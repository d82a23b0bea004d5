"""What values and student learn in an iteration; each network has an optimiser of its own."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.descent import adam, begin, deal
from adqn_jax.descent import descend as step_down
from adqn_jax.discrete import taken
from adqn_jax.imitation import pieces
from adqn_jax.imitation.config import Config, Hyperparameters
from adqn_jax.imitation.networks import ImitationNetworks
from adqn_jax.imitation.pieces import Ring, cut, join
from adqn_jax.imitation.slots import kl, mean, squares
from adqn_jax.nn import model
from adqn_jax.replay import SlotCodec
from adqn_jax.returns import following, lambda_returns
from adqn_jax.types import Array, Inputs, Params, PyTree, Rollout, Rows


@struct.dataclass
class Lesson:
    """A rollout, as it is learnt from: T = P L steps of E streams, N = P E rows of L slots."""

    rows: Rows  # [T, E]
    inputs: Inputs  # [L, N, ...]
    memory: dict[str, PyTree] | None  # [N, ...] of each model before the rows; None: none has any
    memory_after: dict[str, PyTree]  # [E, ...] after the rollout
    after: Inputs  # [E, ...] of the slot that comes next

    @property
    def streams(self) -> int:
        """E."""
        return self.rows.reward.shape[1]


Trained = tuple[Params, PyTree]  # parameters and optimisers' states, by name


@dataclasses.dataclass(frozen=True)
class Learner:
    """Steps of Algorithm 1 of Warrington et al. (2021), pure functions."""

    networks: ImitationNetworks
    config: Config
    codec: SlotCodec

    def init_opt_state(self, params: Params) -> PyTree:
        """Return the optimisers' first states, one per network that has one."""
        trpo = self.config.loss.policy_step == "trpo"
        norm = self.config.train.max_grad_norm
        return {
            name: begin(adam(1.0, 1.0, norm), params[name])
            for name in params
            if not (name == "expert" and trpo)
        }

    def gather(
        self, params: Params, rollout: Rollout, memory: Mapping[str, PyTree]
    ) -> tuple[Lesson, PyTree]:
        """Decode a rollout, and find what was remembered where its rows begin.

        Args:
          params: of all networks.
          rollout: T steps of E streams.
          memory: of each value that has one, before the rollout, leaves [E, ...].

        Returns:
          What is learnt from; and the student's memory before each piece, leaves [P, E, ...].
        """
        rows = self.codec.decode(rollout.slots, rollout.carry.action_tm1)
        length = self.config.train.row_length
        begun = dict(memory)
        if "student" in params and self.remembers("student"):
            begun["student"] = rollout.carry.memory
        if "encoder" in params and self.remembers("encoder"):
            begun["encoder"] = rollout.carry.memory
        models = {name: self.networks.models[name] for name in begun}

        def body(before: Any, piece: Inputs) -> tuple[Any, Any]:
            with self.networks.precision():
                return model.advance(models, params, piece, before)[1], before

        split = jax.tree.map(lambda x: x.reshape(-1, length, *x.shape[1:]), rows.inputs)
        after, before = jax.lax.scan(body, begun, split)
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), before)
        inputs = cut(rows.inputs, length)
        gathered = Lesson(rows, inputs, flat or None, after, rollout.after)
        return gathered, before.get("student", ())

    def encoded(self, params: Params, gathered: Lesson) -> Lesson:
        """Put what the encoder makes of the history in the place of states."""
        networks, rows = self.networks, gathered.rows
        flat = self._unroll("encoder", params, gathered)
        inputs = networks.with_state(rows.inputs, flat)
        memory = gathered.memory_after.get("encoder", networks.memory(gathered.streams))
        after, _ = networks.encode(params["encoder"], memory, gathered.after)
        return dataclasses.replace(
            gathered,
            rows=dataclasses.replace(rows, inputs=inputs),
            inputs=cut(inputs, self.config.train.row_length),
            after=after,
        )

    def encoder_error(self, params: Params, gathered: Lesson) -> Array:
        """Return the encoder's mean squared error over all that was gathered, a scalar."""
        out = self._unroll("encoder", params, gathered)
        return mean(squares(out, gathered.rows.inputs.state), gathered.rows.valid)

    def remembers(self, name: str) -> bool:
        """Whether a model has a memory that matters."""
        sees_history = self.networks.models[name].history is not None
        return sees_history and self.config.network.remembers

    def log_probs(self, params: Params, given: Params, gathered: Lesson) -> dict[str, Array]:
        """Return log π of "expert" and, if there is one, "student", in every slot, [T, E, A]."""
        found = {"expert": self._expert(params, given, gathered.rows.inputs)}
        if "student" in params:
            found["student"] = self._unroll("student", params, gathered)
        return found

    def _expert(self, params: Params, given: Params, inputs: Inputs) -> Array:
        with self.networks.precision():
            return self.networks.expert(params.get("expert", given), inputs)

    def _unroll(self, name: str, params: Params, gathered: Lesson) -> Array:
        """Evaluate one network in every slot, [T, E, ...]."""
        memory = self._memory(name, gathered)
        out = self.networks.unroll({name: params[name]}, gathered.inputs, memory)[name]
        return jnp.asarray(join(out, gathered.streams))

    def _memory(self, name: str, gathered: Lesson) -> dict[str, PyTree] | None:
        known = gathered.memory or {}
        return {name: known[name]} if name in known else None

    def mixed(self, kind: str, params: Params, beta: Array, gathered: Lesson) -> Array:
        """Return β x_expert + (1 - β) x_student of values, [T, E], or action values, [T, E, A]."""
        expert = self._unroll(f"{kind}_expert", params, gathered)
        if f"{kind}_student" not in params:
            return expert
        return beta * expert + (1.0 - beta) * self._unroll(f"{kind}_student", params, gathered)

    def returns(
        self, hyper: Hyperparameters, params: Params, beta: Array, gathered: Lesson, lam: Array
    ) -> tuple[Array, Array]:
        """Return lambda-returns of the mixed values, and these values, float [T, E] each."""
        value, rows = self.mixed("v", params, beta, gathered), gathered.rows
        after = self._after("v_expert", params, gathered)
        if "v_student" in params:
            after = beta * after + (1.0 - beta) * self._after("v_student", params, gathered)
        discount = rows.discounts(hyper.discount, self.config.loss.time_limit)
        v_t, trace = following(rows.valid, value, after)
        found = jax.vmap(lambda_returns, 1, 1)(rows.reward, discount, v_t, lam * trace)
        return found, value

    def _after(self, name: str, params: Params, gathered: Lesson) -> Array:
        memory = gathered.memory_after.get(name, ())
        with self.networks.precision():
            out, _ = self.networks.models[name].step(params[name], memory, gathered.after)
        return out[..., 0]

    def regress(
        self, name: str, hyper: Hyperparameters, trained: Trained, gathered: Lesson,
        target: PyTree, key: Array,
    ) -> tuple[Trained, Array]:  # fmt: skip
        """Fit "v_..." or "q_..." to returns, float [T, E], or "encoder" to states, [T, E, ...].

        `key` is consumed.

        Returns:
          The parameters and optimisers' states; the last minibatch's mean squared error.
        """
        length, train = self.config.train.row_length, self.config.train
        of_rows = cut((target, gathered.rows.action, gathered.rows.valid), length)
        memory = self._memory(name, gathered)

        def loss(params: Params, rows: Array) -> Array:
            inputs, (g, action, valid) = jax.tree.map(
                lambda x: x[:, rows], (gathered.inputs, of_rows)
            )
            before = jax.tree.map(lambda x: x[rows], memory)
            value = self.networks.unroll({name: params}, inputs, before)[name]
            if name == "encoder":
                return mean(squares(value, g), valid)
            if name.startswith("q_"):
                value = taken(value, action)
            return mean(jnp.square(value - g), valid)

        epochs, number = train.value_epochs, train.value_minibatches
        batches = deal(key, epochs, number, gathered.inputs.start.shape[1])
        return self.descend(name, hyper.value_rate, hyper, trained, loss, batches)

    def descend(
        self, name: str, rate: Array | float, hyper: Hyperparameters, trained: Trained,
        loss: Callable[[Params, Array], Array], batches: Array,
    ) -> tuple[Trained, Array]:  # fmt: skip
        """Take a gradient step of one network on each minibatch; the last loss comes along."""
        optimizer = {name: adam(rate, hyper.adam_eps, self.config.train.max_grad_norm)}

        def body(carry: tuple, batch: Array) -> tuple[tuple, Array]:
            params, state = carry
            with self.networks.precision():
                value, grads = jax.value_and_grad(loss)(params, batch)
            _, stepped, states = step_down(optimizer, {name: grads}, {name: state}, {name: params})
            return (stepped[name], states[name]), value

        params, opt_state = trained
        carry, seen = jax.lax.scan(body, (params[name], opt_state[name]), batches)
        return (params | {name: carry[0]}, opt_state | {name: carry[1]}), seen[-1]

    def project(
        self, hyper: Hyperparameters, trained: Trained, given: Params, ring: Ring, key: Array
    ) -> tuple[Trained, Array]:
        """Imitate the expert as it is now on what the ring holds; `key` is consumed.

        Returns:
          The parameters and optimisers' states; the last minibatch's divergence.
        """
        params, train = trained[0], self.config.train
        rows = ring.pieces.action_tm1.size // train.batch_rows
        keys = jax.random.split(key, train.epochs)
        dealt = jax.vmap(lambda k: pieces.draw(ring, k, rows, train.batch_rows))
        batches = dealt(keys).reshape(-1, train.batch_rows)

        def loss(student: Params, batch: Array) -> Array:
            slots, action_tm1, memory = pieces.take(ring, batch)
            seen = self.codec.decode(slots, action_tm1)
            before = {"student": memory} if self.remembers("student") else None
            out = self.networks.unroll({"student": student}, seen.inputs, before)["student"]
            return mean(kl(self._expert(params, given, seen.inputs), out), seen.valid)

        return self.descend("student", hyper.learning_rate, hyper, trained, loss, batches)
