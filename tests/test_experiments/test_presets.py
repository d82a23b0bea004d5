"""What tuned.toml changes is known, and reaches the configuration."""

import dataclasses

import pytest

import envs
import presets
from adqn_jax import ALGORITHMS
from adqn_jax.plan import make_plan
from results import PAPER_ENVS


@pytest.mark.parametrize("name", presets.PRESETS)
def test_everything_in_the_file_takes_effect(name: str) -> None:
    """Presets, environments, algorithms, parts and fields are ones that there are."""
    for env, of_env in presets._TUNED.get(name, {}).items():
        envs.make(env)
        assert of_env.keys() <= {*presets._PARTS, *ALGORITHMS}
        for algo in ALGORITHMS:
            config, of_algo = presets.preset(name, env, algo), of_env.get(algo, {})
            assert of_algo.keys() <= set(presets._PARTS)
            for part in presets._PARTS:
                changes = of_env.get(part, {}) | of_algo.get(part, {})
                changed = dataclasses.asdict(getattr(config, part))
                for field, value in changes.items():
                    assert changed[field] == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize("name", presets.PRESETS)
@pytest.mark.parametrize("env", PAPER_ENVS)
def test_every_preset_can_be_run(name: str, env: str) -> None:
    """No preset contradicts itself on an environment of the paper."""
    for algo in ALGORITHMS:
        plan = make_plan(presets.preset(name, env, algo), envs.make(env)[1])
        assert plan.log_points >= 5
