"""Diagnostics, on episodes made by hand and on a policy's."""

import csv
import pathlib
from typing import Any

import jax
import numpy as np
import pytest

import diagnose
from adqn_jax import envs
from adqn_jax.envs.secrets import secret_of
from policies import save
from runs import call
from support.measures import Episodes, measure, probe, values_by_step


def episodes() -> Episodes:
    """Four episodes in heavenhell-1, of 3, 2, 3 and 1 steps; the second and last ask nobody."""
    valid = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]]) == 1
    side = np.array([0, 1, 1, 0])[:, None]
    cells = np.array([[0, 4, 5, 5], [0, 1, 1, 5], [0, 5, 4, 0], [0, 5, 5, 5]])
    observed = np.where(cells == 5, 5 + side, cells)
    q = np.zeros((4, 4, 4))
    q[..., 1] = 0.5
    return Episodes(
        states=side * 6 + cells,
        observations=observed,
        action=np.ones((4, 4), np.int32),
        reward=np.array([[0, 0, 1, 9], [0, -1, 9, 9], [1, 2, 4, 9], [0, 9, 9, 9]]) * 1.0,
        valid=valid,
        values={"Q(h,a)": q, "U(h,s,a)": q + np.array([1.0, -1.0, 0.0, 2.0])[:, None, None]},
        memory=np.where(cells == 0, 0.0, 2.0 * side - 1)[..., None],
    )


def test_measures_by_hand() -> None:
    """Only steps of the episodes count; two of four gather information."""
    found = measure(episodes(), secret_of(envs.HeavenHell(1)))
    assert found["return"] == pytest.approx((1 - 1 + 7 + 0) / 4)
    assert found["length"] == pytest.approx(9 / 4)
    assert found["mean_q"] == pytest.approx(0.5)
    assert found["u_minus_q"] == pytest.approx((3 * 1 - 2 * 1 + 0 + 2) / 9)
    assert found["u_q_distance"] == pytest.approx((3 * 1 + 2 * 1 + 0 + 2) / 9)
    assert found["gathers_information"] == 0.5
    assert found["probe_accuracy_after"] == 1.0
    assert set(measure(episodes(), None)) == {
        "return", "length", "mean_q", "mean_u", "u_minus_q", "u_q_distance"
    }  # fmt: skip


def test_values_over_an_episode() -> None:
    """Returns to go are discounted within an episode; later steps have fewer episodes."""
    rows = values_by_step(episodes(), 0.5)
    assert [row["episodes"] for row in rows] == [4, 3, 2]
    assert rows[0]["return_to_go"] == pytest.approx((0.25 - 0.5 + (1 + 1 + 1) + 0) / 4)
    assert rows[2]["return_to_go"] == pytest.approx((1 + 4) / 2)
    assert rows[1]["u"] == pytest.approx(0.5 + (1 - 1 + 0) / 3)


def test_probe_reads_what_is_there() -> None:
    """A linear trace of the hidden variable is read; noise is not; the test half is not fitted."""
    rng = np.random.default_rng(0)
    hidden = np.repeat(rng.integers(1, 4, (40, 1)), 10, axis=1)
    noise = rng.normal(size=(40, 10, 6))
    valid = np.ones((40, 10), bool)
    assert probe(noise + 4 * (hidden[..., None] == np.arange(1, 7)), hidden, valid).mean() > 0.9
    per_episode = rng.normal(size=(40, 1, 30)).repeat(10, axis=1)  # can be learnt by heart
    right = probe(per_episode, hidden, valid)
    assert right[:20].mean() > 0.9
    assert right[20:].mean() < 0.6


@pytest.mark.parametrize(
    "name",
    [
        "carflag",
        "heavenhell-2",
        "memory-four-rooms-7x7",
        "tigerdoor-1",
        "tigerdoor-2:image",
        "pedestrian",
    ],
)
def test_secrets_are_those_of_the_environments(name: str) -> None:
    """What is hidden stays in an episode and differs between them; some steps tell it."""
    env, params = envs.make(name)
    secret = secret_of(env)
    assert secret is not None

    def walk(key: jax.Array) -> Any:
        key_reset, key = jax.random.split(key)
        _, state = env.reset_env(key_reset, params)

        def step(state: Any, key: jax.Array) -> Any:
            action = jax.random.randint(key, (), 0, env.num_actions)
            observation, state, *_ = env.step_env(key, state, action, params)
            return state, (observation, env.privileged_state(state, params))

        return jax.lax.scan(step, state, jax.random.split(key, 60))[1]

    observations, states = jax.device_get(
        jax.jit(jax.vmap(walk))(jax.random.split(jax.random.key(0), 32))
    )
    hidden, told = secret.hidden(states), secret.told(observations)
    assert hidden.shape == told.shape == (32, 60)
    assert (hidden == hidden[:, :1]).all()
    assert len(np.unique(hidden)) == (4 if "rooms" in name else 2)
    if name != "carflag":  # a random car stays where it is
        assert 0 < told.mean() < 1
    full = secret_of(envs.FullyObserved(env))
    assert full is not None
    assert full.told(states).all()


def test_cleaner_has_no_secret() -> None:
    """All that is hidden there changes."""
    assert secret_of(envs.Cleaner()) is None


def test_diagnoses_a_run(tmp_path: pathlib.Path) -> None:
    """A row per seed and measure; a policy that knows the state is always told."""
    (tmp_path / "policy").mkdir()
    save(tmp_path / "policy" / "seed-000.npz", "adqn", "heavenhell-1")
    ended = call(diagnose.main, str(tmp_path), "--episodes", "8")
    assert ended.code == 0, ended.err
    with (tmp_path / "diagnostics.csv").open() as file:
        rows = {row["measure"]: float(row["value"]) for row in csv.DictReader(file)}
    assert rows["length"] >= 1
    assert {"gathers_information", "probe_accuracy", "u_minus_q"} <= set(rows)
    with (tmp_path / "values.csv").open() as file:
        steps = list(csv.DictReader(file))
    assert steps[0]["episodes"] == "8"
    assert "u_q_distance" in ended.out


def test_diagnoses_a_policy_without_u(tmp_path: pathlib.Path) -> None:
    """What it has is measured, and nothing made up."""
    (tmp_path / "policy").mkdir()
    save(tmp_path / "policy" / "seed-000.npz", "dqn", "heavenhell-1")
    ended = call(diagnose.main, str(tmp_path), "--episodes", "4")
    assert ended.code == 0, ended.err
    assert "mean_q" in ended.out
    assert "u_" not in ended.out


@pytest.mark.parametrize(
    ("words", "message"), [((), "holds no policies"), (("--episodes", "1"), "at least 2")]
)
def test_bad_input(words: tuple[str, ...], message: str, tmp_path: pathlib.Path) -> None:
    """One sentence on stderr, exit code 2, nothing written."""
    if words:
        (tmp_path / "policy").mkdir()
        (tmp_path / "policy" / "seed-000.npz").write_text("")
    ended = call(diagnose.main, str(tmp_path), *words)
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert not list(tmp_path.glob("*.csv"))
