"""What docs/gymnax-faults.md says of gymnax. A test fails when its workaround may go."""

import importlib.metadata
import pathlib
import re
from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import pytest
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState

from adqn_jax import envs

TESTS = pathlib.Path(__file__).parent
PAGE = TESTS.parent / "docs" / "gymnax-faults.md"


def test_the_page_names_tests() -> None:
    """Each row of the table names a test that is there."""
    rows = re.findall(r"^\| \d.*", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 6
    sources = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    for row in rows:
        names = re.findall(r"`(test_\w+)`", row)
        assert names, row
        for name in names:
            assert f"def {name}(" in sources


def test_six_is_undeclared() -> None:
    """Fails when gymnax declares six, or does without: then our dependency on it can go."""
    declared = importlib.metadata.requires("gymnax") or []
    assert not [line for line in declared if re.match(r"six\b", line)]
    (package,) = gymnax.__path__
    sources = pathlib.Path(package).rglob("*.py")
    assert [path for path in sources if re.search(r"^(import|from) six\b", path.read_text(), re.M)]


class Still(Environment[EnvState, EnvParams]):
    """Nothing happens; `traced` counts how often `step` is made into a program."""

    traced = 0

    def reset_env(self, key: jax.Array, params: EnvParams) -> Any:
        """Begin."""
        return jnp.float32(0), EnvState(time=jnp.int32(0))

    def step_env(self, key: jax.Array, state: EnvState, action: Any, params: EnvParams) -> Any:
        """Go on."""
        type(self).traced += 1
        return jnp.float32(0), state, jnp.float32(0), jnp.bool(False), {}


class OurStill(Still, envs.PrivilegedEnvironment):
    """The same, which says that it has no settings."""

    traced = 0

    @property
    def settings(self) -> dict[str, Any]:
        """None."""
        return {}


@pytest.mark.parametrize(("kind", "programs"), [(Still, 2), (OurStill, 1)])
def test_step_is_compiled_per_object(kind: type[Still], programs: int) -> None:
    """Fails when gymnax knows that two environments are alike: then our `__eq__` can go."""
    for env in (kind(), kind()):
        params = EnvParams(max_steps_in_episode=3)
        _, state = jax.eval_shape(env.reset_env, jax.random.key(0), params)
        jax.eval_shape(env.step, jax.random.key(0), state, jnp.int32(0), params)
    assert kind.traced == programs


def test_declared_types_are_others() -> None:
    """Fails when these are as declared: then the contract can ask for equal types of all."""
    for name in ("Catch-bsuite", "FourRooms-misc"):
        env, params = gymnax.make(name)
        shown, _ = jax.eval_shape(env.reset_env, jax.random.key(0), params)
        assert shown.dtype != env.observation_space(params).dtype


def test_a_dict_space_takes_no_dict() -> None:
    """Fails when it does: then our tests need no check of their own."""
    with pytest.raises(AttributeError):
        spaces.Dict({"place": spaces.Discrete(2)}).contains({"place": jnp.int32(1)})
