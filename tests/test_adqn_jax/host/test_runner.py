"""Environments that the host steps: the numbers of compiled ones, faults, restarts, lag."""

import functools
import queue
import threading
import time
import types
from typing import Any

import jax
import numpy as np
import pytest

from adqn_jax import SeedRunner, make_trainer
from adqn_jax.actor_critic.segment import make_segment
from adqn_jax.envs.adapt_gymnasium import from_gymnasium
from adqn_jax.host import EnvironmentFailure, Hosting, HostRunner
from adqn_jax.host.asynchronous import Acting, Arrival
from adqn_jax.types import FINAL
from settings import imitating, on_policy, small
from simulators import Behind, Lights, Seeded

MEMORYLESS = small("dqn", history="none", row_length=4, replay_ratio=4.0, log_every=100)
FAMILIES = {
    "memoryless": MEMORYLESS,
    "value": small(history="gru", row_length=0, total_timesteps=200, log_every=60),
    "actor-critic": on_policy("ppo-asym", total_timesteps=200, log_every=60),
    "whole": on_policy(
        "reinforce-baseline", histories="whole", steps_per_iteration=0, log_every=60
    ),
    "imitation": imitating("a2d", total_timesteps=200, log_every=60),
}


def hosted(config: Any, limit: int = 9, faults: Any = (), **how: Any) -> HostRunner:
    """Return who trains two seeds on Lights, the next one of which takes the last fault."""
    env = from_gymnasium(lambda: Lights(**(faults.pop() if faults else {})), limit)
    return HostRunner(make_trainer(config, *env), 2, config.hyper, Hosting(**how))


def pair(name: str, config: Any, limit: int) -> tuple[SeedRunner, HostRunner]:
    """Return who trains on an environment compiled, and who lets the host step it."""
    seeded = Seeded(name)
    params = seeded.params.replace(max_steps_in_episode=limit)
    hosted = from_gymnasium(functools.partial(Behind, name), limit)
    return (
        SeedRunner(make_trainer(config, seeded, params), 2, config.hyper),
        HostRunner(make_trainer(config, *hosted), 2, config.hyper),
    )


def alike(one: np.ndarray, other: np.ndarray) -> None:
    """Whole numbers are equal, others but for rounding."""
    if one.dtype.kind == "f":
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
    else:
        np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_those_of_compiled_environments(family: str) -> None:
    """What happened is the same, to the last action; what is learnt of it, but for rounding.

    The compiler may sum in another order where a program is cut in pieces.
    """
    both = pair("heavenhell-1", FAMILIES[family], 7)
    results = []
    for runner in both:
        states = runner.init(jax.random.key(5))
        for _ in range(2):
            states = runner.iterate(states, 4)
        metrics = runner.evaluate(states)
        runner.close()
        bare = states.replace(
            key=jax.random.key_data(states.key),
            # What a state is differs; what is seen of it does not.
            streams=states.streams.replace(env_state=None),
            agent=jax.tree.map(
                lambda x: x.replace(env_state=None) if hasattr(x, "env_state") else x,
                states.agent,
                is_leaf=lambda x: hasattr(x, "env_state"),
            ),
        )
        results.append(jax.device_get((bare, metrics)))
    compiled, hosted = results
    extra = {"lag", "lag_max", "acting_seconds", "learning_seconds"}
    assert set(hosted[1]) - set(compiled[1]) == extra
    for name in extra:
        del hosted[1][name]
    assert int(compiled[0].window.count.min()) > 0
    assert int(compiled[0].iteration[0]) == int(hosted[0].iteration[0]) > 1
    jax.tree.map(alike, compiled, hosted)


def test_evaluating_again_after_a_failure() -> None:
    """New simulators play: what is left of the others' answers counts for nothing."""
    faults: list[Any] = []
    first, second = (hosted(MEMORYLESS, faults=faults, threads=2) for _ in range(2))
    states = second.init(jax.random.key(1))
    faults += [{"fault": "raises", "at": 1}]  # of the first simulator, while others go on
    with pytest.raises(EnvironmentFailure, match="the arm has left the table"):
        first.evaluate(states)
    again, expected = first.evaluate(states), second.evaluate(states)
    for name in ("eval_return", "eval_length", "eval_discounted_return"):
        np.testing.assert_array_equal(again[name], expected[name])
    for runner in (first, second):
        runner.close()


