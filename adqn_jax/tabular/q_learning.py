"""AQL, asymmetric Q-learning (Algorithm 3 of Baisero, Daley, Amato, UAI 2022), on a history tree.

The sampling loop is compiled, in float64, without touching JAX's global settings.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from adqn_jax.tabular.types import Array, Histories, Model

QUpdate = Literal["printed", "consistent", "weighted"]


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """Values after so many episodes each; S' seeds, K snapshots."""

    episodes: Array  # [K] int
    q: Array  # [S', K, N, A]
    u: Array  # [S', K, N, S, A]


def q_learning(
    model: Model,
    histories: Histories,
    seeds: Array,
    *,
    episodes: int,
    snapshots: int = 20,
    q_update: QUpdate = "printed",
    exponent: float = 0.8,
) -> Learned:
    """Learn Q and U from episodes in which actions are uniformly random.

    A step (h, s, a, r, h', s') gives the target y = r + γ U(h', s', argmax_a' Q(h', a')), and

        U(h,s,a) += α (y - U(h,s,a)),    α = n(h,s,a)^-exponent, n the visits including this one.

    What Q(h,a) adds:

        printed     β (y - Q(h,a)),               β = n(h,a)^-exponent
        consistent  α Pr(s|h) (y - U(h,s,a)),     which keeps Q = E U
        weighted    β Pr(s|h) (y - Q(h,a)),       which tends to an average weighted by Pr(s|h)²

    Args:
      model: the POMDP.
      histories: a tree of its histories.
      seeds: [S'] ints; all run side by side.
      episodes: episodes per seed, rounded up to a multiple of `snapshots`.
      snapshots: how often values are recorded, at equal distances.
      q_update: one of the above.
      exponent: of the step sizes, in (1/2, 1]: their sums diverge and those of their squares do
        not (Robbins and Monro; Equation 15).

    Returns:
      What was learned.

    Raises:
      ValueError: when an argument is out of its range, or `histories` is no tree.
    """
    if q_update not in get_args(QUpdate):
        raise ValueError(f"q_update must be one of {', '.join(get_args(QUpdate))}, got {q_update}")
    if not 0.5 < exponent <= 1.0:
        raise ValueError(f"exponent must be greater than 0.5 and at most 1, got {exponent}")
    if episodes < 1 or snapshots < 1:
        raise ValueError("episodes and snapshots must be at least 1")
    existing = histories.successor < histories.count
    if (histories.successor <= np.arange(histories.count)[:, None, None])[existing].any():
        raise ValueError("q_learning needs a history_tree: in a belief graph episodes have no end")
    per_snapshot = -(-episodes // snapshots)
    with jax.enable_x64(True):
        keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
        learn = _learner(model, histories, q_update, exponent, per_snapshot, snapshots)
        q, u = jax.device_get(jax.jit(jax.vmap(learn))(keys))
    return Learned(per_snapshot * np.arange(1, snapshots + 1), q[:, :, :-1], u[:, :, :-1])


@struct.dataclass
class _Tables:
    """Values and visits; row N, which nothing follows, stays 0."""

    q: jax.Array  # [N+1, A]
    u: jax.Array  # [N+1, S, A]
    q_visits: jax.Array  # [N+1, A]
    u_visits: jax.Array  # [N+1, S, A]


@struct.dataclass
class _Step:
    """A transition; scalars. `history` is N once the episode is over."""

    history: jax.Array
    state: jax.Array
    action: jax.Array
    reward: jax.Array
    next_history: jax.Array
    next_state: jax.Array


def _learner(
    model: Model,
    histories: Histories,
    q_update: QUpdate,
    exponent: float,
    episodes: int,
    snapshots: int,
) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    step = _simulator(model, histories)
    belief = jnp.asarray(np.append(histories.belief, np.zeros((1, len(model.start))), axis=0))
    none = histories.count
    horizon = _depth(histories)
    log_start = _log(model.start)

    def update(tables: _Tables, t: _Step) -> _Tables:
        h, s, a = t.history, t.state, t.action
        live = jnp.where(h < none, 1.0, 0.0)
        q_visits = tables.q_visits.at[h, a].add(1.0)
        u_visits = tables.u_visits.at[h, s, a].add(1.0)
        best = tables.q[t.next_history].argmax()
        target = t.reward + model.discount * tables.u[t.next_history, t.next_state, best]
        u_change = live * u_visits[h, s, a] ** -exponent * (target - tables.u[h, s, a])
        q_change = live * q_visits[h, a] ** -exponent * (target - tables.q[h, a])
        if q_update == "consistent":
            q_change = belief[h, s] * u_change
        elif q_update == "weighted":
            q_change = belief[h, s] * q_change
        q, u = tables.q.at[h, a].add(q_change), tables.u.at[h, s, a].add(u_change)
        return _Tables(q, u, q_visits, u_visits)

    def act(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        tables, history, state = carry
        transition = step(key, history, state)
        following = (transition.next_history, transition.next_state)
        return (update(tables, transition), *following), None

    def episode(tables: _Tables, key: jax.Array) -> tuple[_Tables, None]:
        key_start, key_steps = jax.random.split(key)
        carry = (tables, jnp.asarray(0), jax.random.categorical(key_start, log_start))
        carry, _ = jax.lax.scan(act, carry, jax.random.split(key_steps, horizon))
        return carry[0], None

    def snapshot(tables: _Tables, key: jax.Array) -> tuple[_Tables, tuple[jax.Array, jax.Array]]:
        tables, _ = jax.lax.scan(episode, tables, jax.random.split(key, episodes))
        return tables, (tables.q, tables.u)

    def learn(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        shape = (none + 1, *model.reward.shape)
        q, u = jnp.zeros((none + 1, shape[2])), jnp.zeros(shape)
        return jax.lax.scan(snapshot, _Tables(q, u, q, u), jax.random.split(key, snapshots))[1]

    return learn


def _simulator(model: Model, histories: Histories) -> Callable[..., _Step]:
    """Return `(key, history, state) -> _Step` of a uniformly random action."""
    none, actions = histories.count, model.reward.shape[1]
    log_transition, log_observation = _log(model.transition), _log(model.observation)
    reward = jnp.asarray(model.reward)
    terminal = np.zeros(model.reward.shape, bool) if model.terminal is None else model.terminal
    ends = jnp.asarray(terminal)
    stay = np.full((1, *histories.successor.shape[1:]), none)
    successor = jnp.asarray(np.concatenate([histories.successor, stay]))

    def step(key: jax.Array, history: jax.Array, state: jax.Array) -> _Step:
        key_action, key_state, key_observation = jax.random.split(key, 3)
        action = jax.random.randint(key_action, (), 0, actions)
        next_state = jax.random.categorical(key_state, log_transition[state, action])
        seen = jax.random.categorical(key_observation, log_observation[action, next_state])
        following = jnp.where(ends[state, action], none, successor[history, action, seen])
        return _Step(history, state, action, reward[state, action], following, next_state)

    return step


def _log(probability: Array) -> Any:
    with np.errstate(divide="ignore"):  # the logarithm of 0 is never drawn
        return jnp.asarray(np.log(probability))


def _depth(histories: Histories) -> int:
    """Return the most actions that a tree has room for."""
    depth, level = 0, np.array([0])
    while len(level):
        level = histories.successor[level].ravel()
        level = np.unique(level[level < histories.count])
        depth += 1
    return depth
