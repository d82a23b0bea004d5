"""Play episodes with the policies of a run, and measure what they know and do.

Prints a table and writes <run>/diagnostics.csv, a row per seed and measure, and
<run>/values.csv, values over an episode, a row per seed and step. docs/diagnostics.md has the
formulas.
"""

import csv
import dataclasses
import pathlib
import sys
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import cli
from adqn_jax import load_policy
from adqn_jax.types import Array, Params
from episode import Setting, play_slots, setting
from estimates import estimate
from hidden import Secret, secret_of

_RIDGE = 1.0  # weight of the probe's squared norm, in units of one step's squared error
_ROOT = 1_000_003


@dataclasses.dataclass(frozen=True)
class Episodes:
    """Greedy episodes of one seed, NumPy arrays; what is not `valid` is beyond an episode's end."""

    states: Any  # [N, T, ...] privileged
    observations: Any  # [N, T, ...]
    action: np.ndarray  # [N, T] int32
    reward: np.ndarray  # [N, T]
    valid: np.ndarray  # [N, T] bool
    q: np.ndarray  # [N, T, A] Q(h,.)
    u: np.ndarray | None  # [N, T, A] U(h,s,.) or U(s,.)
    history: np.ndarray  # [N, T, H]


def player(who: Setting, num_episodes: int) -> Callable[[Params, Array], Episodes]:
    """Build `play(params, key)`, which plays greedy episodes, N = `num_episodes`, compiled once."""
    policy = who.policy
    assert policy is not None

    @jax.jit
    def play_all(params: Params, key: Array) -> tuple:
        acting = dataclasses.replace(policy, params=params)
        slots = jax.vmap(lambda key: play_slots(key, who.env, who.env_params, acting, 0.0))(
            jax.random.split(key, num_episodes)
        )
        time_first = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), slots.rows)
        u = policy.networks.unroll(params, time_first).u
        return slots.rows, slots.q, None if u is None else jnp.swapaxes(u, 0, 1), slots.history

    def play(params: Params, key: Array) -> Episodes:
        rows, q, u, history = jax.device_get(play_all(params, key))
        done = rows.terminated | rows.truncated
        return Episodes(
            states=rows.state,
            observations=rows.observation,
            action=rows.action,
            reward=rows.reward,
            valid=np.cumsum(done, axis=1) - done == 0,
            q=q,
            u=u,
            history=history,
        )

    return play


def measure(episodes: Episodes, secret: Secret | None) -> dict[str, float]:
    """Compute what docs/diagnostics.md lists; `secret` says what there is to find out."""
    valid = episodes.valid
    taken = _taken(episodes.q, episodes.action)
    found = {
        "return": float((episodes.reward * valid).sum(1).mean()),
        "length": float(valid.sum(1).mean()),
        "mean_q": float(taken[valid].mean()),
    }
    if episodes.u is not None:
        gap = (_taken(episodes.u, episodes.action) - taken)[valid]
        found |= {"u_minus_q": float(gap.mean()), "u_q_distance": float(np.abs(gap).mean())}
    if secret is None:
        return found
    told = secret.told(episodes.observations) & valid
    knows = np.cumsum(told, axis=1) > 0
    found["gathers_information"] = float(knows[np.arange(len(valid)), valid.sum(1) - 1].mean())
    hidden = secret.hidden(episodes.states)
    right = probe(episodes.history, hidden, valid)
    tested = _second_half(valid)
    found["probe_accuracy"] = float(right[tested].mean())
    for name, where in (("before", ~knows), ("after", knows)):
        of_steps = right[tested & where]
        found[f"probe_accuracy_{name}"] = float(of_steps.mean()) if of_steps.size else float("nan")
    return found


