"""benchmark.py ppo: another's recurrent PPO beside ours, here a made-up one of its shape."""

import json
import pathlib
import sys
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import benchmark
import checkouts
from adqn_jax import envs
from runs import Ended, call
from support.benchmarks import purejaxrl
from support.benchmarks.checkouts import OlderEnvironment

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder that looks like a checkout of purejaxrl."""
    return checkouts.purejaxrl(tmp_path / "checkout")


@pytest.fixture
def compiled_quickly() -> Iterator[None]:
    """Compile what runs for moments only."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def _ppo(checkout: pathlib.Path, *words: str) -> Ended:
    return call(benchmark.main, "ppo", "--purejaxrl", str(checkout), *words)


@pytest.mark.usefixtures("compiled_quickly")
def test_throughput_beside_another(checkout: pathlib.Path) -> None:
    """Rates, ratios and compile times, as JSON; the checkout is given the same settings."""
    words = ("--names", "heavenhell-1", "--seeds", "2", "--rounds", "2", "--num-envs", "4")
    words += ("--steps", "3", "--iterations", "2", "--widths", "fast", "--json", "ppo.json")
    done = _ppo(checkout, *words)
    assert done.code == 0, done.err
    written = json.loads(pathlib.Path("ppo.json").read_text())
    assert written["made_with"]["device"]
    (row,) = written["peers"]
    assert (row["env"], row["seeds"]) == ("heavenhell-1", 2)
    assert row["least_ratio"] <= row["ratio"] <= row["largest_ratio"]
    assert min(row[name] for name in row if name != "env") > 0
    config = json.loads((checkout / "purejaxrl" / "config.json").read_text())
    assert config["TOTAL_TIMESTEPS"] == 4 * 3 * 2
    assert (config["NUM_ENVS"], config["NUM_STEPS"]) == (4, 3)
    assert f"{row['ratio']:.2f}" in done.out


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ("import nobody_has_this", "needs the package nobody_has_this, which is not installed"),
        ("from jax import nothing_like_it", "cannot be imported: cannot import name"),
    ],
)
def test_what_cannot_be_imported(checkout: pathlib.Path, trainer: str, message: str) -> None:
    """One sentence, exit code 2, and no module of the checkout stays behind."""
    (checkout / "purejaxrl" / "ppo_rnn.py").write_text(f"import wrappers\n{trainer}\n")
    before = list(sys.path)
    done = _ppo(checkout)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert sys.path == before
    assert not {"wrappers", "navix", "brax"} & set(sys.modules)


def test_observations_of_another_kind() -> None:
    """A Dict is refused."""
    env, params = envs.make("memory-four-rooms-7x7", observe="state")
    with pytest.raises(ValueError, match="take Discrete or Box observations"):
        OlderEnvironment(env, params)


@pytest.mark.parametrize(("name", "width"), [("carflag", 3), ("heavenhell-3", 16)])
def test_older_environment(name: str, width: int) -> None:
    """Five values; flat float32 observations, as declared; a new episode after the time limit."""
    env, params = envs.make(name)
    params = params.replace(max_steps_in_episode=3)
    older = OlderEnvironment(env, params)
    assert older.observation_space(params).shape == (width,)
    assert older.action_space(params).n == env.num_actions
    seen, state = older.reset(jax.random.key(0), params)
    ends = []
    for i in range(6):
        assert (seen.shape, seen.dtype) == ((width,), jnp.float32)
        key = jax.random.key(i)
        seen, state, reward, done, info = older.step(key, state, jnp.int32(0), params)
        assert info == {}
        assert float(reward) == 0.0
        ends.append(bool(done))
    assert ends == [False, False, True] * 2
    assert int(state.time) == 0


def test_older_gru_cell() -> None:
    """Its state is as wide as asked for, and zero at first."""
    first = purejaxrl.OlderGRUCell.initialize_carry(jax.random.key(0), (2, 3), 5)
    np.testing.assert_array_equal(first, np.zeros((2, 3, 5)))
