"""gymnax's Pendulum without its velocity: a memory task with continuous actions."""

import gymnax
import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax import contract, envs


def test_the_velocity_is_hidden() -> None:
    """The agent sees cosine and sine, the trainer the velocity too; all else is gymnax's."""
    env, params = envs.make("gymnax:Pendulum-v1:0,1")
    bare, _ = gymnax.make("Pendulum-v1")

    def play(key: jax.Array) -> tuple:
        first, state = env.reset_env(key, params)
        expected, their_state = bare.reset_env(key, params)

        def step(states: tuple, key: jax.Array) -> tuple:
            action = env.action_space(params).sample(key)
            ours = env.step_env(key, states[0], action, params)
            theirs = bare.step_env(key, states[1], action, params)
            told = (env.privileged_state(ours[1], params), env.is_truncated(ours[1], params))
            return (ours[1], theirs[1]), (ours, theirs, told)

        keys = jax.random.split(key, 200)
        return first, expected, jax.lax.scan(step, (state, their_state), keys)[1]

    first, expected, (ours, theirs, (known, truncated)) = jax.jit(jax.vmap(play))(
        jax.random.split(jax.random.key(0), 2)
    )
    np.testing.assert_array_equal(first, expected[:, :2])
    np.testing.assert_array_equal(ours[0], theirs[0][..., :2])
    np.testing.assert_array_equal(known, theirs[0])
    np.testing.assert_array_equal(ours[2], theirs[2])
    assert ours[2].shape == (2, 200)  # scalar rewards in a batch
    assert (ours[2] <= 0).all()
    assert not ours[3].any()
    np.testing.assert_array_equal(truncated.argmax(1), [199, 199])
    angle = np.arctan2(known[..., 1], known[..., 0])
    turned = np.angle(np.exp(1j * np.diff(angle, axis=1)))
    np.testing.assert_allclose(known[:, 1:, 2], turned / params.dt, atol=1e-3)


def test_spaces() -> None:
    """Torques are a vector of one number; what gymnax calls their number is its length."""
    env, params = envs.make("gymnax:Pendulum-v1:0,1")
    contract.check(env, params)
    actions = env.action_space(params)
    assert (actions.shape, float(actions.low), float(actions.high)) == ((1,), -2.0, 2.0)
    assert env.num_actions == 1
    assert env.observation_space(params).shape == (2,)
    np.testing.assert_array_equal(
        env.privileged_state_space(params).high, jnp.array([1.0, 1.0, 8.0])
    )
    assert params.max_steps_in_episode == 200
