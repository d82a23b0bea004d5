"""Each probe trains to a policy and to values known exactly."""

from typing import Any

import jax
import numpy as np
import pytest

import probes
from adqn_jax import episode, make_trainer
from adqn_jax.types import Rows
from settings import on_policy

TOLERANCE = 0.08
Looked = tuple[Rows, dict[str, np.ndarray]]


def learned(env: Any, algorithm: str, **changes: Any) -> Looked:
    """Train on a probe; return episodes that the policy then plays, and what is said of them."""
    config = on_policy(algorithm, num_envs=16, **changes)
    trainer = make_trainer(config, env, env.default_params)
    networks = trainer.agent.networks

    @jax.jit
    def run(key: jax.Array) -> Looked:
        key_train, key_play = jax.random.split(key)
        state = trainer.iterate(trainer.init(key_train), config.hyper, 300)
        who = networks.actor(state.agent.params, 0.5, greedy=False)
        rows = episode.play(key_play, trainer.interaction, networks, who, 64).rows
        return rows, networks.look(state.agent.params, rows.inputs)

    rows, looked = run(jax.random.key(0))
    return rows, {name: np.asarray(x) for name, x in looked.items()}


def close(values: np.ndarray, exact: Any, atol: float = TOLERANCE) -> None:
    """Compare learned values with exact ones."""
    assert np.size(values) > 0
    np.testing.assert_allclose(values, np.broadcast_to(exact, np.shape(values)), atol=atol)


def test_two_steps() -> None:
    """A reward one step ahead is discounted once, by bootstrapping."""
    rows, looked = learned(probes.TwoSteps(), "a2c")
    first = np.asarray(rows.inputs.start)
    close(looked["V(h)"][first], 0.5)
    close(looked["V(h)"][~first], 1.0)


@pytest.mark.parametrize("algorithm", ["reinforce", "ppo-state"])
def test_action(algorithm: str) -> None:
    """The better action is learnt, with a critic and without."""
    histories = "whole" if algorithm == "reinforce" else "continued"
    _, looked = learned(probes.Choice(), algorithm, histories=histories)
    close(looked["pi(a|h)"], [0.0, 1.0], atol=0.15)
    assert set(looked) == {"pi(a|h)"} | ({"V(s)"} if algorithm == "ppo-state" else set())
    if "V(s)" in looked:
        close(looked["V(s)"], 1.0, atol=0.2)


@pytest.mark.parametrize("encoders", ["separate", "shared"])
def test_memory(encoders: str) -> None:
    """What was seen two steps ago is named now, though rows begin anywhere in an episode."""
    rows, looked = learned(
        probes.Memory(), "ppo-asym", steps_per_iteration=4, return_lambda=0.9,
        history_encoders=encoders,
    )  # fmt: skip
    time = slot_times(rows)
    right = np.take_along_axis(
        looked["pi(a|h)"], np.asarray(rows.inputs.state)[..., None], axis=-1
    )[..., 0]
    assert right[time == 2].mean() > 0.9
    # Histories of actions that are no longer taken are seldom seen: most values are known, not all.
    assert np.abs(looked["V(h,s)"][time == 2] - 1.0).mean() < 0.1
    close(looked["V(h,s)"][time == 1], 0.5, atol=0.2)
    close(looked["V(h,s)"][time == 0], 0.25, atol=0.2)


@pytest.mark.parametrize(
    ("env", "algorithm", "changes"),
    [
        (probes.Pictured(), "reinforce-baseline", {"histories": "whole", "history": "none"}),
        (probes.Aim(3), "ppo-asym", {"return_lambda": 0.9}),
    ],
    ids=["picture", "memory"],
)
def test_continuous_actions(env: probes.Aim, algorithm: str, changes: Any) -> None:
    """Two numbers are hit; a picture shows which, or what was seen two steps ago."""
    rows, looked = learned(
        env, algorithm, conv_channels=(4,), entropy_start=0.0, entropy_end=0.0, **changes
    )
    last = slot_times(rows) == env.length - 1
    goal = 1.0 + 2.0 * np.asarray(rows.inputs.state)[last]
    close(looked["mu_0(h)"][last], goal, atol=0.3)
    close(looked["mu_1(h)"][last], 2.0, atol=0.3)
    assert looked["sigma_0(h)"].max() < 0.6, "it begins at 1.2"


@pytest.mark.parametrize(("algorithm", "name"), [("a2c", "V(h)"), ("a2c-asym", "V(h,s)")])
def test_state_only(algorithm: str, name: str) -> None:
    """V(h,s) reads the hidden bit; V(h), which cannot, is its mean."""
    rows, looked = learned(probes.StateOnly(), algorithm, learning_rate=5e-3)
    if name == "V(h)":
        np.testing.assert_allclose(looked[name].mean(), 0.0, atol=0.3)
        assert np.ptp(looked[name]) < 1e-3
    else:
        close(looked[name], 2.0 * np.asarray(rows.inputs.state) - 1.0)


@pytest.mark.parametrize(
    ("algorithm", "time_limit", "histories", "exact"),
    # Rewards of 1 until the limit after 4 steps, discounted by one half; or for ever.
    [
        ("a2c", "bootstraps", "continued", [2.0] * 4),
        ("reinforce-baseline", "terminates", "whole", [1.875, 1.75, 1.5, 1.0]),
    ],
)
def test_truncation(algorithm: str, time_limit: str, histories: str, exact: list[float]) -> None:
    """Past a time limit the value is 0 or bootstrapped, as configured."""
    rows, looked = learned(
        probes.Limit(), algorithm, time_limit=time_limit, histories=histories
    )  # fmt: skip
    time = slot_times(rows)
    for step, value in enumerate(exact):
        close(looked["V(h)"][(time == step) & np.asarray(rows.valid)], value)


def slot_times(rows: Rows) -> np.ndarray:
    """Return the time of each slot within its episode, int [T, B]."""
    start = np.asarray(rows.inputs.start)
    slots = np.arange(start.shape[0])[:, None]
    return slots - np.maximum.accumulate(np.where(start, slots, 0))
