"""Steps of streams: what a slot stores, what it reached, and what comes next."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import probes
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Interaction, Step, add_to_window, window_mean
from adqn_jax.types import FINAL, GOES_ON, TERMINATED, TRUNCATED, EpisodeWindow, Stream

STREAMS = 3


def act(memory: jax.Array, inputs: Any, key: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    """Count the slots of an episode, and act by their number."""
    del key
    memory = jnp.where(inputs.start, 0, memory) + 1
    return memory % 2, memory, None


def steps_of(env: probes.Probe, number: int, discount: float = 0.5) -> tuple[Any, Any, Any]:
    """Step streams; returns them before each step, the steps, and them after; [T, E, ...]."""
    interaction = Interaction(SlotCodec(env, env.default_params))

    def body(streams: Stream, key: jax.Array) -> tuple[Stream, tuple[Stream, Step, Stream]]:
        after, step = interaction.step(key, streams, act, discount)
        return after, (streams, step, after)

    def run(key: jax.Array) -> Any:
        streams = interaction.start(key, STREAMS, jnp.zeros(STREAMS, jnp.int32))
        return jax.lax.scan(body, streams, jax.random.split(key, number))[1]

    found: tuple[Any, Any, Any] = jax.device_get(jax.jit(run)(jax.random.key(0)))
    return found


def test_a_termination_gives_way() -> None:
    """`reached` is the episode's end, the stream after it another episode's beginning."""
    before, step, after = steps_of(probes.TwoSteps(), 6)
    over = np.arange(6) % 2 == 1
    np.testing.assert_array_equal(step.slot.end[:, 0], np.where(over, TERMINATED, GOES_ON))
    np.testing.assert_array_equal(step.done[:, 0], over)
    reached, slots = step.reached, before.env_state
    np.testing.assert_array_equal(reached.env_state.time, slots.time + 1)
    np.testing.assert_array_equal(reached.env_state.bit, slots.bit)
    np.testing.assert_array_equal(reached.observation, np.minimum(slots.time + 1, 1))
    assert not reached.final.any()
    assert not reached.carry.start.any()
    np.testing.assert_array_equal(reached.episode.length[:, 0], np.arange(6) % 2 + 1)
    np.testing.assert_array_equal(reached.episode.undiscounted_return[over], 1.0)
    np.testing.assert_array_equal(reached.episode.discounted_return[over], 0.5)
    jax.tree.map(np.testing.assert_array_equal, step.episode, reached.episode)
    for now, then in ((after.env_state.time, 0), (after.episode.length, 0)):
        np.testing.assert_array_equal(now[over], then)
    np.testing.assert_array_equal(after.carry.start[:, 0], over)
    going_on = jax.tree.map(lambda x: x[~over], (after, reached))
    jax.tree.map(np.testing.assert_array_equal, *going_on)
    assert len(np.unique(after.env_state.bit[over])) == 2, "episodes are drawn anew"


def test_a_truncation_is_shown_once_more() -> None:
    """`reached` is final and goes on as it is: one slot that earns nothing, then another start."""
    length = 4
    before, step, after = steps_of(probes.Limit(length), 2 * (length + 1))
    time = np.arange(2 * (length + 1)) % (length + 1)
    ends = np.select([time == length, time == length - 1], [FINAL, TRUNCATED], GOES_ON)
    np.testing.assert_array_equal(step.slot.end, np.repeat(ends[:, None], STREAMS, 1))
    np.testing.assert_array_equal(step.done[:, 0], ends == TRUNCATED)
    reached = step.reached
    np.testing.assert_array_equal(reached.final[:, 0], ends == TRUNCATED)
    stays = jax.tree.map(lambda x: x[ends == TRUNCATED], (after, reached))
    jax.tree.map(np.testing.assert_array_equal, *stays)
    np.testing.assert_array_equal(before.final[:, 0], ends == FINAL)
    np.testing.assert_array_equal(step.slot.reward[:, 0], ends != FINAL)
    np.testing.assert_array_equal(step.slot.time, np.repeat(time[:, None], STREAMS, 1))
    # The slot that only shows what followed adds nothing to the episode.
    np.testing.assert_array_equal(step.episode.length[:, 0], np.minimum(time + 1, length))
    np.testing.assert_array_equal(step.episode.undiscounted_return[:, 0], np.minimum(time + 1, 4))
    np.testing.assert_array_equal(after.carry.start[:, 0], ends == FINAL)
    np.testing.assert_array_equal(after.episode.length[ends == FINAL], 0)


def test_memory_and_action_are_carried() -> None:
    """Whoever acts gets back what it remembered and did, and is told where an episode starts."""
    _, step, after = steps_of(probes.TwoSteps(), 6)
    counted = np.arange(6) % 2 + 1
    np.testing.assert_array_equal(step.reached.carry.memory[:, 0], counted)
    np.testing.assert_array_equal(step.slot.action[:, 0], counted % 2)
    np.testing.assert_array_equal(step.reached.carry.action_tm1[:, 0], counted % 2)
    going_on = ~after.carry.start
    np.testing.assert_array_equal(after.carry.action_tm1[going_on], step.slot.action[going_on])


@pytest.mark.parametrize("env", [probes.Noisy(), probes.Limit()], ids=["stored", "derived"])
def test_observations_are_stored_where_they_must_be(env: probes.Probe) -> None:
    """What was seen, or nothing, if it can be derived."""
    before, step, _ = steps_of(env, 3)
    if env.observes_deterministically:
        assert step.slot.observation is None
    else:
        np.testing.assert_array_equal(step.slot.observation, before.observation)


ADD = jax.jit(add_to_window)
WINDOW, WIDTH = 4, 6


@given(st.lists(st.lists(st.booleans(), min_size=WIDTH, max_size=WIDTH), max_size=8))
def test_the_window_holds_the_last_returns(done: list[list[bool]]) -> None:
    """However many episodes end at once: the mean is that of the last W; NaN of none."""
    window, ended = EpisodeWindow(jnp.zeros(WINDOW), jnp.int32(0)), []
    for t, of_step in enumerate(done):
        returns = np.arange(WIDTH, dtype=np.float32) + 10 * t
        window = ADD(window, np.array(of_step), returns)
        ended += returns[np.array(of_step)].tolist()
    assert int(window.count) == len(ended)
    assert sorted(window.returns[: len(ended)].tolist()) == sorted(ended[-WINDOW:])
    mean = float(window_mean(window))
    assert np.isnan(mean) if not ended else mean == pytest.approx(np.mean(ended[-WINDOW:]))
