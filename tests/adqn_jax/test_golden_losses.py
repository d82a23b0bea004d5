"""Values, losses, gradients and Adam steps repeat those of the authors' trainer."""

import functools
import json
import math
import pathlib
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from adqn_jax.algorithms import ALGORITHMS, Algorithm
from adqn_jax.config import Hyperparameters, LossConfig, NetworkConfig
from adqn_jax.learner import init_opt_state, loss_fn, make_update
from adqn_jax.networks import Networks, make_networks
from adqn_jax.types import Params, Rows

ENVIRONMENTS = ("heavenhell-3", "carflag")
HYPER = Hyperparameters(learning_rate=1e-3, adam_eps=1e-4, discount=0.99)


class Recording:
    """One file of recorded losses."""

    def __init__(self, path: pathlib.Path):
        """Read the whole file."""
        with np.load(path) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.salt = str(self.arrays["salt"])
        self.shapes = json.loads(str(self.arrays["parameter_shapes"]))

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the array called `name`."""
        return self.arrays[name]

    def weight(self, tag: str, name: str) -> np.ndarray:
        """Draw a parameter as the recording defines it, in torch's shape."""
        model, parameter = name.split("/")
        seed = zlib.crc32(f"{self.salt}/{tag}/{model}/{parameter}".encode()) & 0xFFFFFFFF
        shape = self.shapes[name]
        if name.endswith("embeddings.weight"):
            scale = 1.0
        elif name.endswith("bias") or ".bias_" in name:
            scale = 0.1
        else:
            scale = 1.5 / math.sqrt(math.prod(shape[1:]))
        draw = np.random.RandomState(seed).uniform(-1.0, 1.0, size=shape)
        return (draw * scale).astype(np.float32)

    def params(self, tag: str, model: str) -> dict[str, Any]:
        """Return a model's parameters in our tree."""
        tree: dict[str, Any] = {}
        for name in (n for n in self.shapes if n.startswith(f"{model}/")):
            part, path, transpose = place(name.split("/")[1])
            value = self.weight(tag, name)
            leaf = tree.setdefault(part, {"params": {}})["params"]
            for key in path[:-1]:
                leaf = leaf.setdefault(key, {})
            leaf[path[-1]] = jnp.asarray(value.T if transpose else value)
        if model == "u" or model == "u_state":
            tree.setdefault("state", {})
        return tree

    @functools.cached_property
    def rows(self) -> Rows:
        """The recorded episodes, a row each, and one slot more to bootstrap from."""
        lengths = self["lengths"]
        num_rows, num_steps = self["actions"].shape

        def time_first(x: np.ndarray) -> jax.Array:
            padded = np.concatenate([x, np.zeros_like(x[:, :1])], axis=1)
            return jnp.asarray(np.swapaxes(padded, 0, 1))

        action = time_first(self["actions"])
        time = np.arange(num_steps + 1)[:, None]
        return Rows(
            observation=time_first(self["observations"]),
            state=time_first(self["states"]),
            action_tm1=jnp.roll(action, 1, axis=0),
            start=jnp.asarray(np.broadcast_to(time == 0, action.shape)),
            action=action,
            reward=time_first(self["rewards"]),
            terminated=jnp.asarray(time == lengths - 1),
            truncated=jnp.zeros((num_steps + 1, num_rows), bool),
            valid=jnp.asarray(time < lengths),
        )


def place(name: str) -> tuple[str, list[str], bool]:
    """Say where a torch parameter belongs: part, path in it, and whether it is transposed."""
    kind = name.rsplit(".", 1)[1]
    leaf, transpose = ("kernel", True) if kind == "weight" else ("bias", False)
    if "sequence_model.gru" in name:
        ours = {"weight_ih_l0": "kernel_x", "weight_hh_l0": "kernel_h",
                "bias_ih_l0": "bias_x", "bias_hh_l0": "bias_h"}[kind]  # fmt: skip
        return "history", [ours], kind.startswith("weight")
    if name.startswith("value_module"):
        return "head", [f"Dense_{int(name.split('.')[1]) // 2}", leaf], transpose
    if name.startswith("latent_model"):
        return "state", ["table"], False
    if ".action_model" in name:
        return "history", ["action", "table"], False
    if name.endswith("embeddings.weight"):
        return "history", ["observation", "table"], False
    return "history", ["observation", "Dense_0", leaf], transpose


