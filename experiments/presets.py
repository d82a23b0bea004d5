"""Named settings, as data: `paper`, the authors' protocol, and `fast`.

`fast` is what was found to learn fastest in wall-clock time; docs/fast.md tells how. What either
changes for an environment or an algorithm is in tuned.toml.
"""

import dataclasses
import pathlib
import tomllib

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

_TUNED = tomllib.loads(pathlib.Path(__file__).with_name("tuned.toml").read_text())
_PARTS = ("hyper", "network", "loss", "train")


def preset(name: str, env: str, algo: str) -> Config:
    """Return the settings called `name` for an environment and an algorithm.

    Raises:
      ValueError: when there is no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; known are {', '.join(PRESETS)}")
    config = dataclasses.replace(_BASES[name], algorithm=algo)
    of_env = _TUNED.get(name, {}).get(env.split(":")[0], {})
    for changes in (of_env, of_env.get(algo, {})):
        for part in changes.keys() & set(_PARTS):
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in changes[part].items()}
            changed = dataclasses.replace(getattr(config, part), **values)
            config = dataclasses.replace(config, **{part: changed})
    return config
