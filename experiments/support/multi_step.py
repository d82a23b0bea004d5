"""Bias and variance of n-step returns, exactly: of an actor-critic on the book's foraging task."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax import envs, make_trainer, seed_keys
from adqn_jax.envs.foraging import ForagingState
from adqn_jax.types import Inputs
from support import presets

#: Rewards after which none is left to speak of, where a discount is below 1.
_FOREVER = 2_000


@dataclasses.dataclass(frozen=True)
class Table:
    """Every step of a task whose steps are certain: S states, A actions."""

    states: Any  # the simulator's, leaves [S, ...]
    successor: np.ndarray  # [S, A] int, -1 after the end
    reward: np.ndarray  # [S, A] float
    start: np.ndarray  # [S] float, probabilities


@dataclasses.dataclass(frozen=True)
class Moments:
    """Of returns of n steps from each state, [S]."""

    mean: np.ndarray
    variance: np.ndarray


def foraging() -> Table:
    """Ask `foraging` for all its steps; a state is the item's cell, then the agent's."""
    env, params = envs.make("foraging")
    cells = np.array(list(itertools.product(range(8), range(8))))
    inner = np.asarray(((cells > 0) & (cells < 7)).all(1))
    items, agents = (x.ravel() for x in np.meshgrid(np.arange(64), np.arange(64), indexing="ij"))
    states = ForagingState(
        agents=jnp.asarray(cells[agents][:, None], jnp.int8),
        agent_levels=jnp.ones((4096, 1), jnp.int8),
        items=jnp.asarray(cells[items][:, None], jnp.int8),
        item_levels=jnp.ones((4096, 1), jnp.int8),
        time=jnp.zeros(4096, jnp.int32),
    )
    step = jax.vmap(lambda s, a: env.step_env(jax.random.key(0), s, a, params)[1:4], (None, 0))
    after, reward, over = jax.jit(jax.vmap(step, (0, None)))(states, jnp.arange(6))
    where = np.asarray(after.agents).astype(int)[..., 0, :] @ (8, 1)
    successor = np.where(over, -1, items[:, None] * 64 + where)
    # The agent is placed first, anywhere; the item then on any inner cell but the agent's.
    start = (inner[items] & (items != agents)) / 64.0
    start /= start.reshape(64, 64).sum(0)[agents] * 64.0
    return Table(states, successor, np.asarray(reward, np.float64), start)


def moments(
    table: Table, policy: np.ndarray, critic: np.ndarray, discount: float, n: int
) -> Moments:
    """Return mean and variance of n rewards and the critic's value, by recursion over n.

    X_n = r + γ X_{n-1}(s'), X_0 = V, and X = 0 after the end: E X_n and E X_n² follow from those of
    n - 1, as steps are certain and only actions are drawn.

    Args:
      table: the task.
      policy: probabilities, [S, A].
      critic: V, [S].
      discount: γ.
      n: rewards, at least 0.
    """
    first, second = np.append(critic, 0.0), np.append(critic**2, 0.0)
    r = table.reward
    for _ in range(n):
        next_first, next_second = first[table.successor], second[table.successor]
        squares = r**2 + 2.0 * discount * r * next_first + discount**2 * next_second
        first = np.append((policy * (r + discount * next_first)).sum(1), 0.0)
        second = np.append((policy * squares).sum(1), 0.0)
    return Moments(first[:-1], second[:-1] - first[:-1] ** 2)


def visits(table: Table, policy: np.ndarray, steps: int) -> np.ndarray:
    """Return the share of an episode's slots that each state has, [S], over so many steps."""
    here = np.append(table.start, 0.0)
    total = np.zeros_like(here)
    for _ in range(steps):
        total += here
        there = np.zeros_like(here)
        np.add.at(there, table.successor, policy * here[:-1, None])
        there[-1] = 0.0
        here = there
    return np.asarray(total[:-1] / total[:-1].sum())


def bias_and_variance(
    table: Table, policy: np.ndarray, critic: np.ndarray, discount: float, lengths: Sequence[int]
) -> list[dict[str, float]]:
    """Measure returns of several lengths, and of all rewards, over the states that are visited.

    Returns:
      A row for each length: `n`, inf for all rewards; `bias`, the mean of |E G - V^π|;
      `variance`, the mean of Var G.
    """
    weight = visits(table, policy, 50)
    whole = moments(table, policy, np.zeros_like(critic), discount, _FOREVER)
    rows = []
    for n in lengths:
        some = moments(table, policy, critic, discount, n)
        bias = float(weight @ np.abs(some.mean - whole.mean))
        rows.append({"n": n, "bias": bias, "variance": float(weight @ some.variance)})
    return [*rows, {"n": np.inf, "bias": 0.0, "variance": float(weight @ whole.variance)}]


def train(table: Table, timesteps: int, seeds: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Train A2C by the book's settings.

    Returns:
      Probabilities, [seeds, S, A]; the critic's values, [seeds, S]; the discount.
    """
    env, params = envs.make("foraging")
    trainer = make_trainer(presets.preset("paper", "foraging", "a2c"), env, params)
    hyper = trainer.config.hyper
    observation = jax.vmap(lambda s: env.get_obs(s, params))(table.states)
    some = jnp.zeros(len(table.start), jnp.int32)
    inputs = Inputs(observation, None, some, some == 0)
    rows = jax.tree.map(lambda x: x[None], inputs)  # one slot each

    def run(key: jax.Array) -> dict[str, jax.Array]:
        iterations = timesteps // trainer.plan.timesteps_per_iteration
        state = trainer.iterate(trainer.init(key), hyper, iterations)
        return trainer.agent.networks.look(state.agent.params, rows)

    looked = jax.jit(jax.vmap(run))(seed_keys(jax.random.key(0), seeds))
    policy, critic = (np.asarray(looked[name], np.float64)[:, 0] for name in ("pi(a|h)", "V(h)"))
    return policy / policy.sum(-1, keepdims=True), critic, hyper.discount
