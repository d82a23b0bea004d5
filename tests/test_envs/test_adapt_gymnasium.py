"""Environments of Gymnasium: where the privileged state is, what is seen, stored and refused."""

import importlib
import sys
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnax.environments import spaces as gymnax_spaces

import run
from adqn_jax import Config, contract, envs, make_trainer
from adqn_jax.envs import gymnasium_spaces as theirs
from adqn_jax.envs.adapt_gymnasium import from_gymnasium
from runs import call
from simulators import Lights

FLAT = spaces.Box(-1, 1, (2,), np.float32)


class Shows(gymnasium.Env):
    """Shows what it is told to."""

    action_space = spaces.Discrete(2)

    def __init__(self, space: Any, observation: Any, info: Any = None):
        self.observation_space = space
        self._observation, self._info = observation, info or {}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self._observation, self._info

    def step(self, action: int) -> Any:
        return self._observation, 0.0, False, False, self._info

    def get_state(self) -> np.ndarray:
        """As POPGym has it."""
        return np.array([7.0])


def shown(make: Any, privileged: str | None = None, **more: Any) -> tuple[Any, Any, Any, Any]:
    """Return what agent and trainer are shown at first, and their spaces."""
    env, params = from_gymnasium(make, 5, privileged, **more)
    contract.check(env, params)
    state = env.simulator(params).reset(0)
    assert jax.tree.map(np.shape, state) == jax.tree.map(np.shape, env.blank(params))
    return (
        env.observe(jax.random.key(0), state, None, params),
        env.privileged_state(state, params),
        env.observation_space(params),
        env.privileged_state_space(params),
    )


def entries(*names: str) -> Any:
    """Return an environment whose observation has these entries, numbered from 1."""
    space = spaces.Dict({name: spaces.Box(-9, 9, (1,), np.float32) for name in names})
    element = {name: np.array([i + 1.0]) for i, name in enumerate(names)}
    return lambda: Shows(space, element, {"state": np.array([8.0]), "other": np.array([9.0])})


@pytest.mark.parametrize(
    ("names", "privileged", "seen", "state"),
    [
        (("policy", "critic"), None, 1.0, 2.0),
        (("observation", "state", "critic"), None, 1.0, 3.0),
        (("privileged_state", "policy", "rest"), None, 2.0, 1.0),
        (("observation", "goal"), None, {"observation": 1.0, "goal": 2.0}, 8.0),
        (("observation", "goal"), "goal", 1.0, 2.0),
        (("left", "right"), "right", {"left": 1.0}, 2.0),
        (("policy", "critic"), "other", 1.0, 9.0),
        (("policy", "critic"), "get_state", 1.0, 7.0),
        (("left",), "observation", {"left": 1.0}, {"left": 1.0}),
    ],
)
def test_where_the_privileged_state_is(
    names: tuple[str, ...], privileged: str | None, seen: Any, state: Any
) -> None:
    """By name, or where it usually is; what is privileged, or might be, the agent does not see."""
    found = shown(entries(*names), privileged)
    for given, expected in zip(found[:2], (seen, state), strict=True):
        expected = jax.tree.map(lambda x: np.array([x], np.float32), expected)
        jax.tree.map(np.testing.assert_array_equal, given, expected)


def test_some_entries() -> None:
    """The trainer sees all, unless there is a privileged state; the agent sees what is named."""
    flat = lambda: Shows(FLAT, np.array([0.25, 0.5]))  # noqa: E731
    seen, state, space, _ = shown(flat, observed=(1,))
    np.testing.assert_array_equal(seen, [0.5])
    np.testing.assert_array_equal(state, [0.25, 0.5])
    assert space.shape == (1,)
    told = lambda: Shows(FLAT, np.array([0.25, 0.5]), {"state": 3})  # noqa: E731
    _, state, _, space = shown(told, observed=(1,))
    assert (float(state), space.shape) == (3.0, ())
    named = [from_gymnasium(told, observed=(1,), privileged=name)[0] for name in (None, "state")]
    assert [env.settings for env in named] == 2 * [{"privileged": "info state"}]
    assert named[0] != named[1], "each is made by a function of its own"


def test_declared_states() -> None:
    """`state_space` says what a state is, as in POPGym; where it does not fit, numbers do."""
    lights = lambda: Lights()  # noqa: E731
    assert shown(lights)[3].shape == (2,)
    assert set(shown(lights, "get_state")[3].spaces) == {"0", "1"}

    class Declared(Lights):
        state_space = spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 9, (1,), np.float64)])

    _, state, _, space = shown(Declared, "get_state")
    assert isinstance(space.spaces["0"], gymnax_spaces.Discrete)
    assert state["0"].dtype == jnp.int32


