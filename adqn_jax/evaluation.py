"""What a log point shows: episodes played on purpose, and how training stands."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from adqn_jax import rollout
from adqn_jax.agent import Agent, Who
from adqn_jax.rollout import Interaction
from adqn_jax.types import Array, Episode, TrainState

_EVALUATES = 2**31  # folded in: so many children of a key are never drawn by splitting it

Metrics = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Pure functions of a seed's state, which stays as it is."""

    agent: Agent
    interaction: Interaction
    num_episodes: int

    def metrics(self, state: TrainState, hyper: Any) -> Metrics:
        """Play, and collect what a log point shows."""
        played = {name: self.episodes(state, hyper, who) for name, who in self.who(state).items()}
        return self.summary(state, hyper, played)

    def who(self, state: TrainState) -> dict[str, Who]:
        """Return who is evaluated, by name; the agent's policy has none."""
        others = self.agent.others(state.agent)
        return {"": self.agent.policy(state.agent)} | {
            name: who for name, who in others.items() if who is not None
        }

    def keys(self, state: TrainState) -> tuple[Array, Array]:
        """Return what episodes begin by, and a key for each step that the longest may have.

        They are derived from the state's key, not consumed: whether and when one evaluates does not
        change training.
        """
        # A key that is split n times has the children that 0 .. n - 1 folded in give: training's.
        key = jax.random.fold_in(jax.random.fold_in(state.key, _EVALUATES), state.iteration)
        key_reset, key_steps = jax.random.split(key)
        return key_reset, jax.random.split(key_steps, self.agent.plan.longest_episode)

    def episodes(self, state: TrainState, hyper: Any, who: Who = None) -> Episode:
        """Play episodes, leaves [num_episodes].

        The agent's policy acts: as well as it can, unless it is told to draw actions; or somebody
        else, `who`.
        """
        who = self.agent.policy(state.agent) if who is None else who
        act = functools.partial(self.agent.networks.act, who)
        key, keys = self.keys(state)
        memory = self.agent.networks.memory(self.num_episodes)
        streams = self.interaction.start(key, self.num_episodes, memory)

        def body(carry: tuple, key: Array) -> tuple[tuple, None]:
            streams, first, over = carry
            streams, step = self.interaction.step(key, streams, act, hyper.discount)
            first = jax.tree.map(lambda old, new: jnp.where(over, old, new), first, step.episode)
            return (streams, first, over | step.done), None

        carry = (streams, streams.episode, jnp.zeros_like(streams.final))
        (_, episodes, _), _ = jax.lax.scan(body, carry, keys)
        return episodes

    def summary(self, state: TrainState, hyper: Any, played: dict[str, Episode]) -> Metrics:
        """Return what a log point shows; `played` are the episodes of everybody in `who`."""
        episodes, plan = played[""], self.agent.plan
        timesteps = plan.timesteps(state.iteration)
        others = {
            f"{name}_return": played[name if who is not None else ""].undiscounted_return.mean()
            for name, who in self.agent.others(state.agent).items()
        }
        return {
            "timesteps": timesteps,
            "updates": state.iteration * plan.updates_per_iteration,
            **self.agent.annealed(hyper, timesteps),
            "eval_return": episodes.undiscounted_return.mean(),
            "eval_discounted_return": episodes.discounted_return.mean(),
            "eval_length": episodes.length.mean(),
            "eval_success": episodes.success.mean(),
            **others,
            "behaviour_return": rollout.window_mean(state.window),
            "behaviour_episodes": state.window.count,
            "failed": self._failed(state),
            **state.diagnostics,
        }

    def _failed(self, state: TrainState) -> Array:
        """Tell whether training has run into numbers that are not finite, int32 0 or 1."""
        leaves = jax.tree.leaves((self.agent.learned(state.agent), state.diagnostics))
        finite = jnp.array([jnp.isfinite(leaf).all() for leaf in leaves]).all()
        return 1 - finite.astype(jnp.int32)
