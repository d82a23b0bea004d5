"""What tuned.toml changes is known, and reaches the configuration."""

import dataclasses
import pathlib

import pytest
from gymnax.environments.spaces import Box

from adqn_jax import envs
from adqn_jax.families import FAMILIES, Family
from adqn_jax.replay import SlotCodec
from adqn_jax.results import experiment
from policies import teacher
from runs import ROOT
from support import paper, presets

OF_FAMILIES = [
    pytest.param(family, name, id=f"{family.config.__module__}-{name}")
    for family in FAMILIES
    for name in presets.PRESETS[family.config]
]


@pytest.mark.parametrize(("family", "name"), OF_FAMILIES)
def test_everything_in_the_file_takes_effect(family: Family, name: str) -> None:
    """Presets, environments, algorithms, parts and fields are ones that there are."""
    parts = family.config.part_types()
    sections = presets.PRESETS[family.config][name].sections
    for i, section in enumerate(sections):
        for env, of_env in presets.TUNED[section].items():
            later = [presets.TUNED[after].get(env, {}) for after in sections[i + 1 :]]
            envs.make(env)
            assert of_env.keys() <= {*parts, *family.algorithms}
            for algo in family.algorithms:
                config, of_algo = presets.preset(name, env, algo), of_env.get(algo, {})
                assert of_algo.keys() <= parts.keys()
                for part in parts:
                    changes = of_env.get(part, {}) | of_algo.get(part, {})
                    changed = dataclasses.asdict(getattr(config, part))
                    for changes_after in later:  # have the last word
                        changes |= changes_after.get(part, {})
                        changes |= changes_after.get(algo, {}).get(part, {})
                    for field, value in changes.items():
                        expected = tuple(value) if isinstance(value, list) else value
                        assert changed[field] == expected


def test_every_section_is_some_preset_s() -> None:
    """Nothing in the file is read by nobody."""
    known = [preset for of_family in presets.PRESETS.values() for preset in of_family.values()]
    assert {section for preset in known for section in preset.sections} == presets.TUNED.keys()


@pytest.mark.parametrize(("family", "name"), OF_FAMILIES)
@pytest.mark.parametrize("env", paper.ENVS)
def test_every_preset_can_be_run(family: Family, name: str, env: str) -> None:
    """No preset contradicts itself on an environment of the paper."""
    codec = SlotCodec(*envs.make(env))
    for algo in family.algorithms:
        config = presets.preset(name, env, algo)
        encodes = getattr(family.algorithms[algo], "encodes", False)
        if encodes and not isinstance(codec.env.privileged_state_space(codec.env_params), Box):
            continue
        taught = getattr(family.algorithms[algo], "expert", "") == "given"
        agent = family.make_agent(config, codec, *([teacher(env)] if taught else []))
        assert agent.plan.log_points >= 5


def test_a_preset_of_another_family() -> None:
    """Is refused, and those there are named."""
    with pytest.raises(ValueError, match="preset 'rainbow'; known are fast, paper, for ppo"):
        presets.preset("rainbow", "carflag", "ppo")


@pytest.mark.parametrize(
    "folder",
    sorted((ROOT / "docs/results").glob("*/*/one-step")),
    ids=lambda f: "-".join(f.parts[-3:-1]),
)
def test_one_step_is_what_was_measured(folder: pathlib.Path) -> None:
    """The preset's name stands for what is in docs/results under that name, but for the length."""
    measured = experiment.read(folder)
    config = presets.preset("one-step", measured.env, measured.config.algorithm)
    config = config.replace(total_timesteps=measured.config.train.total_timesteps)
    assert dataclasses.replace(measured, config=config).settled() == measured.settled()
