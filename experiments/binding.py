"""Measure how many episodes an encoder of grids needs to bind a colour to a thing.

Asks a supervised question of Memory-Four-Rooms: is the exit in view the good one? Half are. Writes
a table with the accuracy on new episodes, a row for each seed and number of episodes seen.
"""

import dataclasses
import pathlib
import time
from typing import Literal

from support import cli

if __name__ == "__main__":
    cli.set_up()

import jax

from adqn_jax import Config
from adqn_jax.config import check
from adqn_jax.results import tables
from support.binding import Binding

_EPISODES_PER_ROW = 3_200


@dataclasses.dataclass(frozen=True)
class Args:
    """What is trained, and for how long."""

    grid_encoder: Literal["convolutions", "cells", "pairs"] = "cells"
    """How grids of indices are encoded."""
    conv_channels: tuple[int, ...] = (16,)
    """Channels of the convolutions of the encoder `convolutions`."""
    embedding_size: int = 64
    """Features of an observation."""
    history_size: int = 64
    """Width of the GRU that remembers."""
    memory_bits: bool = False
    """Whether it is told, beside each observation, what the episode has shown so far."""
    batch: int = 64
    """Episodes of a gradient step, a divisor of 3,200."""
    recall_weight: float = 0.0
    """Weight of the loss by which the history must tell what it has been shown; 0: none."""
    learning_rate: float = 2e-3
    """Step size of Adam."""
    episodes: int = 40_000
    """Episodes to see, per seed; rounded up to 3,200s."""
    seeds: int = 1
    """Seeds, trained one after the other."""
    seed: int = 0
    """Root of the random keys."""
    to: pathlib.Path = pathlib.Path("binding.csv")
    """The table to write."""


def main() -> None:
    """Train, and say how it goes.

    Raises:
      ValueError: when an argument is out of its range.
    """
    args: Args = cli.parse(Args, description=__doc__)
    tables.check_writable(args.to)
    if args.seeds < 1 or args.episodes < 1 or not args.learning_rate > 0:
        raise ValueError("seeds and episodes must be at least 1, learning_rate greater than 0")
    cli.check_seed(args.seed)
    if args.grid_encoder != "convolutions" and args.conv_channels != Args().conv_channels:
        raise ValueError("nothing reads conv-channels: it needs --grid-encoder convolutions")
    if args.batch < 1 or _EPISODES_PER_ROW % args.batch:
        raise ValueError(f"batch must divide {_EPISODES_PER_ROW}, got {args.batch}")
    config = Config().replace(
        gru_init="orthogonal", update_gate_bias=1.0, grid_encoder=args.grid_encoder,
        conv_channels=args.conv_channels, embedding_size=args.embedding_size,
        history_size=args.history_size, memory_bits=args.memory_bits,
        recall_weight=args.recall_weight,
    )  # fmt: skip
    check(config)
    binding = Binding(config.network, args.learning_rate, args.batch, args.recall_weight)
    rows = []
    for seed in range(args.seeds):
        key = jax.random.fold_in(jax.random.key(args.seed), seed)
        key_init, key_train = jax.random.split(key)
        learner, begin, episodes = binding.init(key_init), time.process_time(), 0
        while episodes < args.episodes:
            steps = _EPISODES_PER_ROW // args.batch
            keys = jax.random.split(jax.random.fold_in(key_train, episodes), steps)
            learner, accuracy = binding.train(learner, keys)
            episodes += _EPISODES_PER_ROW
            rows.append(
                {
                    "grid_encoder": args.grid_encoder,
                    "memory_bits": int(args.memory_bits),
                    "recall_weight": args.recall_weight,
                    "seed": seed,
                    "episodes": episodes,
                    "accuracy": round(float(accuracy), 4),
                    "cpu_seconds": round(time.process_time() - begin, 1),
                }
            )
            print(tables.markdown(rows[-1:]).splitlines()[-1], flush=True)
            tables.write(args.to, rows)
    print(f"wrote {args.to}")


if __name__ == "__main__":
    cli.run(main)
