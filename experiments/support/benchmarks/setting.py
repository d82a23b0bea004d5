"""What is trained while it is measured."""

import dataclasses
from typing import Any

from adqn_jax import Config
from support import presets


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is trained while it is measured."""

    env: str = "carflag"
    """Environment, as `run.py --env` takes it."""
    algo: str = "adqn-vr"
    """Algorithm."""
    preset: str = "fast"
    """Settings: fast, or paper, the authors' networks and replay ratio."""
    rows: int = 0
    """Rows in a gradient step; 0: the preset's."""
    length: int = 0
    """Transitions in a row; 0: the environment's longest episode."""
    num_envs: int = 0
    """Environments of a seed; 0: the preset's."""
    buffer_timesteps: int = 100_000
    """Timesteps that the replay buffer of a seed holds."""
    seconds: float = 2.0
    """Least time that a measurement takes."""

    def config(self) -> Config:
        """Return the run's configuration."""
        config = value_based(self.preset, self.env, self.algo)
        given: dict[str, Any] = {
            "batch_rows": self.rows, "row_length": self.length, "num_envs": self.num_envs,
            "buffer_timesteps": self.buffer_timesteps,
        }  # fmt: skip
        config = config.replace(**{name: value for name, value in given.items() if value})
        train = config.train
        return config.replace(warmup_timesteps=min(train.warmup_timesteps, train.buffer_timesteps))


def value_based(preset: str, env: str, algo: str) -> Config:
    """Return a preset of an algorithm that has a replay to be measured.

    Raises:
      ValueError: when it has none, or there is no such preset or algorithm.
    """
    config = presets.preset(preset, env, algo)
    if not isinstance(config, Config):
        raise ValueError(f"{algo} has no replay: benchmark.py measures value-based algorithms")
    return config


def check_seeds(seeds: int | tuple[int, ...]) -> None:
    """Refuse what are no numbers of seeds.

    Raises:
      ValueError: when one is below 1, or there is none.
    """
    numbers = (seeds,) if isinstance(seeds, int) else seeds
    if not numbers or min(numbers) < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
