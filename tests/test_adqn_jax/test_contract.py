"""What breaks the contract is named in one sentence, before anything is compiled."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams

import probes
from adqn_jax import Policy, contract, envs, make_trainer, value
from adqn_jax.envs import PrivilegedEnvironment
from adqn_jax.runs.failures import why_failed
from adqn_jax.spaces import Spaces
from settings import imitating, on_policy, small


class Unlimited(probes.Constant):
    """Has no time limit."""

    @property
    def default_params(self) -> Any:
        return EnvParams(max_steps_in_episode=None)


class Whole(probes.Constant):
    """Takes whole numbers."""

    def action_space(self, params: Any = None) -> Any:
        return spaces.Box(0, 3, (2,), jnp.int32)


class Table(probes.Constant):
    """Takes a table of forces."""

    def action_space(self, params: Any = None) -> Any:
        return spaces.Box(-1.0, 1.0, (2, 3))


class Stuck(probes.Constant):
    """Takes a force that cannot be another."""

    def action_space(self, params: Any = None) -> Any:
        return spaces.Box(np.zeros(2), np.array([1.0, 0.0]), (2,))


class Double(probes.Constant):
    """Takes two things at once."""

    def action_space(self, params: Any = None) -> Any:
        return spaces.Tuple([spaces.Discrete(2), spaces.Discrete(2)])


class Miscounted(probes.Constant):
    """Says two numbers of actions."""

    @property
    def num_actions(self) -> Any:
        return 3


class Wide(probes.Constant):
    """Shows more than it declares."""

    def look(self, state: Any) -> Any:
        return jnp.zeros(2)


class Vague(probes.Constant):
    """Shows a float where an index is declared."""

    def get_obs(self, state: Any, params: Any = None, key: Any = None) -> Any:
        return jnp.float32(0.5)


class Secretive(probes.Constant):
    """Has another state than it declares."""

    def privileged_state(self, env_state: Any, params: Any) -> Any:
        return jnp.zeros(3)


class Generous(probes.Constant):
    """Pays a reward for each of two."""

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        observation, state, reward, terminated, info = super().step_env(key, state, action, params)
        return observation, state, jnp.stack([reward, reward]), terminated, info


class Talkative(probes.Constant):
    """Tells what JAX cannot hold."""

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        return *super().step_env(key, state, action, params)[:4], {"mood": "good"}


class Counted(probes.Constant):
    """Counts its actions and its success as NumPy and JAX do."""

    num_actions = np.int64(2)  # type: ignore[assignment]

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        return *super().step_env(key, state, action, params)[:4], {"success": jnp.float32(1.0)}


class Old(probes.Constant):
    """Steps as environments did before truncation had a name."""

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        return super().step_env(key, state, action, params)[:4]


class Changing(probes.Constant):
    """Returns a state of other dtypes."""

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        observation, state, *rest = super().step_env(key, state, action, params)
        return observation, dataclasses.replace(state, bit=jnp.float32(0.0)), *rest


class Fickle(probes.Constant):
    """Shows something else when it is asked again."""

    def observe(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        return jnp.zeros(2)


class Parts(probes.Constant):
    """Declares a space that no network reads."""

    def observation_space(self, params: Any) -> Any:
        return spaces.Tuple([spaces.Discrete(4)])


class Uncounted(probes.Constant):
    """Says nothing of its actions."""

    num_actions, action_space = Environment.num_actions, Environment.action_space


class Noisy(probes.Constant):
    """Draws what it shows, and does not say so."""

    def reset_env(self, key: Any, params: Any) -> Any:
        _, state = super().reset_env(key, params)
        return jax.random.randint(key, (), 0, 4), state


class Endless(probes.Constant):
    """Leaves out its parameters."""

    default_params = PrivilegedEnvironment.default_params


class Broken(probes.Constant):
    """Fails when it is asked."""

    def step_env(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        raise KeyError("the road")


BROKEN = {
    Unlimited: "has no time limit: its parameters need max_steps_in_episode",
    Whole: r"action space Box\(2,\) of int32: a Box of actions must be flat, of floats",
    Table: r"action space Box\(2, 3\) of float32: a Box of actions must be flat",
    Stuck: r"from low \[0.0, 0.0\] to high \[1.0, 0.0\]: each entry's high must be above its low",
    Double: r"action space Tuple\(\): there must be a Discrete one, or a flat Box of floats",
    Miscounted: "num_actions must be 2, as action_space says, got 3",
    Wide: r"reset_env gives int32\[2\], and observation_space declares int32\[\]",
    Vague: r"reset_env gives float32\[\], and observation_space declares int32\[\]",
    Secretive: r"privileged_state gives float32\[3\], and privileged_state_space declares int32",
    Generous: r"reward must be a scalar, got the shape \(2,\)",
    Talkative: "step_env cannot be traced: TypeError",
    Old: "must return observation, state, reward, terminated and a dict, got",
    Changing: "step_env must return a state like that of reset_env",
    Fickle: r"observe must return what reset_env does, int32\[\], got float32\[2\]",
    Parts: r"Parts.observation_space is Tuple\(\): known are Discrete spaces, Boxes, and Dicts",
    Uncounted: "Uncounted.num_actions must be a number of at least 1, got None",
    Noisy: "observe says another thing of a state than reset_env has shown. Where .* to False",
    Endless: "Endless has no default_params: they need max_steps_in_episode",
    Broken: "step_env cannot be traced: KeyError: 'the road'",
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_what_breaks_it_is_named(kind: Any) -> None:
    """One sentence, from the trainer itself."""
    env = kind()
    with pytest.raises(ValueError, match=BROKEN[kind]) as error:
        make_trainer(small("dqn"), env, env.default_params)
    assert kind.__name__ in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_drawn_is_drawn_by_observe_too() -> None:
    """The key that it is given decides; of what follows from the state it does not."""

    class Drawn(probes.Constant):
        observes_deterministically = False

        def get_obs(self, state: Any, params: Any = None, key: Any = None) -> Any:
            return jnp.int32(0) if key is None else jax.random.randint(key, (), 0, 4)

    env = Drawn()
    params = env.default_params
    _, state = env.reset_env(jax.random.key(0), params)
    keys = jax.random.split(jax.random.key(1), 64)
    seen = jax.vmap(lambda key: env.observe(key, state, None, params))(keys)
    assert set(np.asarray(seen).tolist()) == {0, 1, 2, 3}
    make_trainer(small("dqn"), env, params)


def test_numbers_of_other_kinds() -> None:
    """A NumPy integer counts, and a success that is a number is one."""
    env = Counted()
    trainer = make_trainer(small("dqn"), env, env.default_params)
    state = jax.eval_shape(trainer.init, jax.random.key(0))
    assert state.streams.episode.success.dtype == bool


def test_a_configuration_of_another_family() -> None:
    """Is refused, and the right one is named."""
    with pytest.raises(ValueError, match=r"ppo is trained by adqn_jax.actor_critic.Config, got"):
        make_trainer(small("ppo"), *envs.make("heavenhell-1"))


def test_no_environment_at_all() -> None:
    """What lacks a method is told which."""
    with pytest.raises(ValueError, match="it has no reset_env"):
        contract.check(object(), EnvParams())


@pytest.mark.parametrize("name", ["gymnax:Pendulum-v1", "gymnax:MountainCarContinuous-v0"])
def test_continuous_actions_are_refused(name: str) -> None:
    """By what needs a value for each; the message names what does not."""
    contract.check(*envs.make(name))
    told = "dqn learns a value for each action, .* Discrete ones only; .* take reinforce, .* ppo-st"
    with pytest.raises(ValueError, match=told) as error:
        make_trainer(small("dqn"), *envs.make(name))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"a2d learns a probability for each action, .* only; "):
        make_trainer(imitating("a2d"), *envs.make(name))
    make_trainer(on_policy("ppo"), *envs.make(name))
    with pytest.raises(ValueError, match="actions that are counted are Discrete"):
        value.make_networks(small("dqn"), Spaces.of(*envs.make(name)))
    of = Spaces.of(*envs.make(name))
    config = on_policy("ppo", history="none")
    seen = Policy(config, of.state, of.state, of.action, {}, {"observe": "state"})
    with pytest.raises(ValueError, match="this policy of ppo has continuous ones"):
        seen.teacher()


@pytest.mark.parametrize(
    "name",
    [
        "carflag",
        "cleaner:5x5",
        "foraging:5x5:2:2",
        "gymnax:Catch-bsuite",
        "gymnax:FourRooms-misc",
        "gymnax:Reacher-misc",
        "gymnax:Breakout-MinAtar",
    ],
)
@pytest.mark.parametrize("observe", ["observation", "state"])
def test_what_can_be_learnt_is_let_through(name: str, observe: Any) -> None:
    """Environments of ours, and of gymnax whose declared dtypes are not quite those they give."""
    contract.check(*envs.make(name, observe))


class Stray(probes.Limit):
    """Shows, once in a while, what it has not declared."""

    def look(self, state: Any) -> Any:
        return jnp.where(state.time == 3, 7, 0)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        (Stray(), "the environment's observation can be 7, which is not in Discrete(4)"),
        (probes.Limit(), "its loss or its parameters are not finite"),
    ],
)
def test_what_strays_while_training_is_named(env: probes.Probe, told: str) -> None:
    """The cause of numbers that are not finite, where it is the environment's."""
    assert why_failed(make_trainer(small("dqn"), env, env.default_params)) == told
