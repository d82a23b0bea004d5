"""What policies know and do, measured on episodes; docs/diagnostics.md has the formulas."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax import episode
from adqn_jax.envs.secrets import Secret
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Interaction
from adqn_jax.types import Array, Params
from support.players import Player

_RIDGE = 1.0  # weight of the probe's squared norm, in units of one step's squared error


@dataclasses.dataclass(frozen=True)
class Episodes:
    """Episodes of one seed, NumPy arrays; what is not `valid` is beyond an episode's end."""

    states: Any  # [N, T, ...] privileged
    observations: Any  # [N, T, ...]
    action: np.ndarray  # [N, T] int32; or float32 [N, T, n] of a Box
    reward: np.ndarray  # [N, T]
    valid: np.ndarray  # [N, T] bool
    values: dict[str, np.ndarray]  # [N, T, A] or [N, T] each, by name, such as "Q(h,a)"
    memory: np.ndarray  # [N, T, H] all that the agent remembers

    def taken(self, name: str) -> np.ndarray:
        """Return values of the actions taken, or of the slots, [N, T]."""
        values = self.values[name]
        if values.ndim == 2:
            return values
        return np.take_along_axis(values, self.action[..., None], -1)[..., 0]


def player(
    who: Player, num_episodes: int, greedy: bool | None = None
) -> Callable[[Params, Array], Episodes]:
    """Build `play(params, key)`, which plays episodes, N = `num_episodes`, compiled once.

    Actions are those of `Policy.act`, with its `greedy`.
    """
    policy = who.policy
    assert policy is not None, "somebody must act"
    networks = policy.networks
    codec = SlotCodec(who.env, who.env_params)
    interaction = Interaction(codec)

    @jax.jit
    def play_all(params: Params, key: Array) -> Any:
        actor = networks.actor(params, greedy=greedy)
        played = episode.play(key, interaction, networks, actor, num_episodes)
        rows, leaves = played.rows, jax.tree.leaves(played.memory)
        flat = [x.reshape(*x.shape[:2], -1) for x in leaves]
        # An expert that sees the state remembers nothing.
        memory = jnp.concatenate(flat or [jnp.zeros((*rows.reward.shape, 0))], axis=-1)
        looked = networks.look(params, rows.inputs)
        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (rows, played.first, looked, memory))

    def play(params: Params, key: Array) -> Episodes:
        rows, valid, looked, memory = jax.device_get(play_all(params, key))
        return Episodes(
            states=rows.inputs.state,
            observations=rows.inputs.observation,
            action=rows.action,
            reward=rows.reward,
            valid=valid,
            values=looked,
            memory=memory,
        )

    return play


def measure(episodes: Episodes, secret: Secret | None) -> dict[str, float]:
    """Compute what docs/diagnostics.md lists; `secret` says what there is to find out."""
    valid = episodes.valid
    found = {
        "return": float((episodes.reward * valid).sum(1).mean()),
        "length": float(valid.sum(1).mean()),
    }
    names = short_names(episodes.values)
    for short, name in names.items():
        found[f"mean_{short}"] = float(episodes.taken(name)[valid].mean())
    if {"q", "u"} <= names.keys():
        gap = (episodes.taken(names["u"]) - episodes.taken(names["q"]))[valid]
        found |= {"u_minus_q": float(gap.mean()), "u_q_distance": float(np.abs(gap).mean())}
    if secret is None:
        return found
    told = secret.told(episodes.observations) & valid
    knows = np.cumsum(told, axis=1) > 0
    found["gathers_information"] = float(knows[np.arange(len(valid)), valid.sum(1) - 1].mean())
    hidden = secret.hidden(episodes.states)
    right = probe(episodes.memory, hidden, valid)
    tested = _second_half(valid)
    found["probe_accuracy"] = float(right[tested].mean())
    for name, where in (("before", ~knows), ("after", knows)):
        steps = right[tested & where]
        found[f"probe_accuracy_{name}"] = float(steps.mean()) if steps.size else float("nan")
    return found


def probe(memory: np.ndarray, hidden: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Read the hidden variable off what is remembered, linearly.

    Args:
      memory: float [N, T, H].
      hidden: what is to be read, int [N, T].
      valid: steps that count, bool [N, T].

    Returns:
      Whether the probe, fitted to the first half of the episodes, is right, bool [N, T].
    """
    classes = np.unique(hidden[valid])
    fit = valid & ~_second_half(valid)
    x = np.concatenate([memory, np.ones((*memory.shape[:2], 1))], axis=-1).astype(np.float64)
    targets = (hidden[fit][:, None] == classes) * 2.0 - 1.0
    gram = x[fit].T @ x[fit] + _RIDGE * np.eye(x.shape[-1])
    weights = np.linalg.solve(gram, x[fit].T @ targets)
    read: np.ndarray = classes[np.argmax(x @ weights, axis=-1)]
    return read == hidden


def values_by_step(episodes: Episodes, discount: float) -> list[dict[str, float]]:
    """Average the values of the actions taken, and the return that followed, step by step."""
    valid, steps = episodes.valid, int(episodes.valid.sum(1).max())
    returns = np.zeros(episodes.reward.shape)
    for t in reversed(range(steps)):
        later = returns[:, t + 1] if t + 1 < returns.shape[1] else 0.0
        returns[:, t] = valid[:, t] * (episodes.reward[:, t] + discount * later)
    names = short_names(episodes.values)
    columns = {short: episodes.taken(name) for short, name in names.items()}
    columns["return_to_go"] = returns
    return [
        {"step": t, "episodes": int(valid[:, t].sum())}
        | {name: float(values[valid[:, t], t].mean()) for name, values in columns.items()}
        for t in range(steps)
    ]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return what measures call values: `q` of "Q(h,a)", or all of it where two share a letter."""
    letters = [name.partition("(")[0].lower() for name in names]
    return {
        letter if letters.count(letter) == 1 else name: name
        for letter, name in zip(letters, names, strict=True)
    }


def _second_half(valid: np.ndarray) -> np.ndarray:
    """Return the valid steps of the second half of the episodes, bool [N, T]."""
    return valid & (np.arange(len(valid)) >= len(valid) // 2)[:, None]
