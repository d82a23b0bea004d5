"""Learned values against exact ones, along the histories that a policy visits."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from adqn_jax import episode
from adqn_jax.rollout import Interaction
from adqn_jax.tabular.iteration import Solution
from adqn_jax.tabular.types import Array, Histories
from adqn_jax.types import PyTree, Rows
from adqn_jax.value import ValueNetworks


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Averages over visited histories, and all actions; NaN where there is no U."""

    q_error: float
    """|Q(h,a) - Q*(h,a)|."""
    u_error: float
    """|U(h,s,a) - U*(h,s,a)|, at the true state."""
    gap: float
    """|Q(h,a) - Σ_s Pr(s|h) U(h,s,a)|, how far Q and U are from being consistent."""
    exact_gap: float
    """|Q*(h,a) - U*(h,s,a)| at the true state: what the state tells and the history does not."""
    regret: float
    """V*(h) - Q*(h, argmax_a Q(h,a)), what the greedy action costs."""
    overestimation: float
    """max_a Q(h,a) - V*(h), signed: what is promised beyond what can be had."""


def make_comparison(
    interaction: Interaction,
    networks: ValueNetworks,
    histories: Histories,
    exact: Solution,
    *,
    streams: int = 64,
    epsilon: float = 0.0,
) -> Callable[[PyTree, jax.Array], Comparison]:
    """Compile a comparison for networks in an environment.

    Each of `streams` environments is played for one time limit's steps; episodes follow one
    another.

    Args:
      interaction: its environment must have the states and observations of the model that
        `histories` and `exact` come from, and show its privileged state as the state's index.
      networks: Q and perhaps U.
      histories: the model's histories; a belief graph, or a tree no shorter than the time limit.
      exact: the model's optimum. It knows no time limit, so neither does the comparison.
      streams: environments played.
      epsilon: probability of a random action; 0 visits what the greedy policy does.

    Returns:
      `(params, key) -> Comparison`, which consumes the key. It raises a ValueError when the
      environment shows something that cannot happen in the model.
    """

    @jax.jit
    def play(params: PyTree, key: jax.Array) -> Rows:
        who = networks.actor(params, epsilon)
        return episode.play(key, interaction, networks, who, streams).rows

    unroll = jax.jit(networks.unroll)

    def compare(params: PyTree, key: jax.Array) -> Comparison:
        rows = jax.device_get(play(params, key))
        history = locate(histories, rows)
        values = jax.device_get(unroll(params, rows.inputs))
        if values.u is None:
            expected = u = np.full(values.q.shape, np.nan)
        else:
            u, expected = values.u, np.zeros(values.q.shape)
            for state, weight in _possible_states(histories, history):
                imagined = dataclasses.replace(rows.inputs, state=state)
                expected += weight[..., None] * jax.device_get(unroll(params, imagined)).u
        return _summarise(rows, history, exact, values.q, u, expected)

    return compare


def locate(histories: Histories, rows: Rows) -> Array:
    """Return the history that each slot of rows stands at, int [T, B].

    Raises:
      ValueError: when an observation has probability 0 there.
    """
    inputs = rows.inputs
    history = np.zeros(inputs.start.shape, int)
    for t in range(1, len(history)):  # slot 0 starts an episode
        seen = np.where(inputs.start[t], 0, inputs.observation[t])  # nothing is seen at a start
        followed = histories.successor[history[t - 1], inputs.action_tm1[t], seen]
        history[t] = np.where(inputs.start[t], 0, followed)
        if (history[t] == histories.count).any():
            raise ValueError("the environment showed what is impossible in the model")
    return history


def _possible_states(histories: Histories, history: Array) -> list[tuple[Array, Array]]:
    """Return, one by one, the states that each history leaves possible, and their probability."""
    most = int((histories.belief > 0.0).sum(-1).max())
    order = np.argsort(-histories.belief, axis=-1, kind="stable")[:, :most]
    weight = np.take_along_axis(histories.belief, order, axis=-1)
    return [
        (order[history, i].astype(np.int32), weight[history, i].astype(np.float32))
        for i in range(most)
    ]


def _summarise(
    rows: Rows, history: Array, exact: Solution, q: Array, u: Array, expected: Array
) -> Comparison:
    exact_q, exact_u = exact.q[history], exact.u[history, rows.inputs.state]  # [T, B, A]
    chosen = np.take_along_axis(exact_q, q.argmax(-1)[..., None], axis=-1)[..., 0]

    def mean(x: Array) -> float:
        return float(x[np.asarray(rows.valid)].mean())

    return Comparison(
        q_error=mean(np.abs(q - exact_q)),
        u_error=mean(np.abs(u - exact_u)),
        gap=mean(np.abs(q - expected)),
        exact_gap=mean(np.abs(exact_q - exact_u)),
        regret=mean(exact_q.max(-1) - chosen),
        overestimation=mean(q.max(-1) - exact_q.max(-1)),
    )
