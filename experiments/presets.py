"""Named settings, as data: `paper`, the authors' protocol, and `fast`.

`fast` is what was found to learn fastest in wall-clock time; docs/fast.md tells how.
"""

import dataclasses
from typing import Any

from adqn_jax import Config, Hyperparameters, LossConfig, NetworkConfig, TrainConfig

PRESETS = ("fast", "paper")

_PAPER = Config(loss=LossConfig(average="episode"))

_FAST = Config(
    hyper=Hyperparameters(
        learning_rate=1e-3,
        adam_eps=1e-8,
        discount=0.97,
        return_lambda=0.97,
        epsilon_end=0.2,
        epsilon_timesteps=100_000,
        target_tau=0.05,
    ),
    network=NetworkConfig(
        embedding_size=32,
        history_size=64,
        head_sizes=(128,),
        gru_init="orthogonal",
        update_gate_bias=1.0,
        scale_boxes=True,
        output_scale=0.1,
    ),
    train=TrainConfig(
        total_timesteps=250_000,
        warmup_timesteps=24_000,
        buffer_timesteps=400_000,
        num_envs=128,
        replay_ratio=5.0,
        batch_rows=4,
        target="polyak",
        eval_params="target",
        log_every=12_000,
    ),
)

_BASES = {"fast": _FAST, "paper": _PAPER}

#: What a preset changes for an environment, whatever follows a colon in its name: part of the
#: configuration -> field -> value.
_CHANGES: dict[tuple[str, str], dict[str, dict[str, Any]]] = {
    ("fast", "heavenhell-3"): {
        "train": {
            "total_timesteps": 450_000,
            "replay_ratio": 10,
            "batch_rows": 8,
            "log_every": 20_000,
        },
    },
    ("fast", "heavenhell-4"): {
        "hyper": {"epsilon_timesteps": 200_000},
        "train": {
            "total_timesteps": 1_200_000,
            "replay_ratio": 10,
            "batch_rows": 8,
            "log_every": 40_000,
        },
    },
    # The first gradient step needs the longest episode, of 200 steps, of each environment.
    ("fast", "cleaner"): {"train": {"warmup_timesteps": 26_000}},
    # The authors' head is shorter after convolutions.
    ("paper", "memory-four-rooms-7x7"): {"network": {"head_sizes": (512,)}},
}


def preset(name: str, env: str, algo: str) -> Config:
    """Return the settings called `name` for an environment and an algorithm.

    Raises:
      ValueError: when there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; known are {', '.join(PRESETS)}")
    config = dataclasses.replace(_BASES[name], algorithm=algo)
    for part, changes in _CHANGES.get((name, env.split(":")[0]), {}).items():
        changed = dataclasses.replace(getattr(config, part), **changes)
        config = dataclasses.replace(config, **{part: changed})
    return config
