"""Policies: functions to act with, and their file; spaces as JSON."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces as gymnax_spaces

from adqn_jax import (
    Config,
    NetworkConfig,
    Policy,
    envs,
    load_policy,
    make_policy,
    make_trainer,
    save_policy,
    spaces,
)  # fmt: skip
from adqn_jax.types import Inputs
from settings import imitating, on_policy, small

NETWORK = NetworkConfig(embedding_size=4, history_size=8, head_sizes=(8,))
NAMES = ("carflag", "heavenhell-1", "memory-four-rooms-7x7", "foraging", "gymnax:CartPole-v1:0,2")
KEY = jax.random.key(0)
U_NAMES = {"adqn-vr": "U(h,s,a)", "adqn-state": "U(s,a)"}


@functools.cache
def untrained(algorithm: str = "dqn", env: str = "heavenhell-1", **network: Any) -> Policy:
    """Draw a policy's parameters, as training does."""
    config = small(algorithm, embedding_size=4, history_size=8, head_sizes=(8,), **network)
    config = dataclasses.replace(
        config, train=dataclasses.replace(config.train, warmup_timesteps=68, num_envs=1)
    )
    trainer = make_trainer(config, *envs.make(env))
    params = jax.jit(lambda key: trainer.init(key).agent.params)(KEY)
    return make_policy(config, trainer.env, trainer.env_params, params, {"mine": 1})


@pytest.mark.parametrize("observe", ["observation", "state"])
@pytest.mark.parametrize("name", NAMES)
def test_spaces_survive_json(name: str, observe: Any) -> None:
    """What an environment declares comes back from text: kind, shape, dtype, bounds."""
    env, params = envs.make(name, observe)
    for space in (env.observation_space(params), env.privileged_state_space(params)):
        back = spaces.from_json(json.loads(json.dumps(spaces.to_json(space))))
        assert spaces.same(space, back)
        observation = spaces.zeros(space)
        assert jax.tree.map(jnp.shape, observation) == jax.tree.map(jnp.shape, spaces.zeros(back))
    observation, _ = jax.eval_shape(env.reset_env, KEY, params)
    zeros = spaces.zeros(env.observation_space(params))
    assert jax.tree.map(jnp.shape, observation) == jax.tree.map(jnp.shape, zeros)


def test_spaces_differ_by_their_bounds() -> None:
    """A grid of other indices is another space; what is no space has no description."""
    grids = [gymnax_spaces.Box(0, high, (7, 7, 3), jnp.uint8) for high in (16, 17)]
    assert not spaces.same(*grids)
    with pytest.raises(ValueError, match="no description"):
        spaces.to_json(gymnax_spaces.Tuple(grids))


#: Choices that have more parameters, or other memory; hashable.
CHOICES: tuple[tuple[tuple[str, Any], ...], ...] = (
    (),
    (("history", "lstm"), ("values", "implicit-quantile"), ("head", "dueling-max")),
    (("values", "categorical"), ("value_most", 1.0), ("head", "dueling-mean")),
)


# Car-Flag's state needs no parameters: an empty place in the tree.
@pytest.mark.parametrize("choices", CHOICES, ids=str)
@pytest.mark.parametrize(("algorithm", "env"), [("adqn-vr", "carflag"), ("adqn-state", NAMES[2])])
def test_a_file_gives_back_the_policy(
    algorithm: str, env: str, choices: Any, tmp_path: pathlib.Path
) -> None:
    """Parameters bit for bit, in the same tree; configuration and notes as they were."""
    policy = untrained(algorithm, env, **dict(choices))
    save_policy(tmp_path / "policy.npz", policy)
    loaded = load_policy(tmp_path / "policy.npz")
    seen = (spaces.zeros(policy.observation_space), spaces.zeros(policy.state_space))
    nothing = jnp.zeros((1, 1), jnp.int32)
    inputs = Inputs(*jax.tree.map(lambda x: x[None, None], seen), nothing, nothing == 0)
    assert jax.tree.structure(loaded.params) == jax.tree.structure(policy.params)
    jax.tree.map(np.testing.assert_array_equal, loaded.params, policy.params)
    assert (loaded.config, loaded.about) == (policy.config, {"mine": 1})
    names = [list(jax.eval_shape(p.networks.look, p.params, inputs)) for p in (loaded, policy)]
    assert names[0] == names[1] == ["Q(h,a)", U_NAMES[algorithm]]
    assert [file.name for file in tmp_path.iterdir()] == ["policy.npz"]


