"""Named settings, as data: `paper`, the authors' protocol, `fast`, and `rainbow`.

`fast` is what was found to learn fastest in wall-clock time; docs/fast.md tells how. `rainbow` is
`fast` with all that Rainbow combines. What they change for an environment or an algorithm is in
tuned.toml.
"""

import dataclasses
import pathlib
import tomllib
from typing import Any

from adqn_jax import Config, Hyperparameters, LossConfig, NetworkConfig, TrainConfig, families

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
        priority_timesteps=250_000,
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

#: Hessel et al. (2018), but for its noisy networks: epsilon explores, as in all presets.
_RAINBOW = _FAST.replace(
    select="online", head="dueling-mean", values="categorical", replay="prioritised",
    returns="n-step", n_step=5,
)  # fmt: skip

_BASES = {"fast": _FAST, "paper": _PAPER, "rainbow": _RAINBOW}
PRESETS = tuple(_BASES)
#: Whose changes a preset makes, in this order; `any` is what holds whatever the preset.
SECTIONS = {"fast": ("any", "fast"), "paper": ("any", "paper"), "rainbow": ("any", "fast")}

TUNED = tomllib.loads(pathlib.Path(__file__).with_name("tuned.toml").read_text())


def preset(name: str, env: str, algo: str) -> Config:
    """Return the settings called `name` for an environment and an algorithm.

    Raises:
      ValueError: when there is no such preset or algorithm.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; known are {', '.join(PRESETS)}")
    families.family_of(algo)  # refuses what is unknown
    config = dataclasses.replace(_BASES[name], algorithm=algo)
    for section in SECTIONS[name]:
        # What holds whatever the preset is about this very environment, and not its relatives.
        for_env = TUNED[section].get(env if section == "any" else env.split(":")[0], {})
        for changes in (for_env, for_env.get(algo, {})):
            for part in changes.keys() & config.parts.keys():
                of_part = changes[part].items()
                config = config.replace(**{k: _tuple(v) for k, v in of_part})
    return config


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def table() -> str:
    """Return what `paper` and `fast` set, as the table of Markdown that docs/algorithms.md shows.

    A row for each option that is not the same everywhere; behind a value come, in brackets, the
    environments and algorithms for which it is another.
    """
    lines = ["| option | `paper` | `fast` |", "|---|---|---|"]
    for part, fields in Config().parts.items():
        for field in dataclasses.fields(fields):
            told = {name: _told(name, part, field.name) for name in ("paper", "fast")}
            if told["paper"] != told["fast"]:
                option = f"--{field.name.replace('_', '-')}"
                lines.append(f"| `{option}` | {told['paper']} | {told['fast']} |")
    return "\n".join(lines) + "\n"


def _told(name: str, part: str, field: str) -> str:
    """Say a field's value in a preset, and where it is another."""
    exceptions = []
    for env, changes in TUNED.get(name, {}).items():
        own = [_word(changes[part][field])] if field in changes.get(part, {}) else []
        algos: dict[str, list[str]] = {}
        for algo in families.algorithms():
            if field in changes.get(algo, {}).get(part, {}):
                algos.setdefault(_word(changes[algo][part][field]), []).append(f"`{algo}`")
        own += [f"{', '.join(names)} {value}" for value, names in algos.items()]
        if own:
            exceptions.append(f"{env} {', '.join(own)}")
    value = _word(getattr(_BASES[name].parts[part], field))
    return f"{value} ({'; '.join(exceptions)})" if exceptions else value


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_word, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.7g}" if isinstance(value, int | float) else str(value)