SPACES = [
    (spaces.Box(0, 255, (4, 4, 3), np.uint8), np.full((4, 4, 3), 200), None),
    (spaces.Box(-np.inf, np.inf, (2,), np.float64), [0.5, -2.0], [0.5, -2.0]),
    (spaces.Box(0, 2**40, (1,), np.int64), [3], [3]),
    (spaces.Discrete(3, start=-1), -1, 0),
    (spaces.Discrete(300), 299, 299),
    (spaces.MultiDiscrete([2, 3]), [1, 2], [0, 1, 0, 0, 1]),
    (spaces.MultiDiscrete([[2], [3]], start=[[1], [0]]), [[1], [1]], [1, 0, 0, 1, 0]),
    (spaces.MultiBinary(3), [1, 0, 1], [1.0, 0.0, 1.0]),
    (
        spaces.Tuple([spaces.Discrete(2), spaces.Dict({"x": spaces.Box(0, 1, ())})]),
        (1, {"x": 0.5}),
        {"0": 1, "1": {"x": 0.5}},
    ),
]


@pytest.mark.parametrize(("space", "element", "expected"), SPACES, ids=lambda x: type(x).__name__)
def test_spaces(space: Any, element: Any, expected: Any) -> None:
    """An element is stored small, and read as one of the declared space."""
    numbers = theirs.stored(element, space, "it")
    blank = theirs.zeros(space)
    told = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype), tree)  # noqa: E731
    assert told(numbers) == told(blank)
    read = jax.jit(lambda x: theirs.element_of(x, space))(numbers)
    declared = theirs.declared(space, "it")
    expected = element if expected is None else expected
    jax.tree.map(np.testing.assert_allclose, read, jax.tree.map(jnp.asarray, expected))
    for leaf, part in zip(jax.tree.leaves(read), envs_leaves(declared), strict=True):
        assert (leaf.shape, leaf.dtype) == (tuple(part.shape), part.dtype)


@pytest.mark.parametrize(
    ("space", "element"),
    [
        (spaces.Box(0, 255, (2,), np.uint8), [0.5, 1.0]),
        (spaces.Box(0, 255, (2,), np.uint8), [0, 300]),
        (spaces.Box(0, 255, (2,), np.uint8), [0.0, np.nan]),
        (spaces.Box(0, 2**40, (2,), np.int64), [0, 2**35]),
        (spaces.MultiBinary(2), [0, 2]),
        (spaces.MultiBinary(2), [0, -1]),
    ],
)
def test_whole_numbers_are_kept(space: Any, element: Any) -> None:
    """What cannot be stored as it is is refused, and not made another number."""
    with pytest.raises(ValueError, match=r"^it has (numbers that .*, has not|other numbers)"):
        theirs.stored(np.array(element), space, "it")


def envs_leaves(space: Any) -> list[Any]:
    """List the spaces within a Dict, in JAX's order."""
    if isinstance(space, gymnax_spaces.Dict):
        return [x for _, part in sorted(space.spaces.items()) for x in envs_leaves(part)]
    return [space]


def test_what_a_policy_is_given() -> None:
    """What training stored and made of it, in one."""
    space = spaces.Dict(
        {
            "place": spaces.Discrete(3, start=1),
            "hand": spaces.MultiDiscrete([2, 3]),
            "view": spaces.Box(-1, 1, (2,), np.float64),
        }
    )
    seen = {"place": 3, "hand": np.array([1, 0]), "view": np.array([0.5, -1.0])}
    given = theirs.observable(seen, space)
    np.testing.assert_array_equal(given["place"], 2)
    np.testing.assert_array_equal(given["hand"], [0, 1, 1, 0, 0])
    np.testing.assert_array_equal(given["view"], np.array([0.5, -1.0], np.float32))
    with pytest.raises(ValueError, match="the observation's place is 0, which is not in"):
        theirs.observable(seen | {"place": 0}, space)


def test_actions() -> None:
    """Discrete ones count from 0 here, combinations are counted, vectors have their dtype."""
    assert theirs.executable(np.int32(1), spaces.Discrete(3, start=5)) == 6
    combined = spaces.MultiDiscrete([2, 3])
    assert theirs.actions(combined, "it").n == 6
    given = [theirs.executable(np.int32(i), combined).tolist() for i in range(6)]
    assert given == [[i, j] for i in range(2) for j in range(3)]
    box = spaces.Box(-1, 1, (2,), np.float64)
    assert theirs.executable(np.zeros(2, np.float32), box).dtype == np.float64
    narrow = spaces.Box(-0.1, 0.1, (2,), np.float64)  # float32 rounds 0.1 up
    assert narrow.contains(theirs.executable(np.float32([-0.1, 0.1]), narrow))