def test_files_of_continuous_policies(tmp_path: pathlib.Path) -> None:
    """They hold the bounds of actions, and give back the policy, which keeps to them."""
    config = on_policy("ppo", eval_actions="sampled")
    trainer = make_trainer(config, *envs.make("gymnax:Pendulum-v1"))
    params = trainer.acting_params(jax.jit(trainer.init)(KEY))
    policy = make_policy(config, trainer.env, trainer.env_params, params, {})
    save_policy(tmp_path / "policy.npz", policy)
    loaded = load_policy(tmp_path / "policy.npz")
    jax.tree.map(np.testing.assert_array_equal, loaded.params, policy.params)
    assert spaces.same(loaded.action_space, gymnax_spaces.Box([-2.0], [2.0], (1,)))
    seen, carry = jnp.ones((2000, 3)), loaded.initial_carry(2000)
    action, carry, said = loaded.act(carry, seen, KEY)
    assert (action.shape, said.shape) == ((2000, 1), (2000, 2, 1))
    assert np.abs(action).max() == 2.0, "clipped"
    np.testing.assert_array_equal(np.clip(carry.action_tm1, -2.0, 2.0), action)
    assert np.ptp(loaded.act(carry, seen, KEY)[2][:, 0]) > 1e-3, "what it did matters"


def test_files_from_before_continuous_actions(tmp_path: pathlib.Path) -> None:
    """They say how many actions there are."""
    path = tmp_path / "policy.npz"
    save_policy(path, untrained())
    with np.load(path) as archive:
        arrays = dict(archive)
    described = json.loads(str(arrays["metadata"]))
    assert described.pop("action_space") == {"type": "discrete", "n": 4}
    arrays["metadata"] = np.array(json.dumps(described | {"num_actions": 4}))
    np.savez(path, **arrays)
    assert spaces.same(load_policy(path).action_space, gymnax_spaces.Discrete(4))


def test_channels_of_convolutions(tmp_path: pathlib.Path) -> None:
    """As many layers, as wide, as asked for; a file knows them, too."""
    save_policy(tmp_path / "policy.npz", untrained("adqn-vr", NAMES[2], conv_channels=(4, 6)))
    loaded = load_policy(tmp_path / "policy.npz")
    q, u = loaded.params["q"], loaded.params["u"]
    for encoder in (q["history"]["params"]["observation"], u["state"]["params"]):
        layers = encoder["GridEncoder_0"]["convolutions"]
        assert set(layers) == {"kernel_0", "bias_0", "kernel_1", "bias_1"}
        assert [layers[f"kernel_{i}"].shape[-1] for i in range(2)] == [4, 6]
    assert loaded.config.network.conv_channels == (4, 6)


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_a_loop_a_scan_and_a_batch_agree(choices: Any) -> None:
    """Plain Python, jit and vmap give the same actions, values and histories."""
    policy = untrained(**dict(choices))
    observations = jax.random.randint(KEY, (6, 3), 0, 8)

    def step(carry: Any, observation: jax.Array) -> tuple[Any, tuple[jax.Array, jax.Array]]:
        action, carry, values = policy.act(carry, observation, KEY)
        return carry, (action, values)

    _, batched = jax.jit(lambda o: jax.lax.scan(step, policy.initial_carry(3), o))(observations)
    vmapped = jax.vmap(lambda o: jax.lax.scan(step, policy.initial_carry(), o)[1], 1, 1)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), batched, vmapped(observations)
    )
    carry = policy.initial_carry()
    for t in range(6):
        action, carry, values = policy.act(carry, int(observations[t, 0]), KEY)
        np.testing.assert_allclose(values, batched[1][t, 0], atol=1e-6)
        assert int(action) == int(batched[0][t, 0]) == int(values.argmax())


def test_what_acts_on_the_state_is_given_it() -> None:
    """An expert's scores are those that it teaches; without the state a sentence says so."""
    env, params = envs.make("heavenhell-1")
    config = imitating("expert")
    trainer = make_trainer(config, env, params)
    state = jax.jit(trainer.init)(KEY)
    policy = make_policy(config, env, params, trainer.acting_params(state), {})
    observation, env_state = env.reset_env(KEY, params)
    carry, seen = policy.initial_carry(), env.privileged_state(env_state, params)
    scores = policy.act(carry, observation, KEY, state=seen)[2]
    inputs = Inputs(observation, seen, carry.action_tm1, carry.start)
    taught = policy.teacher().log_probs(policy.params, inputs)
    np.testing.assert_allclose(scores, taught, rtol=1e-6)
    with pytest.raises(ValueError, match="asked without one"):
        policy.act(carry, observation, KEY)


@pytest.mark.parametrize(
    ("stray", "message"),
    [
        (28, r"a state here cannot be 28, which is not in Discrete"),
        (-1, r"a state here cannot be -1"),
        ([1, 2], r"a state here has the shape \(\), got \(2,\)"),
    ],
)
def test_wrong_states_are_refused(stray: Any, message: str) -> None:
    """Of who acts on them: looked up all the same, they would be made-up numbers."""
    env, params = envs.make("heavenhell-3")
    config = imitating("expert")
    trainer = make_trainer(config, env, params)
    state = jax.jit(trainer.init)(KEY)
    policy = make_policy(config, env, params, trainer.acting_params(state), {})
    assert policy.state_space.n == 28
    with pytest.raises(ValueError, match=message):
        policy.act(policy.initial_carry(), 0, KEY, state=stray)
    assert np.isfinite(policy.act(policy.initial_carry(), 0, KEY, state=27)[2]).all()