def build(
    recording: Recording, env_name: str, algorithm: Algorithm
) -> tuple[Networks, Params, Params]:
    """Return networks with the recorded online and target parameters."""
    env, env_params = envs.make(env_name)
    networks = make_networks(NetworkConfig(), algorithm, env, env_params)
    models = {"q": "q"}
    if algorithm.has_u:
        models["u"] = "u" if algorithm.privileged == "history-state" else "u_state"
    online, target = (
        {ours: recording.params(tag, theirs) for ours, theirs in models.items()}
        for tag in ("online", "target")
    )
    fresh = networks.init(jax.random.key(0), recording.rows)
    # A state that is its own feature vector has no parameters, and so no entry in the recording.
    for params in (online, target):
        if algorithm.has_u:
            params["u"]["state"] = params["u"]["state"] or fresh["u"]["state"]
        assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, fresh)
    return networks, online, target


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def recorded(request: pytest.FixtureRequest, golden_dir: pathlib.Path) -> tuple[str, Recording]:
    """An environment's name and its recording."""
    return request.param, Recording(golden_dir / f"losses_{request.param}.npz")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_golden_values(recorded: tuple[str, Recording], name: str) -> None:
    """Q and U of the recorded weights have the recorded values, online and target."""
    env_name, recording = recorded
    algorithm = ALGORITHMS[name]
    networks, *both = build(recording, env_name, algorithm)
    valid = np.asarray(recording.rows.valid[:-1]).T
    for tag, params in zip(("online", "target"), both, strict=True):
        values = networks.unroll(params, recording.rows)
        pairs = [("q", values.q)]
        if algorithm.has_u:
            pairs.append(("u" if algorithm.privileged == "history-state" else "u_state", values.u))
        for model, ours in pairs:
            theirs = recording[f"values/{tag}/{model}"]
            ours = np.swapaxes(ours[:-1], 0, 1)
            np.testing.assert_allclose(ours[valid], theirs[valid], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_golden_loss_of_each_episode(recorded: tuple[str, Recording], name: str) -> None:
    """Each episode alone has the recorded loss."""
    env_name, recording = recorded
    algorithm = ALGORITHMS[name]
    networks, online, target = build(recording, env_name, algorithm)
    for row in range(recording["lengths"].size):
        rows = jax.tree.map(lambda x, row=row: x[:, row : row + 1], recording.rows)
        values = (networks.unroll(params, rows) for params in (online, target))
        ours = loss_fn(algorithm, LossConfig(), HYPER, rows, *values)
        for model, loss in ours.items():
            theirs = recording[f"loss_per_episode/{name}/{model}"][row]
            np.testing.assert_allclose(loss, theirs, rtol=1e-5)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_golden_training(recorded: tuple[str, Recording], name: str) -> None:
    """Five Adam steps give the recorded losses, gradient norms and final values."""
    env_name, recording = recorded
    algorithm = ALGORITHMS[name]
    networks, params, target = build(recording, env_name, algorithm)
    update = jax.jit(make_update(networks, algorithm, LossConfig(average="episode"), 0.0))
    opt_state = init_opt_state(0.0, params)
    for step in range(5):
        params, opt_state, seen = update(HYPER, params, target, opt_state, recording.rows)
        for model in params:
            losses = recording[f"train_losses/{name}/{model}"]
            norms = recording[f"train_grad_norms/{name}/{model}"]
            np.testing.assert_allclose(seen[f"loss_{model}"], losses[step], rtol=1e-3)
            np.testing.assert_allclose(seen[f"grad_norm_{model}"], norms[step], rtol=2e-3)
    valid = np.asarray(recording.rows.valid[:-1]).T
    final = np.swapaxes(networks.unroll(params, recording.rows).q[:-1], 0, 1)
    theirs = recording[f"final_values/{name}/q"]
    np.testing.assert_allclose(final[valid], theirs[valid], rtol=0, atol=2e-3)
