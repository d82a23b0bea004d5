"""AQL, asymmetric Q-learning, on a history tree; and what it is without U, or with two tables.

AQL is Algorithm 3 of Baisero, Daley, Amato (UAI 2022). Without U in the target,
y = r + γ max_a' Q(h',a'), it is Q-learning on histories: Q tends to the same, U no longer to U*.

Two tables are double Q-learning's (Hasselt, NeurIPS 2010, Algorithm 1). A coin says which pair
(Q_A, U_A), with visits of its own, is updated; the other says what A's best next action is worth:

    y = r + γ U_B(h', s', a*)  or  r + γ Q_B(h', a*),    a* = argmax_a' Q_A(h', a')

Once Q_B = E U_B, both have the same mean given h, a and o. The sampling loop is compiled, in
float64, without touching JAX's global settings.
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
Bootstrap = Literal["u", "q"]


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """Values after so many episodes each; S' seeds, K snapshots. Of two tables: their mean."""

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
    bootstrap: Bootstrap = "u",
    double: bool = False,
    exponent: float = 0.8,
) -> Learned:
    """Learn Q and U from episodes in which actions are uniformly random.

    A step (h, s, a, r, h', s') gives the target y = r + γ U(h', s', argmax_a' Q(h', a')), and

        U(h,s,a) += α (y - U(h,s,a)),    α = n(h,s,a)^-exponent, n the visits including this one.

    What Q(h,a) adds:

        printed     β (y - Q(h,a)),               β = n(h,a)^-exponent
        consistent  α Pr(s|h) (y - U(h,s,a)),     which keeps Q = E U
        weighted    β Pr(s|h) (y - Q(h,a)),       which tends to an average weighted by Pr(s|h)²

    The module's docstring says what y is without U and with two tables.

    Args:
      model: the POMDP.
      histories: a tree of its histories.
      seeds: [S'] ints; all run side by side.
      episodes: episodes per seed, rounded up to a multiple of `snapshots`.
      snapshots: how often values are recorded, at equal distances.
      q_update: one of the above.
      bootstrap: the value in y, "u" for U(h',s',·) or "q" for Q(h',·).
      double: whether there are two tables.
      exponent: of the step sizes, in (1/2, 1]: their sums diverge and those of their squares do
        not (Robbins and Monro; Equation 15).

    Returns:
      What was learned.

    Raises:
      ValueError: when an argument is out of its range, or `histories` is no tree.
    """
    rule = _Rule(q_update, bootstrap, 2 if double else 1, exponent)
    if episodes < 1 or snapshots < 1:
        raise ValueError("episodes and snapshots must be at least 1")
    existing = histories.successor < histories.count
    if (histories.successor <= np.arange(histories.count)[:, None, None])[existing].any():
        raise ValueError("q_learning needs a history_tree: in a belief graph episodes have no end")
    per_snapshot = -(-episodes // snapshots)
    with jax.enable_x64(True):
        keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
        learn = _learner(model, histories, rule, per_snapshot, snapshots)
        q, u = jax.device_get(jax.jit(jax.vmap(learn))(keys))
    return Learned(per_snapshot * np.arange(1, snapshots + 1), q[:, :, :-1], u[:, :, :-1])


@dataclasses.dataclass(frozen=True)
class _Rule:
    """What an update does; the fields are arguments of `q_learning`, and it checks them."""

    q_update: QUpdate
    bootstrap: Bootstrap
    tables: int  # D, 2 if double
    exponent: float

    def __post_init__(self) -> None:
        for name, known in (("q_update", get_args(QUpdate)), ("bootstrap", get_args(Bootstrap))):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value}")
        if not 0.5 < self.exponent <= 1.0:
            raise ValueError(
                f"exponent must be greater than 0.5 and at most 1, got {self.exponent}"
            )


@struct.dataclass
class _Tables:
    """Values and visits, D of each; row N, which nothing follows, stays 0."""

    q: jax.Array  # [D, N+1, A]
    u: jax.Array  # [D, N+1, S, A]
    q_visits: jax.Array  # [D, N+1, A]
    u_visits: jax.Array  # [D, N+1, S, A]


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
    model: Model, histories: Histories, rule: _Rule, episodes: int, snapshots: int
) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """Return `key -> (Q [K, N+1, A], U [K, N+1, S, A])`, K = `snapshots` of so many episodes."""
    step, update = _simulator(model, histories), _updater(model, histories, rule)
    horizon = _depth(histories)
    log_start = _log(model.start)

    def act(carry: tuple, key: jax.Array) -> tuple[tuple, None]:
        tables, history, state = carry
        which: Any = 0
        if rule.tables > 1:  # one table draws no coin: its numbers are those of Algorithm 3
            key, key_coin = jax.random.split(key)
            which = jax.random.randint(key_coin, (), 0, rule.tables)
        transition = step(key, history, state)
        following = (transition.next_history, transition.next_state)
        return (update(tables, transition, which), *following), None

    def episode(tables: _Tables, key: jax.Array) -> tuple[_Tables, None]:
        key_start, key_steps = jax.random.split(key)
        carry = (tables, jnp.asarray(0), jax.random.categorical(key_start, log_start))
        carry, _ = jax.lax.scan(act, carry, jax.random.split(key_steps, horizon))
        return carry[0], None

    def snapshot(tables: _Tables, key: jax.Array) -> tuple[_Tables, tuple[jax.Array, jax.Array]]:
        tables, _ = jax.lax.scan(episode, tables, jax.random.split(key, episodes))
        return tables, (tables.q.mean(0), tables.u.mean(0))

    def learn(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        states, actions = model.reward.shape
        q = jnp.zeros((rule.tables, histories.count + 1, actions))
        u = jnp.zeros((rule.tables, histories.count + 1, states, actions))
        return jax.lax.scan(snapshot, _Tables(q, u, q, u), jax.random.split(key, snapshots))[1]

    return learn


def _updater(
    model: Model, histories: Histories, rule: _Rule
) -> Callable[[_Tables, _Step, Any], _Tables]:
    """Return `(tables, transition, which) -> tables`, an update of the table `which`."""
    belief = jnp.asarray(np.append(histories.belief, np.zeros((1, len(model.start))), axis=0))

    def update(tables: _Tables, t: _Step, which: Any) -> _Tables:
        other = rule.tables - 1 - which  # of one table: itself
        h, s, a = t.history, t.state, t.action
        live = jnp.where(h < histories.count, 1.0, 0.0)
        q_visits = tables.q_visits.at[which, h, a].add(1.0)
        u_visits = tables.u_visits.at[which, h, s, a].add(1.0)
        best = tables.q[which, t.next_history].argmax()
        if rule.bootstrap == "u":
            value = tables.u[other, t.next_history, t.next_state, best]
        else:
            value = tables.q[other, t.next_history, best]
        target = t.reward + model.discount * value
        u_change = target - tables.u[which, h, s, a]
        u_change *= live * u_visits[which, h, s, a] ** -rule.exponent
        q_change = target - tables.q[which, h, a]
        q_change *= live * q_visits[which, h, a] ** -rule.exponent
        if rule.q_update == "consistent":
            q_change = belief[h, s] * u_change
        elif rule.q_update == "weighted":
            q_change = belief[h, s] * q_change
        q = tables.q.at[which, h, a].add(q_change)
        u = tables.u.at[which, h, s, a].add(u_change)
        return _Tables(q, u, q_visits, u_visits)

    return update


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