def test_start_forgets() -> None:
    """Where an episode starts, history and last action do not matter; elsewhere they do."""
    policy = untrained()
    used = policy.initial_carry(2)
    for observation in (1, 2):
        _, used, _ = policy.act(used, jnp.full(2, observation), KEY)
    again = used.replace(start=jnp.array([True, False]))
    values = policy.act(again, jnp.array([3, 3]), KEY)[2]
    fresh = policy.act(policy.initial_carry(2), jnp.array([3, 3]), KEY)[2]
    np.testing.assert_allclose(values[0], fresh[0], atol=1e-6)
    assert np.abs(values[1] - fresh[1]).max() > 1e-3


def test_epsilon_is_the_share_of_random_actions() -> None:
    """With epsilon 1 every action comes up as often as any other."""
    policy = untrained()
    carry, seen = policy.initial_carry(4000), jnp.zeros(4000, jnp.int32)
    action, carry, _ = policy.act(carry, seen, KEY, epsilon=1.0)
    np.testing.assert_allclose(np.bincount(action, minlength=4) / 4000, 0.25, atol=0.03)
    np.testing.assert_array_equal(carry.action_tm1, action)
    assert len(set(policy.act(policy.initial_carry(4000), seen, KEY)[0].tolist())) == 1


def test_without_history_only_the_observation_counts() -> None:
    """A memoryless policy repeats itself where its observation does; it has no recurrence."""
    policy = untrained("adqn", history="none")
    assert set(policy.params["q"]["history"]["params"]) == {"observation"}
    carry, values = policy.initial_carry(), []
    for observation in (1, 2, 3, 2):
        _, carry, q = policy.act(carry, observation, KEY)
        values.append(q)
    np.testing.assert_array_equal(values[1], values[3])
    assert np.abs(values[1] - values[2]).max() > 1e-3


def test_lists_of_numbers_will_do() -> None:
    """As what NumPy makes of them."""
    policy = untrained(env="carflag")
    carry = policy.initial_carry()
    given, array = ([0.1, 0.0, 0.0], np.array([0.1, 0.0, 0.0], np.float32))
    np.testing.assert_array_equal(*(policy.act(carry, x, KEY)[2] for x in (given, array)))


def test_parameters_of_many_seeds_are_refused() -> None:
    """Before they are saved, when there still is somebody to choose one."""
    policy = untrained()
    many = jax.tree.map(lambda x: jnp.stack([x, x]), policy.params)
    with pytest.raises(ValueError, match=r"no parameters of one seed: q/head.* has shape \(2, "):
        make_policy(policy.config, *envs.make("heavenhell-1"), many, {})


def test_a_file_in_a_folder_that_is_missing(tmp_path: pathlib.Path) -> None:
    """It is made, whatever kind of path is given."""
    path = tmp_path / "new" / "policy.npz"
    save_policy(str(path), untrained())
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert load_policy(str(path)).about == {"mine": 1}


def test_wrong_observations_are_refused() -> None:
    """One sentence names the shape that was needed."""
    with pytest.raises(ValueError, match=r"has the shape \(\), got \(2,\)"):
        untrained().act(untrained().initial_carry(), jnp.zeros(2, jnp.int32), KEY)


def test_observations_outside_their_space_are_refused() -> None:
    """Nothing was learnt of them; looked up all the same, they would be made-up numbers."""
    policy = untrained()
    number = policy.observation_space.n
    for stray in (number, -1):
        with pytest.raises(ValueError, match=rf"cannot be {stray}, which is not in Discrete"):
            policy.act(policy.initial_carry(), stray, KEY)
    policy.act(policy.initial_carry(), number - 1, KEY)


def test_files_of_other_networks_are_refused(tmp_path: pathlib.Path) -> None:
    """A parameter that is missing, too much or of another shape is named."""
    policy = untrained()
    larger = dataclasses.replace(
        policy, config=Config("dqn", network=dataclasses.replace(NETWORK, history_size=9))
    )
    save_policy(tmp_path / "policy.npz", larger)
    with pytest.raises(ValueError, match=r"no whole policy: q/h.* has shape .*, needed is"):
        load_policy(tmp_path / "policy.npz")


class Corridor:
    """What an environment of Gymnasium looks like: `reset` and `step` as there, seven cells.

    Whoever walks to and fro is stopped after 20 steps.
    """

    def reset(self, seed: int | None = None) -> tuple[int, dict[str, Any]]:
        """Begin in the middle."""
        self.cell, self.steps = 3, 0
        return self.cell, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Go left or right."""
        assert isinstance(action, int)
        self.cell += 1 if action % 2 else -1
        self.steps += 1
        return self.cell, 1.0, self.cell in (0, 7), self.steps == 20, {}


def test_the_page_s_example_runs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/policies.md drives a Gymnasium environment as it is printed there."""
    page = pathlib.Path(__file__).parents[2] / "docs" / "policies.md"
    example = page.read_text().split("```python\n")[1].split("```")[0]
    save_policy(tmp_path / "policy.npz", untrained())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"env": Corridor(), "path": "policy.npz"}
    exec(compile(example, str(page), "exec"), names)
    assert names["total"] >= 3
