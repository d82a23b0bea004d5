"""What actions are drawn from, how they are brought to an environment, and what is kept of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments.spaces import Box, Discrete
from scipy import stats

import probes
from adqn_jax import explore, make_trainer, spaces
from adqn_jax.actor_critic.policies import LOG_STD, Categorical, Gaussian
from adqn_jax.episode import record
from adqn_jax.nn import initial
from adqn_jax.nn.encoders import action_encoder
from adqn_jax.policy import make_policy
from settings import ON_POLICY, on_policy

LOW, HIGH = np.float32([0.0, -1.0, -np.inf]), np.float32([4.0, 1.0, 2.0])
SPACE = Box(LOW, HIGH, (3,))  # centres 2, 0 and, below a bound, 1; half-widths 2, 1 and 1
GAUSSIAN = Gaussian(SPACE)
OUTPUTS = jnp.array([[0.5, -0.25, 3.0], [-0.5, 0.0, 0.5]])
MEAN, STD = np.array([3.0, -0.25, 4.0]), np.exp([-0.5, 0.0, 0.5]) * [2.0, 1.0, 1.0]
ACTION = jnp.array([5.0, 0.5, -1.0])
SAMPLES = 20_000


def test_entropy_of_a_categorical() -> None:
    """Of a uniform policy it is log A; of a certain one 0."""
    policy = Categorical(4)
    np.testing.assert_allclose(policy.entropy(jnp.full(4, -jnp.log(4.0))), np.log(4.0), rtol=1e-6)
    certain = policy.read(jnp.array([0.0, 50.0, 0.0, 0.0]))
    np.testing.assert_allclose(policy.entropy(certain), 0.0, atol=1e-6)


def test_density_and_entropy_of_a_gaussian() -> None:
    """Those of independent normal variables, in the units of actions."""
    said, normal = GAUSSIAN.read(OUTPUTS), stats.norm(MEAN, STD)
    density = GAUSSIAN.log_prob(said, ACTION)
    np.testing.assert_allclose(density, normal.logpdf(ACTION).sum(), rtol=1e-5)
    np.testing.assert_allclose(GAUSSIAN.entropy(said), normal.entropy().sum(), rtol=1e-5)
    batch = GAUSSIAN.log_prob(jnp.stack([said, said]), jnp.stack([ACTION, ACTION + 1.0]))
    assert batch.shape == (2,)
    assert batch[0] == density != batch[1]


def test_gradient_of_the_density() -> None:
    """(a - μ) / σ and ((a - μ) / σ)² - 1, of outputs in units of the bounds."""

    def density(outputs: jax.Array) -> jax.Array:
        return GAUSSIAN.log_prob(GAUSSIAN.read(outputs), ACTION)

    of_mean, of_log_std = jax.grad(density)(OUTPUTS)
    z = (np.asarray(ACTION) - MEAN) / STD
    np.testing.assert_allclose(of_mean, z / np.exp(OUTPUTS[1]), rtol=1e-5)
    np.testing.assert_allclose(of_log_std, z**2 - 1.0, rtol=1e-4)


def test_samples_of_a_gaussian() -> None:
    """Mean and deviation within three standard errors; nothing is clipped; the mode is the mean."""
    drawn = np.asarray(GAUSSIAN.sample(jax.random.key(0), jnp.tile(OUTPUTS, (SAMPLES, 1, 1))))
    assert drawn.shape == (SAMPLES, 3)
    assert (np.abs(drawn.mean(0) - MEAN) < 3.0 * STD / SAMPLES**0.5).all()
    assert (np.abs(drawn.std(0) - STD) < 3.0 * STD / (2 * SAMPLES) ** 0.5).all()
    assert (drawn > HIGH).any()
    np.testing.assert_allclose(GAUSSIAN.mode(OUTPUTS), MEAN)


def test_random_actions() -> None:
    """Uniform in bounds that are finite, beside the one that is; as often as asked for."""
    drawn = np.asarray(explore.uniform(jax.random.key(0), SPACE, SAMPLES))
    low, high = np.array([0.0, -1.0, 0.0]), np.array([4.0, 1.0, 2.0])
    width = high - low
    assert ((drawn >= low) & (drawn <= high)).all()
    assert (np.abs(drawn.mean(0) - (low + high) / 2) < 3 * width / (12 * SAMPLES) ** 0.5).all()
    assert (np.ptp(drawn, axis=0) > 0.99 * width).all()
    never = jnp.full((SAMPLES, 3), 9.0)
    some = np.asarray(explore.at_random(jax.random.key(1), never, 0.25, SPACE))
    at_random = (some != 9.0).all(-1)
    assert (at_random == (some != 9.0).any(-1)).all(), "an action is drawn whole"
    np.testing.assert_allclose(at_random.mean(), 0.25, atol=0.01)


def test_the_action_before_is_embedded_linearly() -> None:
    """In units of the bounds, and no further than these: all that the environment got of it."""
    encoder = action_encoder(SPACE, ON_POLICY.network)
    params = initial.init(encoder, jax.random.key(0), ACTION)
    centre, half = spaces.units(SPACE)
    kernel = params["params"]["kernel"]
    assert kernel.shape == (3, ON_POLICY.network.embedding_size)
    for units in np.float32([[0.5, -0.5, 1.0], [-1.0, 1.0, -7.0], [0.0, 0.0, 0.0]]):
        np.testing.assert_allclose(
            encoder.apply(params, centre + half * units), units @ kernel, atol=1e-5
        )
    beyond, at_bounds = jnp.array([7.0, -3.0, 5.0]), jnp.array([4.0, -1.0, 2.0])
    np.testing.assert_array_equal(*(encoder.apply(params, x) for x in (beyond, at_bounds)))


def test_discrete_actions_are_what_they_were() -> None:
    """Embedded by their number, and given to an environment as they are."""
    params = initial.init(action_encoder(Discrete(3), ON_POLICY.network), jax.random.key(0), 0)
    assert jax.tree.map(jnp.shape, params) == {"params": {"table": (3, 8)}}
    action = jnp.array([0, 2])
    assert spaces.executed(action, Discrete(3)) is action


def test_what_is_drawn_is_kept_and_what_is_clipped_is_played() -> None:
    """Slots and memory hold the draw, of which log π is the density; rewards show the clip."""
    env = probes.Told()
    trainer = make_trainer(on_policy("a2c"), env, env.default_params)
    networks, interaction = trainer.agent.networks, trainer.interaction

    @jax.jit
    def run(key: jax.Array) -> Any:
        state = trainer.init(key)
        who = networks.actor(state.agent.params, greedy=False)
        return interaction.step(key, state.streams, lambda *x: networks.act(who, *x))

    streams, step = run(jax.random.key(3))
    action = np.asarray(step.slot.action)
    assert action.shape == (trainer.plan.num_envs, 1)
    assert action.dtype == np.float32
    assert (np.abs(action) > 1.0).any()
    assert (np.abs(action) < 1.0).any()
    np.testing.assert_array_equal(step.slot.reward, np.clip(action[:, 0], -1.0, 1.0))
    np.testing.assert_array_equal(streams.carry.action_tm1, action)


def test_what_is_seen_of_an_episode() -> None:
    """A recording holds what was played; of the policy, mean and deviation of each number."""
    env = probes.Aim(3)
    trainer = make_trainer(on_policy("ppo", eval_actions="greedy"), env, env.default_params)
    params = trainer.acting_params(jax.jit(trainer.init)(jax.random.key(0)))
    policy = make_policy(trainer.config, env, env.default_params, params, {})
    recording = record(jax.random.key(1), env, env.default_params, policy, 0.0)
    names = ["mu_0(h)", "mu_1(h)", "sigma_0(h)", "sigma_1(h)"]
    assert list(recording.values) == names
    means = np.stack([recording.values[name] for name in names[:2]], -1)
    assert recording.actions.shape == means.shape == (3, 2)
    np.testing.assert_allclose(recording.actions, np.clip(means, 0, [4, np.inf]), atol=1e-5)
    first = np.exp(LOG_STD) * np.array([2.0, 1.0])
    for name, std in zip(names[2:], first, strict=True):
        np.testing.assert_allclose(recording.values[name], std, rtol=1e-6)


@pytest.mark.parametrize("endless", [np.inf, 2e6])
def test_bounds_that_are_no_scale(endless: float) -> None:
    """Half-width 1 where a bound is infinite or as good as that; what is drawn keeps the other."""
    low, high = np.float32([-endless, 5.0, -endless]), np.float32([3.0, endless, endless])
    space = Box(low, high, (3,))
    centre, half = spaces.units(space)
    np.testing.assert_array_equal(centre, [2.0, 6.0, 0.0])
    np.testing.assert_array_equal(half, 1.0)
    drawn = np.asarray(explore.uniform(jax.random.key(0), space, 200))
    assert (np.abs(drawn - centre) <= 1.0).all()
    np.testing.assert_allclose(drawn.mean(0), centre, atol=0.15)