def probe(history: np.ndarray, hidden: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Read the hidden variable off the history, linearly.

    Args:
      history: float [N, T, H].
      hidden: what is to be read, int [N, T].
      valid: steps that count, bool [N, T].

    Returns:
      Whether the probe, fitted to the first half of the episodes, is right, bool [N, T].
    """
    classes = np.unique(hidden[valid])
    fit = valid & ~_second_half(valid)
    x = np.concatenate([history, np.ones((*history.shape[:2], 1))], axis=-1).astype(np.float64)
    targets = (hidden[fit][:, None] == classes) * 2.0 - 1.0
    gram = x[fit].T @ x[fit] + _RIDGE * np.eye(x.shape[-1])
    weights = np.linalg.solve(gram, x[fit].T @ targets)
    read: np.ndarray = classes[np.argmax(x @ weights, axis=-1)]
    return read == hidden


def values_by_step(episodes: Episodes, discount: float) -> list[dict[str, float]]:
    """Average Q and U of the actions taken, and the return that followed, step by step."""
    valid, steps = episodes.valid, int(episodes.valid.sum(1).max())
    returns = np.zeros(episodes.reward.shape)
    for t in reversed(range(steps)):
        later = returns[:, t + 1] if t + 1 < returns.shape[1] else 0.0
        returns[:, t] = valid[:, t] * (episodes.reward[:, t] + discount * later)
    columns = {"q": _taken(episodes.q, episodes.action), "return_to_go": returns}
    if episodes.u is not None:
        columns["u"] = _taken(episodes.u, episodes.action)
    return [
        {"step": t, "episodes": int(valid[:, t].sum())}
        | {name: float(values[valid[:, t], t].mean()) for name, values in columns.items()}
        for t in range(steps)
    ]


def _taken(values: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Return the values of the actions taken, [N, T]."""
    return np.take_along_axis(values, action[..., None], -1)[..., 0]


def _second_half(valid: np.ndarray) -> np.ndarray:
    """Return the valid steps of the second half of the episodes, bool [N, T]."""
    return valid & (np.arange(len(valid)) >= len(valid) // 2)[:, None]


def diagnose(run: Annotated[pathlib.Path, tyro.conf.Positional], episodes: int = 64) -> None:
    """Measure the policies of a run.

    Args:
      run: a run folder that holds policies, <out>/<env>/<algo>/<name>.
      episodes: greedy episodes of each seed; two at least.
    """
    paths = sorted((run / "policy").glob("*.npz"))
    if not paths:
        raise ValueError(f"{run} holds no policies: run.py writes them when it is done")
    if episodes < 2:
        raise ValueError(f"episodes must be at least 2, got {episodes}")
    who = setting(None, paths[0])
    assert who.policy is not None
    play, secret = player(who, episodes), secret_of(who.env)
    discount = float(who.policy.config.hyper.discount)
    measures, values = [], []
    for path in paths:
        policy = load_policy(path)
        seed = {"seed": policy.about["seed_index"]}
        # Not the keys of training or of its evaluations, whose root is the run's seed itself.
        key = jax.random.fold_in(jax.random.key(_ROOT), seed["seed"])
        played = play(policy.params, key)
        found = measure(played, secret)
        measures += [seed | {"measure": name, "value": value} for name, value in found.items()]
        values += [seed | row for row in values_by_step(played, discount)]
    _write(run / "diagnostics.csv", measures)
    _write(run / "values.csv", values)
    _print(measures)


def _write(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"wrote {path}")


def _print(measures: list[dict[str, Any]]) -> None:
    """Print mean and standard error over the seeds."""
    for name in dict.fromkeys(row["measure"] for row in measures):
        x = np.array([row["value"] for row in measures if row["measure"] == name])
        x = x[~np.isnan(x)]
        if x.size:
            mean = estimate(x)
            error = f"{mean.high - mean.value:.3f}" if x.size > 1 else "nan"
            print(f"{name:>24}  {mean.value:.3f} +- {error}  ({x.size} seeds)")


def main() -> None:
    """Measure."""
    cli.parse(diagnose, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