def test_going_on_with_new_episodes() -> None:
    """From states that are not its own: old episodes are cut off, and bootstrapped from."""
    faults: list[Any] = []
    first, second = hosted(MEMORYLESS, faults=faults), hosted(MEMORYLESS)
    at = first.trainer.plan.warmup_steps + 2  # the second iteration, which is a step
    faults += [{"fault": "raises", "at": at}]  # of the first seed's first simulator
    states = first.iterate(first.init(jax.random.key(1)), 1)
    before = jax.device_get(states.agent.buffer)
    count = int(before.count[0])
    after = jax.device_get(second.iterate(states, 1))
    with pytest.raises(EnvironmentFailure, match="the arm has left the table"):
        first.iterate(states, 1)
    # Nor are its own of any use once one has failed in the midst of an iteration.
    again = jax.device_get(first.iterate(states, 1))
    of_seed = lambda tree: jax.tree.map(lambda x: x[0], (tree.agent, tree.streams))  # noqa: E731
    jax.tree.map(np.testing.assert_array_equal, of_seed(again), of_seed(after))
    for runner in (first, second):
        runner.close()
    assert (after.iteration > states.iteration).all()
    slots = jax.tree.map(lambda x: x[:, count : count + 2], after.agent.buffer.storage)
    last = jax.device_get(states.streams)
    # What was reached is shown once more, without a transition; then an episode begins.
    np.testing.assert_array_equal(slots.end[:, 0], np.full((2, 4), FINAL))
    np.testing.assert_array_equal(slots.env_state.state[:, 0], last.env_state.state)
    np.testing.assert_array_equal(slots.time[:, 1], np.zeros((2, 4)))
    np.testing.assert_array_equal(slots.env_state.state[:, 1, :, 1], np.zeros((2, 4)))
    same = jax.tree.map(lambda x: x[:, :count], after.agent.buffer.storage)
    jax.tree.map(
        np.testing.assert_array_equal, same, jax.tree.map(lambda x: x[:, :count], before.storage)
    )


@pytest.mark.parametrize("lag", [1, 3])
def test_lag(lag: int) -> None:
    """It is bounded, measured, and with 1 the same in every run; the first iteration has none."""
    config = on_policy("ppo-asym", history="none", log_every=32, total_timesteps=96)
    states, lags = [], []
    for _ in range(2 if lag == 1 else 1):
        runner = hosted(config, max_lag=lag)
        updates = runner.trainer.plan.updates_per_iteration
        begun = runner.init(jax.random.key(2))
        assert runner.trainer.plan.log_points < 4, "whoever calls it may go on"
        for _ in range(4):
            begun = runner.iterate(begun, 1)
            lags.append(runner.read(0)["lag_max"] / updates)
        assert runner.read(0)["lag_max"] == 0  # since then nothing has happened
        runner.close()
        assert not [t for t in threading.enumerate() if t.name == "acting" and t.is_alive()]
        states.append(jax.device_get(begun.agent))
    assert lags[0] == 0
    assert min(lags[1:4]) >= 1
    assert max(lags) <= lag
    if lag == 1:
        assert lags == [0, 1, 1, 1] * 2
        jax.tree.map(np.testing.assert_array_equal, *states)


class SlowToReturn(queue.SimpleQueue):  # type: ignore[type-arg]
    """What is put in is there before whoever has put it in goes on."""

    def put(self, *args: Any, **kwargs: Any) -> None:
        """Put in, and rest."""
        super().put(*args, **kwargs)
        time.sleep(0.005)


@pytest.mark.parametrize("lag", [1, 3])
def test_lag_is_no_race(lag: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who acts follows from what was handed over, however fast somebody learns from it."""
    monkeypatch.setattr(queue, "SimpleQueue", SlowToReturn)

    def act(streams: Any, who: str, key: Any, iteration: int, version: int, stop: Any) -> Arrival:
        assert who == f"learnt from {version}"
        same: Any = types.SimpleNamespace(reached=streams, next=key)
        return Arrival(same, same, iteration, version, 0.0)

    acting = Acting(act, None, None, "learnt from 0", range(99), lag)  # type: ignore[arg-type]
    found = [acting.take() for _ in range(lag)]
    for version in range(1, 11):
        acting.refresh(f"learnt from {version}", version)
        found.append(acting.take())
    acting.close()
    assert not acting.is_alive()
    assert [arrival.iteration for arrival in found] == list(range(lag + 10))
    assert [arrival.version for arrival in found] == [max(0, i - lag) for i in range(lag + 10)]


def test_ratios_are_over_who_acted() -> None:
    """PPO's old probabilities are those of whoever acted, where learning has gone on since."""
    config = on_policy("ppo-asym", history="none", log_every=32)
    trainer = hosted(config).trainer
    agent, hyper = trainer.agent, config.hyper
    runner = hosted(config, max_lag=1)
    state = jax.tree.map(lambda x: x[0], runner.init(jax.random.key(3)))
    who = agent.behaviour(state.agent, hyper, 0)
    arrival = runner._act(0, state.streams, who, state.key, 0, 0)
    runner.close()
    moved = jax.tree.map(lambda x: x + 0.1, state.agent.params)
    _, happened = trainer._take_in(state, arrival.gathered)
    segment = make_segment(agent.codec, happened, whole=False)

    def old(params: Any, acted: Any) -> Any:
        memory = state.agent.memory
        return agent.learner.prepare(hyper, params, {}, segment, memory, acted)[0].old_log_prob

    by_who_acted = old(state.agent.params, None)
    np.testing.assert_allclose(old(moved, who.params), by_who_acted, rtol=1e-6)
    assert np.abs(old(moved, None) - by_who_acted).max() > 1e-3


def test_whoever_acts_dies() -> None:
    """The learner is told, and does not wait for ever."""

    def die(*_: Any) -> Any:
        raise MemoryError("no room")

    acting = Acting(die, None, None, None, range(3), 1)  # type: ignore[arg-type]
    with pytest.raises(EnvironmentFailure, match="thread that acts has died: MemoryError: no room"):
        acting.take()
    acting.close()
