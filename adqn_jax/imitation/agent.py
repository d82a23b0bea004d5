"""A2D, imitation of a given expert, and the expert itself, as an agent."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.discrete import entropy
from adqn_jax.imitation import improvement, pieces
from adqn_jax.imitation.algorithms import Algorithm, get_algorithm
from adqn_jax.imitation.config import Config, Hyperparameters
from adqn_jax.imitation.learner import Learner, Lesson, Trained
from adqn_jax.imitation.networks import ImitationNetworks, Mixture, make_networks
from adqn_jax.imitation.pieces import Ring
from adqn_jax.imitation.plan import buffer_pieces, plan_of
from adqn_jax.imitation.slots import divergence, mean
from adqn_jax.plan import Plan
from adqn_jax.replay import SlotCodec
from adqn_jax.spaces import Spaces
from adqn_jax.teacher import Teacher
from adqn_jax.types import Array, Params, PyTree, Rollout, Transition

_NEGLIGIBLE = 1e-3  # a smaller β is 0


@struct.dataclass
class ImitationState:
    """What imitation keeps of a seed."""

    params: Params  # of all networks that learn
    given: Params  # the given expert's; empty where the expert learns
    opt_state: PyTree
    memory: dict[str, PyTree]  # [E, ...] of each value that has one, before the next rollout
    ring: Ring | None  # what the student learns from; None without a student


@dataclasses.dataclass(frozen=True)
class ImitationAgent:
    """Expert and student act in turns, and the student learns from the expert; `agent.Agent`."""

    config: Config
    algorithm: Algorithm
    plan: Plan
    networks: ImitationNetworks
    learner: Learner
    codec: SlotCodec

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Names of what `learn` reports."""
        names: list[str] = []
        if self.algorithm.expert == "learnt":
            names += ["loss_v_expert", "mean_v", "mean_entropy", "kl"]
            names += ["step_length"] if self.config.loss.policy_step == "trpo" else []
            values = [name for name in self.networks.models if name.startswith(("q_", "v_"))]
            names += [f"loss_{name}" for name in values if name != "v_expert"]
        names += ["loss_encoder"] if self.algorithm.encodes else []
        if self.algorithm.student != "none":
            names += ["loss_student", "divergence"]
            names += ["mean_weight"] if self.algorithm.expert == "learnt" else []
        return tuple(names)

    def init(self, key: Array, example: Transition) -> ImitationState:
        """Draw parameters; memories are empty, and so is what the student learns from."""
        rows = self.codec.decode(jax.tree.map(lambda x: x[None], example))
        params = self.networks.init(key, rows.inputs)
        streams, models, remembers = (
            self.plan.num_envs,
            self.networks.models,
            self.learner.remembers,
        )
        ring = None
        if self.algorithm.student != "none":
            memory = models["student"].memory(streams) if remembers("student") else ()
            size = buffer_pieces(self.config)
            ring = pieces.empty(example, memory, size, self.plan.row_length)
        values = [name for name in models if name.startswith(("v_", "q_")) and remembers(name)]
        return ImitationState(
            params=params,
            given={} if self.networks.teacher is None else self.networks.teacher.params,
            opt_state=self.learner.init_opt_state(params),
            memory={name: models[name].memory(streams) for name in values},
            ring=ring,
        )

    def novice(self, state: ImitationState) -> Mixture:
        """Return who acts at random."""
        return self.networks.actor(state.params, 1.0)

    def behaviour(self, state: ImitationState, hyper: Hyperparameters, timesteps: Array) -> Mixture:
        """Return expert and student, of which either acts in every slot; or the expert alone."""
        if self.algorithm.student == "none":
            return self.networks.actor(state.params, greedy=False)
        return self._mixture(state, self._beta(hyper, timesteps))

    def _mixture(self, state: ImitationState, beta: Array | float) -> Mixture:
        expert = state.params.get("expert", state.given)
        return Mixture(expert, state.params.get("student"), beta, 0.0, greedy=False)

    def _beta(self, hyper: Hyperparameters, timesteps: Array) -> Array:
        """Return β of the iteration that begins after so many timesteps."""
        if self.algorithm.student == "none":
            return jnp.float32(1.0)
        iteration = timesteps // self.plan.timesteps_per_iteration
        beta = hyper.beta_start * jnp.asarray(hyper.beta_decay, jnp.float32) ** iteration
        return jnp.where(beta < _NEGLIGIBLE, 0.0, beta)

    def policy(self, state: ImitationState) -> Mixture:
        """Return the student, or the expert where there is none."""
        return self.networks.actor(state.params)

    def others(self, state: ImitationState) -> dict[str, Mixture | None]:
        """Return the same acting greedily and drawing actions, and the student's expert."""
        others: dict[str, Mixture | None] = {
            name: None
            if greedy == self.networks.greedy
            else self.networks.actor(state.params, greedy=greedy)
            for name, greedy in (("greedy", True), ("sampled", False))
        }
        if self.algorithm.student != "none":
            others["expert"] = dataclasses.replace(self._mixture(state, 1.0), student=None)
        return others

    def deployed(self, state: ImitationState) -> Params:
        """Return the parameters of who is trained for."""
        names = [self.networks.deployed] + ["encoder"] * self.algorithm.encodes
        return {name: state.params[name] for name in names}

    def warm_up(self, state: ImitationState, rollout: Rollout) -> ImitationState:
        """Learn nothing of what somebody else did."""
        return state

    def learn(
        self, state: ImitationState, rollout: Rollout, hyper: Hyperparameters, timesteps: Array,
        key: Array,
    ) -> tuple[ImitationState, dict[str, Array]]:  # fmt: skip
        """Let the expert improve on what happened, and the student imitate it as it is then."""
        beta = self._beta(hyper, timesteps - self.plan.timesteps_per_iteration)
        gathered, before = self.learner.gather(state.params, rollout, state.memory)
        trained: Trained = (state.params, state.opt_state)
        seen: dict[str, Array] = {}
        key_expert, key_student = jax.random.split(key)
        if self.algorithm.encodes:
            trained, seen = self._encode(hyper, trained, gathered, timesteps, key_expert)
        elif self.algorithm.expert == "learnt":
            trained, seen = self._reinforce(hyper, trained, beta, gathered, key_expert)
        ring = state.ring
        if ring is not None:
            length = self.plan.row_length
            new = pieces.make_pieces(rollout, gathered.rows.inputs, before, length)
            ring = pieces.add(ring, new)
            trained, loss = self.learner.project(hyper, trained, state.given, ring, key_student)
            log_probs = self.learner.log_probs(trained[0], state.given, gathered)
            seen["loss_student"] = loss
            seen["divergence"] = divergence(log_probs, gathered.rows.valid)
        memory = {name: gathered.memory_after[name] for name in state.memory}
        return ImitationState(trained[0], state.given, trained[1], memory, ring), seen

    def _encode(
        self, hyper: Hyperparameters, trained: Trained, gathered: Lesson, timesteps: Array,
        key: Array,
    ) -> tuple[Trained, dict[str, Array]]:  # fmt: skip
        """Train the encoder at first, and from then on the expert that sees by it."""
        learner, state = self.learner, gathered.rows.inputs.state
        error = learner.encoder_error(trained[0], gathered)

        def see() -> tuple[Trained, dict[str, Array]]:
            seen = {name: jnp.float32(0.0) for name in self.diagnostics}
            return learner.regress("encoder", hyper, trained, gathered, state, key)[0], seen

        def act() -> tuple[Trained, dict[str, Array]]:
            encoded = learner.encoded(trained[0], gathered)
            after, seen = self._reinforce(hyper, trained, jnp.float32(1.0), encoded, key)
            return after, seen | {"loss_encoder": jnp.float32(0.0)}

        # A counter shared by all seeds keeps it a branch under `vmap`.
        early = timesteps <= self.config.train.encoder_timesteps
        trained, seen = jax.lax.cond(early, see, act)
        return trained, seen | {"loss_encoder": error}

    def _reinforce(
        self, hyper: Hyperparameters, trained: Trained, beta: Array, gathered: Lesson, key: Array
    ) -> tuple[Trained, dict[str, Array]]:
        """Fit the values, and move the expert: steps 3 and 4 of Algorithm 1."""
        learner, valid = self.learner, gathered.rows.valid
        lam, one = jnp.asarray(hyper.return_lambda), jnp.float32(1.0)
        key_step, *keys = jax.random.split(key, 5)
        names = iter(keys)
        found = learner.returns(hyper, trained[0], beta, gathered, lam)
        seen: dict[str, Array] = {}

        def fit(name: str, target: Array) -> None:
            nonlocal trained
            trained, seen[f"loss_{name}"] = learner.regress(
                name, hyper, trained, gathered, target, next(names)
            )

        if self.config.loss.advantage == "q":
            whole, _ = learner.returns(hyper, trained[0], beta, gathered, one)
            for name in ("q_expert", "q_student"):
                if name in trained[0]:
                    fit(name, whole)
        log_probs = learner.log_probs(trained[0], {}, gathered)
        advantage = improvement.advantages(
            hyper, learner, trained[0], beta, gathered, found, log_probs["expert"]
        )
        weight = improvement.weights(log_probs, gathered.rows.action, beta)
        fit("v_expert", found[0])
        trained, measured = improvement.improve(
            hyper, learner, trained, gathered, log_probs["expert"], weight * advantage, key_step
        )
        if "v_student" in trained[0]:
            fit("v_student", learner.returns(hyper, trained[0], beta, gathered, lam)[0])
            seen["mean_weight"] = mean(weight, valid)
        seen["mean_v"] = mean(found[1], valid)
        seen["mean_entropy"] = mean(entropy(log_probs["expert"]), valid)
        return trained, seen | measured

    def annealed(self, hyper: Hyperparameters, timesteps: Array) -> dict[str, Array]:
        """Return the probability that the expert acts."""
        return {} if self.algorithm.student == "none" else {"beta": self._beta(hyper, timesteps)}

    def params(self, state: ImitationState) -> Params:
        """Return those of all networks that learn: a given expert has a file of its own."""
        return state.params

    def learned(self, state: ImitationState) -> PyTree:
        """Return the networks."""
        return state.params

    def parts(self, state: ImitationState) -> dict[str, Any]:
        """Name the parts of a state that take memory."""
        return {
            "networks": (state.params, state.given),
            "optimiser": state.opt_state,
            "memory of values": state.memory,
            "student's buffer": state.ring,
        }


def make_agent(config: Config, codec: SlotCodec, teacher: Teacher | None = None) -> ImitationAgent:
    """Choose networks and schedule for an environment.

    Args:
      config: the run.
      codec: knows the environment.
      teacher: the expert, for algorithms that are given one.

    Raises:
      ValueError: when the configuration contradicts itself or the environment, or there is no
        expert where one is needed, or one where none is.
    """
    algorithm = get_algorithm(config.algorithm)
    if (algorithm.expert == "given") != (teacher is not None):
        needs = "needs an expert" if teacher is None else "trains an expert, and takes none"
        raise ValueError(f"{algorithm.name} {needs} (--expert, the file of a policy)")
    plan = plan_of(config, codec.longest_episode)
    networks = make_networks(config, Spaces.of(codec.env, codec.env_params), teacher)
    learner = Learner(networks, config, codec)
    return ImitationAgent(config, algorithm, plan, networks, learner, codec)
