"""Compare trained policies with the exact values, on environments that are finite POMDPs.

Prints, for each policy file, the mean errors of Q and U along the histories that it visits.
"""

import dataclasses
import pathlib
import sys
from typing import Annotated

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.tabular import Comparison
from support import players
from support.exact import compare_policy


def exactness(
    policies: Annotated[list[pathlib.Path], cli.Positional],
    epsilon: float = 0.0,
    streams: int = 64,
    seed: int = 0,
) -> None:
    """Compare trained policies with the exact values.

    Args:
      policies: policy files, <run>/policy/seed-000.npz, of heavenhell-N or pomdp:PATH.
      epsilon: probability of a random action in the episodes that choose what is compared.
      streams: environments that are played for one time limit's steps each.
      seed: of the episodes.
    """
    if not policies:
        raise ValueError("name at least one policy file, <run>/policy/seed-000.npz")
    if not 0.0 <= epsilon <= 1.0 or streams < 1:
        raise ValueError("epsilon must be at least 0 and at most 1, and streams at least 1")
    cli.check_seed(seed)
    names = [field.name for field in dataclasses.fields(Comparison)]
    for number, path in enumerate(policies):
        player = players.find(None, _file(path))
        row = compare_policy(player, epsilon=epsilon, streams=streams, seed=seed)
        if number == 0:
            print("".join(f"{name:>16}" for name in names) + "  policy")
        print("".join(f"{getattr(row, name):16.4f}" for name in names) + f"  {path}", flush=True)


def _file(path: pathlib.Path) -> pathlib.Path:
    if not path.is_file():
        raise ValueError(f"{path} is no file: name <run>/policy/seed-000.npz")
    return path


def main() -> None:
    """Compare."""
    cli.parse(exactness, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
