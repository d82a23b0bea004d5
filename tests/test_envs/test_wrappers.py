"""An environment that hides nothing."""

import jax
import numpy as np
import pytest

from adqn_jax import envs

NAMES = (
    *("carflag", "heavenhell-2", "cleaner", "memory-four-rooms-7x7", "foraging:8x8:2:2:sight=2"),
    "gymnax:CartPole-v1:0,2",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_agent_observes_the_state(name: str) -> None:
    """Observations are the states of the environment as it is; the rest is as there."""
    plain, params = envs.make(name)
    full, _ = envs.make(name, "state")

    @jax.jit
    def both(key: jax.Array) -> tuple:
        results = []
        for env in (plain, full):
            observation, state = env.reset_env(key, params)
            after, next_state, *rest = env.step_env(key, state, 1, params)
            again = env.observe(key, next_state, None, params)
            privileged = [env.privileged_state(s, params) for s in (state, next_state)]
            results.append(((observation, after, again), privileged, rest))
        return tuple(results)

    (_, states, rest), (observed, same_states, same_rest) = both(jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, (states, rest), (same_states, same_rest))
    jax.tree.map(np.testing.assert_array_equal, observed, (states[0], states[1], states[1]))
    space = full.observation_space(params)
    assert repr(space) == repr(plain.privileged_state_space(params))
    assert full.num_actions == plain.num_actions
    assert full.observes_deterministically


def test_settings_tell_environments_apart() -> None:
    """Two of the same settings are equal, as gymnax's compiled functions need."""
    one, same, other = (envs.make(f"heavenhell-{n}", "state")[0] for n in (2, 2, 3))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != envs.make("heavenhell-2")[0]
