"""Named settings, as data: `paper`, the authors' protocol, and `fast`.

`fast` is what was found to learn fastest in wall-clock time; docs/fast.md tells how.
"""

import dataclasses

from adqn_jax import Config, Hyperparameters, LossConfig, NetworkConfig, TrainConfig

PRESETS = ("fast", "paper")

_PAPER = Config(loss=LossConfig(average="episode"))

_FAST = Config(
    hyper=Hyperparameters(
        learning_rate=5e-4,
        adam_eps=1e-8,
        discount=0.97,
        return_lambda=0.97,
        epsilon_end=0.2,
        epsilon_timesteps=24_000,
    ),
    network=NetworkConfig(gru_init="orthogonal", update_gate_bias=1.0, scale_boxes=True),
    train=TrainConfig(
        total_timesteps=60_000,
        warmup_timesteps=3_000,
        buffer_timesteps=100_000,
        replay_ratio=40.0,
        batch_rows=4,
        target="polyak",
        eval_params="target",
        log_every=2_000,
    ),
)

#: Total timesteps of `fast`, where they differ from the common ones.
_FAST_TIMESTEPS = {"carflag": 40_000, "heavenhell-3": 60_000, "heavenhell-4": 150_000}


def preset(name: str, env: str, algo: str) -> Config:
    """Return the settings called `name` for an environment and an algorithm.

    Raises:
      ValueError: when there is no such preset.
    """
    if name == "paper":
        return dataclasses.replace(_PAPER, algorithm=algo)
    if name != "fast":
        raise ValueError(f"unknown preset {name!r}; known are {', '.join(PRESETS)}")
    total = _FAST_TIMESTEPS.get(env, _FAST.train.total_timesteps)
    train = dataclasses.replace(_FAST.train, total_timesteps=total)
    return dataclasses.replace(_FAST, algorithm=algo, train=train)