@pytest.mark.parametrize(
    ("make", "privileged", "message"),
    [
        (lambda: Shows(FLAT, np.zeros(2)), None, "has no privileged state: name an entry of its"),
        (lambda: Shows(FLAT, np.zeros(2)), "truth", r"has no privileged state 'truth'.*\(none\)"),
        (lambda: Shows(FLAT, np.zeros(2), {"state": "up"}), None, "'up' is no array of numbers"),
        (lambda: Shows(spaces.Text(3), "abc"), "observation", r"is of the space Text\(.*known are"),
        (lambda: Lights(fault="unmade"), None, "cannot be made: OSError: no such scene"),
        (lambda: object(), None, "is no gymnasium.Env, but of object"),
    ],
)
def test_refused(make: Any, privileged: str | None, message: str) -> None:
    """One sentence says what is missing."""
    with pytest.raises(ValueError, match=message):
        from_gymnasium(make, 5, privileged)


def test_the_first_one_need_not_close() -> None:
    """It has shown its spaces by then."""

    class Stuck(Lights):
        def close(self) -> None:
            raise RuntimeError("the arm is stuck")

    assert from_gymnasium(Stuck, 5)[1].max_steps_in_episode == 5


def test_no_time_limit() -> None:
    """It is asked for before anything is trained."""
    with pytest.raises(ValueError, match="has no time limit"):
        make_trainer(Config("dqn"), *from_gymnasium(Lights))


def test_cannot_be_compiled() -> None:
    """Whoever tries is told who can train on it."""
    env, params = from_gymnasium(Lights, 5, name="Lights")
    trainer = make_trainer(Config("dqn").replace(buffer_timesteps=10_000), env, params)
    with pytest.raises(ValueError, match="Lights is stepped by the host, and cannot be compiled"):
        jax.eval_shape(trainer.init, jax.random.key(0))


def test_by_name() -> None:
    """The time limit is the registration's, or the one asked for; entries can be chosen."""
    env, params = envs.make("gymnasium:CartPole-v1:0,2")
    assert (env.name, params.max_steps_in_episode) == ("gymnasium:CartPole-v1", 500)
    assert env.observation_space(params).shape == (2,)
    assert env.privileged_state_space(params).shape == (4,)
    env, params = envs.make("gymnasium:simulators:Lights-v0", params={"max_steps_in_episode": 2})
    simulator = env.simulator(params)
    simulator.reset(0)
    assert [simulator.step(np.int32(0))[3] for _ in range(2)] == [False, True]
    env, params = envs.make("gymnasium:CartPole-v1", privileged="observation", observe="state")
    state = env.simulator(params).reset(0)
    assert env.get_obs(state, params).shape == (4,)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("gymnasium:Cart",), "Gymnasium cannot find 'Cart': Environment `Cart` doesn't exist"),
        (("gymnasium:no_such:A-v0",), "Gymnasium cannot find 'no_such:A-v0': No module named"),
        (("gymnasium:CartPole-v1",), "gymnasium:CartPole-v1 has no privileged state: name an"),
        (("carflag", "--privileged", "x"), "--privileged names the privileged state of gymnasium:"),
        (("carflag", "--runner", "asynchronous"), "nothing reads runner with carflag: it needs an"),
        (("gymnasium:simulators:Lights-v0", "--max-lag", "2"), "nothing reads max-lag: it needs"),
        (("gymnasium:simulators:Lights-v0", "--env-threads", "0"), "env_threads must be at least"),
    ],
)
def test_bad_input(words: tuple[str, ...], sentence: str) -> None:
    """Ends with one sentence and exit code 2."""
    done = call(run.main, "--env", *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"error: {sentence}" in done.err


def test_without_gymnasium(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says which extra brings it."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "gymnasium" or "adapt_gymnasium" in name:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    package = importlib.import_module("adqn_jax.envs")
    monkeypatch.delattr(package, "adapt_gymnasium", raising=False)
    done = call(run.main, "--env", "gymnasium:CartPole-v1:0,2")
    assert done.err == (
        "error: the package gymnasium is not installed: pip install 'adqn-jax[gymnasium]' (in a "
        "checkout: pip install -e '.[gymnasium]')\n"
    )
