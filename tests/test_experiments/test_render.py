"""Pictures of episodes."""

import dataclasses
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import render
from adqn_jax import envs, load_policy
from adqn_jax.envs.pictures import picture_of
from adqn_jax.episode import record
from adqn_jax.types import Inputs
from policies import save, untrained
from runs import call, script
from support.scene import Scene, film, make_scene, strip

NAMES = (
    *("carflag", "heavenhell-3", "cleaner", "memory-four-rooms-7x7", "memory-four-rooms-9x9"),
    *("foraging", "foraging:9x7:3:2:sight=2:coop", "frozenlake", "tigerdoor:image", "pedestrian"),
)
U_NAMES = {"dqn": [], "adqn": ["U(h,s,a)"], "adqn-state": ["U(s,a)"]}


def make(name: str, steps: int = 4) -> tuple[Any, Any]:
    """Return an environment with short episodes."""
    env, params = envs.make(name)
    return env, dataclasses.replace(params, max_steps_in_episode=steps)


def frames_of(image: Image.Image) -> int:
    """Count a GIF's frames."""
    return int(getattr(image, "n_frames", 1))


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_is_drawn(name: str, tmp_path: pathlib.Path) -> None:
    """A frame per observation in the GIF, a picture that differs from step to step in the PNG."""
    env, params = make(name)
    scene = make_scene(env, params, None, seed=3, epsilon=0.0)
    assert scene.recording.length == 4
    assert scene.recording.values == {}
    assert len(scene.picture.actions) == env.num_actions
    path = tmp_path / "film.gif"
    path.write_bytes(render.gif(film(scene, dpi=40), fps=5))
    with Image.open(path) as image:
        assert frames_of(image) == scene.recording.length + 1
    pictures = [np.asarray(strip(scene, [t], dpi=40)) for t in (0, 4)]
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any()


def test_a_cleaner_with_another_maze() -> None:
    """What is drawn is the maze of the environment, whatever its size."""
    env = envs.Cleaner(("#" * 5, "#...#", "#" * 5))
    scene = make_scene(
        env, dataclasses.replace(env.default_params, max_steps_in_episode=1), None, 0, 0
    )
    picture = np.asarray(strip(scene, [0], dpi=40))
    assert picture.std() > 0
    assert scene.picture.aspects[0] == 3 / 5


def test_hidden_states_differ_only_on_the_true_side() -> None:
    """At reset, heaven's side shows in the true state and not in what the agent sees."""
    env, params = envs.make("heavenhell-2")
    first = env.reset_env(jax.random.key(0), params)[1]
    both = [dataclasses.replace(first, side=jnp.int8(side)) for side in (0, 1)]
    states = np.stack([env.privileged_state(state, params) for state in both])
    observations = np.stack([env.get_obs(state, params) for state in both])
    recording = dataclasses.replace(
        make_scene(*make("heavenhell-2", 1), None, 0, 0).recording,
        states=states, observations=observations,
    )  # fmt: skip
    left, right = (
        np.asarray(image) for image in film(Scene("", picture_of(env, params), recording), dpi=50)
    )
    middle, below_title = left.shape[1] // 2, int(0.5 * 50)
    differs = (left != right)[below_title:].any(axis=(0, 2))
    assert differs[:middle].any()
    assert not differs[middle:].any()


@pytest.mark.parametrize("algorithm", ["dqn", "adqn", "adqn-state"])  # one of each kind
def test_values_drawn_are_the_policy_s(algorithm: str, tmp_path: pathlib.Path) -> None:
    """Actions are greedy in Q, Q and U are those of rows that hold the episode."""
    path = save(tmp_path / "policy.npz", algorithm, "carflag")
    policy, name = load_policy(path), "carflag"
    env, params = make(name, 12)
    scene = make_scene(env, params, policy, seed=2, epsilon=0.0)
    recording = scene.recording
    q = recording.values["Q(h,a)"]
    np.testing.assert_array_equal(recording.actions, q.argmax(-1))
    assert list(recording.values) == ["Q(h,a)", *U_NAMES[algorithm]]
    assert len(scene.panels) == 3

    length = recording.length
    inputs = Inputs(
        observation=recording.observations[:length, None],
        state=recording.states[:length, None],
        action_tm1=jnp.roll(jnp.asarray(recording.actions)[:, None], 1, axis=0),
        start=jnp.arange(length)[:, None] == 0,
    )
    values = jax.jit(policy.networks.look)(untrained(algorithm, name), inputs)
    assert np.ptp(q) > 1e-3
    for which, of_rows in values.items():
        np.testing.assert_allclose(recording.values[which], of_rows[:, 0], atol=1e-5)


