"""Episodes kept whole."""

import jax
import numpy as np
import pytest
from gymnax.environments.spaces import Discrete

import probes
from adqn_jax.episode import RandomActions, play, record
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Interaction

STREAMS = 5


def test_played_streams_are_whole_episodes() -> None:
    """As many slots as the longest episode has; the first episode of each stream is marked."""
    env = probes.TwoSteps()
    params = env.default_params.replace(max_steps_in_episode=5)
    interaction = Interaction(SlotCodec(env, params))
    played = jax.jit(lambda key: play(key, interaction, RandomActions(Discrete(2)), None, STREAMS))(
        jax.random.key(0)
    )
    rows, slots = played.rows, np.arange(5)[:, None]
    assert rows.action.shape == (5, STREAMS)
    np.testing.assert_array_equal(rows.inputs.start, np.tile(slots % 2 == 0, STREAMS))
    np.testing.assert_array_equal(rows.terminated, np.tile(slots % 2 == 1, STREAMS))
    np.testing.assert_array_equal(played.first, np.tile(slots < 2, STREAMS))
    # What was reached is the next slot's, but where an episode has ended.
    same = ~np.asarray(rows.terminated[:-1])
    for reached, seen in (
        (played.reached.observation, rows.inputs.observation),
        (played.reached.state, rows.inputs.state),
        (played.reached.action_tm1, rows.inputs.action_tm1),
    ):
        np.testing.assert_array_equal(np.asarray(reached)[:-1][same], np.asarray(seen)[1:][same])
    np.testing.assert_array_equal(played.reached.observation[rows.terminated], 1)
    assert set(np.unique(rows.action)) == {0, 1}


@pytest.mark.parametrize("env", [probes.Limit(3), probes.TwoSteps()], ids=["limit", "end"])
def test_a_recording_holds_one_episode(env: probes.Probe) -> None:
    """T steps, and T + 1 observations and states; whether it was the limit that ended it."""
    params = env.default_params.replace(max_steps_in_episode=3)
    episode = record(jax.random.key(1), env, params, None, 0.0)
    assert episode.length == env.length
    assert episode.truncated == (not env.terminates)
    shapes = (len(episode.states), len(episode.observations), len(episode.rewards))
    assert shapes == (env.length + 1, env.length + 1, env.length)
    assert len(np.unique(episode.states)) == 1, "the bit of this episode, to its last state"
    if env.terminates:
        np.testing.assert_array_equal(episode.observations, [0, 1, 1])
        np.testing.assert_array_equal(episode.rewards, [0, 1])
    assert episode.values == {}
