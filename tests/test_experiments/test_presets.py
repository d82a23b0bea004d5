"""What tuned.toml changes is known, and reaches the configuration."""

import dataclasses

import pytest

from adqn_jax import ALGORITHMS, Config, envs
from adqn_jax.value.plan import plan_of
from support import paper, presets

PARTS = Config.part_types()


@pytest.mark.parametrize(
    ("name", "section"), [(name, of) for name, all_of in presets.SECTIONS.items() for of in all_of]
)
def test_everything_in_the_file_takes_effect(name: str, section: str) -> None:
    """Presets, environments, algorithms, parts and fields are ones that there are."""
    assert {of for all_of in presets.SECTIONS.values() for of in all_of} == presets.TUNED.keys()
    for env, of_env in presets.TUNED[section].items():
        envs.make(env)
        assert of_env.keys() <= {*PARTS, *ALGORITHMS}
        for algo in ALGORITHMS:
            config, of_algo = presets.preset(name, env, algo), of_env.get(algo, {})
            assert of_algo.keys() <= PARTS.keys()
            for part in PARTS:
                changes = of_env.get(part, {}) | of_algo.get(part, {})
                changed = dataclasses.asdict(getattr(config, part))
                for field, value in changes.items():
                    assert changed[field] == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize("name", presets.PRESETS)
@pytest.mark.parametrize("env", paper.ENVS)
def test_every_preset_can_be_run(name: str, env: str) -> None:
    """No preset contradicts itself on an environment of the paper."""
    for algo in ALGORITHMS:
        longest = int(envs.make(env)[1].max_steps_in_episode)
        plan = plan_of(presets.preset(name, env, algo), longest)
        assert plan.log_points >= 5
