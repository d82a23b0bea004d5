"""Named settings of each family, as data: `paper`, the authors' protocol, `fast`, and others.

`fast` is what was found to learn fastest in wall-clock time; docs/fast.md tells how. Two more are
of value-based learning: `one-step` has the paper's targets at a size for a CPU, `rainbow` is `fast`
with all that Rainbow combines. What they change for an environment or an algorithm is in
tuned.toml.
"""

import dataclasses
import pathlib
import tomllib
from typing import Any

from adqn_jax import (
    Config,
    Hyperparameters,
    LossConfig,
    NetworkConfig,
    TrainConfig,
    actor_critic,
    families,
    imitation,
)
from adqn_jax.config import BaseConfig

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

#: The paper's targets and discount, and nearly as many transitions trained (500,000 x 24, not
#: 2,000,000 x 8), with the network of `fast`, averaged targets and an annealed step size.
_ONE_STEP_TARGETS = _FAST.replace(
    return_lambda=0.0, discount=0.99, learning_rate=3e-4, rate_end=0.05, target_tau=0.02,
    epsilon_end=0.3, num_envs=16, replay_ratio=24.0, warmup_timesteps=3_000,
    total_timesteps=500_000, log_every=10_000,
)  # fmt: skip

#: Hessel et al. (2018), but for its noisy networks: epsilon explores, as in all presets.
_RAINBOW = _FAST.replace(
    select="online", head="dueling-mean", values="categorical", replay="prioritised",
    returns="n-step", n_step=5,
)  # fmt: skip

#: The authors' A2C, but for 16 environments, of which each plays one episode for a gradient step.
_PAPER_ACTOR_CRITIC = actor_critic.Config()

_FAST_ACTOR_CRITIC = actor_critic.Config(
    hyper=actor_critic.Hyperparameters(
        learning_rate=1e-3,
        adam_eps=1e-8,
        discount=0.97,
        return_lambda=0.95,
        entropy_start=0.02,
        entropy_end=0.005,
        entropy_timesteps=250_000,
    ),
    network=_FAST.network,
    # Normalised advantages are noise as long as nothing has been found, and end exploration early.
    loss=actor_critic.LossConfig(over_time="mean", discount_policy=False),
    train=actor_critic.TrainConfig(
        total_timesteps=600_000,
        num_envs=64,
        steps_per_iteration=64,
        histories="continued",
        minibatches=4,
        target="none",
        max_grad_norm=0.5,
        log_every=20_000,
    ),
)
#: The authors' A2D, but for 16 environments of 125 steps instead of one of 2000, and the networks'
#: encoder of observations.
_PAPER_IMITATION = imitation.Config(
    hyper=imitation.Hyperparameters(entropy_weight=10.0),
    train=imitation.TrainConfig(total_timesteps=400_000, log_every=20_000),
)
#: Fewer, larger steps on values, which take most of the time.
_FAST_IMITATION = _PAPER_IMITATION.replace(
    value_rate=3e-3, value_epochs=10, value_minibatches=8, total_timesteps=200_000
)  # fmt: skip
#: The expert acts in the first iteration, the student from then on; the expert alone needs less
#: entropy.
_OF_IMITATION = {
    "ail": {"beta_decay": 0.0},
    "dagger": {"beta_decay": 0.0},
    "expert": {"entropy_weight": 1.0},
}
#: Normalised advantages end exploration early: without a bonus most experts of Frozen Lake walk
#: around ice that holds.
_OF_FAST_IMITATION: dict[str, dict[str, Any]] = {
    **_OF_IMITATION,
    "expert": {"entropy": "surrogate", "entropy_weight": 0.3},
}
#: One gradient step for what was gathered: the less that is, the more steps there are.
_ONE_STEP = {"num_envs": 16, "learning_rate": 3e-3, "total_timesteps": 1_000_000}
#: REINFORCE needs episodes from beginning to end.
_WHOLE = {**_ONE_STEP, "histories": "whole", "steps_per_iteration": 0}


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings of a family, before what is changed for an environment."""

    base: BaseConfig
    sections: tuple[str, ...]
    """Of tuned.toml, whose changes it makes, in this order."""
    of_algorithms: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    """Fields that some algorithms need otherwise, whatever the environment."""


#: By the family's configuration and by name; `any` is what holds whatever the preset.
PRESETS: dict[type[BaseConfig], dict[str, Preset]] = {
    Config: {
        "fast": Preset(_FAST, ("any", "fast")),
        "paper": Preset(_PAPER, ("any", "paper")),
        "one-step": Preset(_ONE_STEP_TARGETS, ("any", "one-step")),
        "rainbow": Preset(_RAINBOW, ("any", "fast", "rainbow")),
    },
    actor_critic.Config: {
        "fast": Preset(
            _FAST_ACTOR_CRITIC,
            ("fast-actor-critic",),
            {
                **dict.fromkeys(("a2c", "a2c-asym", "a2c-state"), _ONE_STEP),
                **dict.fromkeys(("reinforce", "reinforce-baseline"), _WHOLE),
            },
        ),
        "paper": Preset(_PAPER_ACTOR_CRITIC, ("paper-actor-critic",)),
    },
    imitation.Config: {
        "fast": Preset(_FAST_IMITATION, ("imitation", "fast-imitation"), _OF_FAST_IMITATION),
        "paper": Preset(_PAPER_IMITATION, ("imitation", "paper-imitation"), _OF_IMITATION),
    },
}

TUNED = tomllib.loads(pathlib.Path(__file__).with_name("tuned.toml").read_text())


def preset(name: str, env: str, algo: str) -> Any:
    """Return the settings called `name` for an environment and an algorithm.

    Raises:
      ValueError: when there is no such algorithm, or its family has no such preset.
    """
    known = PRESETS[families.family_of(algo).config]
    if name not in known:
        raise ValueError(f"unknown preset {name!r}; known are {', '.join(known)}, for {algo}")
    chosen = known[name]
    config = dataclasses.replace(chosen.base, algorithm=algo)
    config = config.replace(**chosen.of_algorithms.get(algo, {}))
    for section in chosen.sections:
        # What holds whatever the preset is about this very environment, and not its relatives.
        names = [env] if section == "any" else _relatives(env)
        for_env: dict[str, Any] = next(
            (TUNED[section][name] for name in names if name in TUNED[section]), {}
        )
        for changes in (for_env, for_env.get(algo, {})):
            for part in changes.keys() & config.parts.keys():
                of_part = changes[part].items()
                config = config.replace(**{k: _tuple(v) for k, v in of_part})
    return config


def _relatives(env: str) -> list[str]:
    """List an environment's name, and what is left of it without what follows each colon."""
    parts = env.split(":")
    return [":".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def table() -> str:
    """Return what value-based learning's `paper` and `fast` set, as docs/algorithms.md shows it.

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
    value = _word(getattr(PRESETS[Config][name].base.parts[part], field))
    return f"{value} ({'; '.join(exceptions)})" if exceptions else value


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_word, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.7g}" if isinstance(value, int | float) else str(value)
