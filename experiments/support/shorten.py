"""A preset's run made shorter, and still one that can be run."""

import dataclasses
import math
from typing import Any

from adqn_jax import TrainConfig
from adqn_jax.config import BaseConfig

_FEWEST_ENVS = 4
#: Timesteps evaluated per timestep between log points, at most; training is not to be the lesser.
_MOST_EVALUATED = 8


def shorten(config: BaseConfig, fraction: float, longest: int) -> BaseConfig:
    """Shorten a run.

    Args:
      config: the run.
      fraction: of its timesteps, in (0, 1]; 1 leaves it as it is.
      longest: the environment's longest episode, which a row must hold before training begins.

    Returns:
      The run with `fraction` of the timesteps, warm-up and of what falls with time, rounded up to
      what the first gradient step needs; with a smaller buffer where it would not fill, with fewer
      parallel environments where the warm-up would not give a row of each, and with log points so
      far apart that evaluating does not take longer than training.
    """
    if fraction == 1:
        return config
    train, hyper = config.parts["train"], config.parts["hyper"]
    changes: dict[str, Any] = {
        field.name: float(math.ceil(fraction * getattr(hyper, field.name)))
        for field in dataclasses.fields(hyper)
        if field.name.endswith("_timesteps")
    }
    total, warmup = math.ceil(fraction * train.total_timesteps), 0
    if isinstance(train, TrainConfig):
        slots = (train.row_length or longest) + 1
        num_envs = max(int(fraction * train.warmup_timesteps) // slots, _FEWEST_ENVS)
        num_envs = min(num_envs, train.num_envs)
        warmup = max(math.ceil(fraction * train.warmup_timesteps), num_envs * slots)
        total = max(total, 2 * warmup)
        buffer = max(min(train.buffer_timesteps, total), num_envs * (longest + slots))
        changes |= {"num_envs": num_envs, "warmup_timesteps": warmup, "buffer_timesteps": buffer}
    evaluated = train.eval_episodes * longest
    log_every = max(math.ceil(fraction * train.log_every), evaluated // _MOST_EVALUATED)
    log_every = max(min(log_every, (total - warmup) // 2), 1)  # two log points make a curve
    return config.replace(**changes, total_timesteps=total, log_every=log_every)