def test_a_recording_is_the_environment_s() -> None:
    """States, rewards and the end follow from the first state and the actions."""
    env, params = envs.make("heavenhell-1")
    recording = record(jax.random.key(5), env, params, None, 0.0)
    assert recording.length < 100
    side, cell = divmod(int(recording.states[0]), env.num_cells)
    _, state = env.reset_env(jax.random.key(0), params)
    state = dataclasses.replace(state, side=jnp.int8(side), cell=jnp.int16(cell))
    ends = []
    for t, action in enumerate(recording.actions):
        assert int(env.get_obs(state, params)) == recording.observations[t]
        _, state, reward, terminated, _ = env.step_env(jax.random.key(0), state, action, params)
        assert float(reward) == recording.rewards[t]
        assert int(env.privileged_state(state, params)) == recording.states[t + 1]
        ends.append(bool(terminated))
    assert ends == [False] * (recording.length - 1) + [True]
    assert not recording.truncated


def test_epsilon_explores(tmp_path: pathlib.Path) -> None:
    """With epsilon 1 actions are not those that Q prefers, and time runs out."""
    policy = load_policy(save(tmp_path / "policy.npz", "dqn", "carflag"))
    recording = record(jax.random.key(2), *make("carflag", 30), policy, 1.0)
    assert recording.truncated
    assert 0 < (recording.actions == recording.values["Q(h,a)"].argmax(-1)).mean() < 0.6


def test_as_a_user_calls_it(tmp_path: pathlib.Path) -> None:
    """A policy becomes a PNG and a GIF where they were asked for."""
    save(tmp_path / "policy.npz", "adqn", "heavenhell-1")
    words = ("--policy", "policy.npz", "--epsilon", "1", "--seed", "1", "--to", "pictures/mine")
    done = script("render.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = sorted(file.name for file in (tmp_path / "pictures").iterdir())
    assert files == ["mine.gif", "mine.png"]
    with Image.open(tmp_path / "pictures" / "mine.gif") as image:
        assert frames_of(image) > 2


def bad_files(folder: pathlib.Path) -> None:
    """Write what is no policy, or not a whole one."""
    whole = save(folder / "carflag.npz")
    (folder / "text.npz").write_text("not an archive")
    (folder / "empty.npz").write_text("")
    (folder / "cut.npz").write_bytes(whole.read_bytes()[:-100])
    np.save(folder / "array.npy", np.zeros(3))
    np.savez(folder / "arrays.npz", a=np.zeros(3))
    for name, metadata in (("list", []), ("bare", {"env": "carflag", "algorithm": "dqn"})):
        np.savez(folder / f"{name}.npz", metadata=np.array(json.dumps(metadata)))
    np.savez(folder / "words.npz", metadata=np.array("no JSON"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--env"),
        ("--env nothing", "unknown environment 'nothing'"),
        ("--env gymnax:CartPole-v1", "no picture of CartPole-v1"),
        ("--env carflag --epsilon 0.5", "--epsilon needs a --policy"),
        ("--policy carflag.npz --epsilon 2", "epsilon must be from 0 to 1"),
        ("--env carflag --seed -1", "seed must be from 0"),
        ("--env carflag --frames 1", "frames must be at least 2"),
        ("--env carflag --fps 0", "fps more than 0"),
        ("--env carflag --fps nan", "fps more than 0"),
        ("--env heavenhell-1 --steps 0 200", "steps must be from 0 to"),
        ("--policy missing.npz", "No such file"),
        ("--policy .", ". is a folder: name a policy's file"),
        ("--policy text.npz", "text.npz holds no policy"),
        ("--policy empty.npz", "empty.npz holds no policy"),
        ("--policy cut.npz", "cut.npz holds no policy"),
        ("--policy array.npy", "array.npy holds no policy"),
        ("--policy arrays.npz", "arrays.npz holds no policy"),
        ("--policy list.npz", "list.npz does not say"),
        ("--policy bare.npz", "bare.npz does not say"),
        ("--policy words.npz", "words.npz does not say"),
        ("--policy carflag.npz --env heavenhell-1", "does not fit the spaces of heavenhell-1"),
        ("--policy carflag.npz --env gymnax:CartPole-v1", "no picture of CartPole-v1"),
    ],
)
def test_bad_input(
    words: str, message: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence on stderr, exit code 2, nothing written."""
    bad_files(tmp_path)
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    ended = call(render.main, *words.split())
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_another_environment_under_the_same_name(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A maze that was edited after training is refused, unless one asks for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(render, "film", lambda scene: [Image.new("RGB", (4, 4))])  # a minute's work
    maze = pathlib.Path("maze.txt")
    maze.write_text("#####\n#...#\n#####\n")
    name = "cleaner:maze.txt"
    settings = json.loads(json.dumps(envs.make(name)[0].settings))
    save(pathlib.Path("policy.npz"), "dqn", name, env_settings=settings)
    assert call(render.main, "--policy", "policy.npz", "--frames", "2").code == 0
    maze.write_text("#####\n#.#.#\n#...#\n#####\n#####\n")
    refused = call(render.main, "--policy", "policy.npz")
    assert refused.code == 2
    assert "is no longer the environment" in refused.err
