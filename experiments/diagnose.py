"""Play episodes with the policies of a run, and measure what they know and do.

Prints a table and writes <run>/diagnostics.csv, a row per seed and measure, and
<run>/values.csv, values over an episode, a row per seed and step. docs/diagnostics.md has the
formulas.
"""

import pathlib
import sys
from typing import Annotated, Any

import jax
import numpy as np

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax import load_policy
from adqn_jax.envs.secrets import secret_of
from adqn_jax.results import metrics, tables
from adqn_jax.results.estimates import mean_and_error
from support import players
from support.measures import measure, player, values_by_step

_ROOT = 1_000_003
_TABLES = ("diagnostics.csv", "values.csv")


def diagnose(
    run: Annotated[pathlib.Path, cli.Positional],
    episodes: int = 64,
    actions: players.Actions | None = None,
) -> None:
    """Measure the policies of a run.

    Args:
      run: a run folder that holds policies, <out>/<env>/<algo>/<name>.
      episodes: of each seed; two at least.
      actions: of actor-critics and imitation, the most probable or drawn ones; by default as in the
        evaluations of the run. Value-based policies are greedy.
    """
    paths = sorted((run / "policy").glob("*.npz"))
    if not paths:
        raise ValueError(f"{run} holds no policies: run.py writes them when it is done")
    if episodes < 2:
        raise ValueError(f"episodes must be at least 2, got {episodes}")
    for name in _TABLES:
        tables.check_writable(run / name)
    who = players.find(None, paths[0])
    assert who.policy is not None
    play, secret = player(who, episodes, players.is_greedy(actions)), secret_of(who.env)
    discount = float(who.policy.config.hyper.discount)
    measures, values = [], []
    for path in paths:
        policy = who.complete(load_policy(path))
        seed = {"seed": policy.about["seed_index"]}
        # Not the keys of training or of its evaluations, whose root is the run's seed itself.
        key = jax.random.fold_in(jax.random.key(_ROOT), seed["seed"])
        played = play(policy.params, key)
        found = measure(played, secret)
        measures += [seed | {"measure": name, "value": value} for name, value in found.items()]
        values += [seed | row for row in values_by_step(played, discount)]
    for name, rows in zip(_TABLES, (measures, values), strict=True):
        metrics.write(run / name, rows)
        print(f"wrote {run / name}")
    _print(measures)


def _print(measures: list[dict[str, Any]]) -> None:
    """Print mean and standard error over the seeds."""
    for name in dict.fromkeys(row["measure"] for row in measures):
        x = np.array([row["value"] for row in measures if row["measure"] == name])
        x = x[~np.isnan(x)]
        if x.size:
            print(f"{name:>24}  {mean_and_error(x)}  ({x.size} seeds)")


def main() -> None:
    """Measure."""
    cli.parse(diagnose, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
