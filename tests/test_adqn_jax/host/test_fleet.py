"""Simulators side by side: what they tell, when episodes begin, and what befalls them."""

import functools
from typing import Any

import numpy as np
import pytest

from adqn_jax.envs.adapt_gymnasium import from_gymnasium
from adqn_jax.host.fleet import EnvironmentFailure, Fleet
from simulators import Lights

SEEDS = np.arange(3)


def fleet(limit: int = 9, number: int = 3, threads: int = 2, **fault: Any) -> Fleet:
    """Return simulators of Lights, all with the same fault."""
    adapted = from_gymnasium(functools.partial(Lights, **fault), limit, name="Lights")
    patience = 0.4 if fault.get("fault") == "hangs" else 30.0  # this machine may be busy
    return Fleet(*adapted, number, threads=threads, patience=patience)


def lamps(seeds: np.ndarray) -> list[int]:
    """Return the lamps of the episodes that begin so."""
    return [int(np.random.default_rng(np.random.PCG64(int(s))).integers(2)) for s in seeds]


def test_episodes_end_and_begin_as_compiled_ones_do() -> None:
    """One that terminates gives way at once; one that is truncated, after a slot of its own."""
    ends = fleet(limit=9)
    first = ends.reset(SEEDS)
    np.testing.assert_array_equal(first.state[:, 0], lamps(SEEDS))
    actions = np.array(lamps(SEEDS))
    for _ in range(2):
        told = ends.step(actions, SEEDS + 7)
        assert not (told.terminated | told.truncated | told.success).any()
        assert told.says.all()
    told = ends.step(actions, SEEDS + 7)
    assert told.terminated.all()
    np.testing.assert_array_equal(told.reward, np.ones(3))  # Discrete(2, start=1), from 0 here
    np.testing.assert_array_equal(told.env_state.state[:, 1], [3, 3, 3])
    np.testing.assert_array_equal(told.begun.state, [(lamp, 0) for lamp in lamps(SEEDS + 7)])
    told = ends.step(actions, SEEDS)
    np.testing.assert_array_equal(told.env_state.state[:, 1], [1, 1, 1])
    ends.close()

    cut = fleet(limit=2)
    cut.reset(SEEDS)
    cut.step(actions, SEEDS)
    told = cut.step(actions, SEEDS + 7)
    assert told.truncated.all()
    assert not told.terminated.any()
    np.testing.assert_array_equal(told.env_state.state[:, 1], [2, 2, 2])
    told = cut.step(actions, SEEDS + 7)  # the slot that shows it
    assert not (told.terminated | told.truncated | told.reward.astype(bool)).any()
    np.testing.assert_array_equal(told.begun.state, [(lamp, 0) for lamp in lamps(SEEDS + 7)])
    told = cut.step(actions, SEEDS)
    np.testing.assert_array_equal(told.env_state.state[:, 1], [1, 1, 1])
    cut.close()


def test_at_first_all_episodes_are_over() -> None:
    """As after a restart: the first step begins them."""
    new = fleet()
    told = new.step(np.zeros(3, int), SEEDS)
    np.testing.assert_array_equal(told.begun.state, [(lamp, 0) for lamp in lamps(SEEDS)])
    new.close()


def test_who_is_over_rests() -> None:
    """In evaluations no episode begins, and who has ended is not stepped."""
    evaluated = fleet()
    evaluated.reset(SEEDS)
    over = np.array([False, True, False])
    for _ in range(3):
        told = evaluated.step(np.zeros(3, int), SEEDS, over)
    np.testing.assert_array_equal(told.terminated, ~over)
    np.testing.assert_array_equal(told.env_state.state[:, 1], [3, 0, 3])
    evaluated.close()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("raises", "cannot step: RuntimeError: the arm has left the table"),
        ("exits", "cannot step: SystemExit: 3"),
        ("hangs", "has not answered for 0.4 s"),
        ("shape", "cannot step: the observation has the shape (1,), and its space (2,)"),
        ("words", "cannot step: the observation is no array of numbers: 'two'"),
        ("forgets", "cannot step: there is no 'state' in info"),
        ("reward", "cannot step: the reward is nan, not a finite number"),
    ],
)
def test_faults_are_told(fault: str, sentence: str) -> None:
    """By one sentence, which names environment and cause; the others are closed."""
    faulty = fleet(fault=fault, at=2)
    faulty.reset(SEEDS)
    faulty.step(np.zeros(3, int), SEEDS)
    with pytest.raises(EnvironmentFailure) as caught:
        faulty.step(np.zeros(3, int), SEEDS)
    assert str(caught.value) == f"environment 0 of Lights {sentence}"
    faulty.close()


@pytest.mark.parametrize("fault", ["", "closes slowly", "cannot close"])
def test_threads_end(fault: str) -> None:
    """When a fleet is closed; and all simulators are, too, however they take it."""
    made = fleet(fault=fault)
    workers, simulators = made._workers, made._simulators
    assert [worker.is_alive() for worker in workers] == [True, True]
    made.close()
    assert [worker.is_alive() for worker in workers] == [False, False]
    assert [simulator._env.closed for simulator in simulators] == [1, 1, 1]


def test_cannot_be_made() -> None:
    """As the first of them could, when spaces were asked for, and others cannot."""
    env, params = from_gymnasium(Lights, 9, name="Lights")
    env._make = functools.partial(Lights, fault="unmade")  # type: ignore[attr-defined]
    with pytest.raises(EnvironmentFailure, match="Lights cannot be made: OSError: no such scene"):
        Fleet(env, params, 3)
