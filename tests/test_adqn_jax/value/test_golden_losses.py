"""Values, losses, gradients and Adam steps repeat those of the authors' trainer."""

import functools
import json
import math
import pathlib
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import ALGORITHMS, Algorithm, Config, Hyperparameters, LossConfig, NetworkConfig, envs
from adqn_jax.spaces import Spaces
from adqn_jax.types import Inputs, Params, Rows
from adqn_jax.value import ValueNetworks, make_networks
from adqn_jax.value.learner import Learner
from adqn_jax.value.networks import Values
from settings import scalar_losses

NETWORKS = {  # the authors' networks, which have a shorter head after convolutions
    "heavenhell-3": NetworkConfig(),
    "carflag": NetworkConfig(),
    "cleaner": NetworkConfig(),
    "memory-four-rooms-7x7": NetworkConfig(head_sizes=(512,)),
}
HYPER = Hyperparameters(learning_rate=1e-3, adam_eps=1e-4, discount=0.99)


class Built(NamedTuple):
    """Networks with the recorded parameters, and their compiled pass over rows."""

    networks: ValueNetworks
    online: Params
    target: Params
    unroll: Any


class Recording:
    """One file of recorded losses."""

    def __init__(self, path: pathlib.Path):
        """Read the whole file."""
        with np.load(path) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.salt = str(self.arrays["salt"])
        self.shapes = json.loads(str(self.arrays["parameter_shapes"]))
        self.built: dict[str, Built] = {}  # by algorithm, see `build`
        self.values: dict[str, tuple[Values, Values]] = {}  # by algorithm, see `values_of`

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
            part, path = place(name.split("/")[1])
            value = to_ours(path, self.weight(tag, name))
            leaf = tree.setdefault(part, {"params": {}})["params"]
            for key in path[:-1]:
                leaf = leaf.setdefault(key, {})
            leaf[path[-1]] = jnp.asarray(value)
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
            inputs=Inputs(
                observation=jax.tree.map(time_first, self.observations),
                state=jax.tree.map(time_first, self.states),
                action_tm1=jnp.roll(action, 1, axis=0),
                start=jnp.asarray(np.broadcast_to(time == 0, action.shape)),
            ),
            action=action,
            reward=time_first(self["rewards"]),
            terminated=jnp.asarray(time == lengths - 1),
            truncated=jnp.zeros((num_steps + 1, num_rows), bool),
            valid=jnp.asarray(time < lengths),
        )

    @property
    def observations(self) -> Any:
        """The recorded observations, as our environments have them."""
        return self[next(n for n in ("observations", "observations.grid") if n in self.arrays)]

    @property
    def states(self) -> Any:
        """The recorded privileged states, as our environments have them."""
        if "states" in self.arrays:
            return self["states"]
        ours = {"grid": "grid", "agent_grid": "agent_id_grid", "agent": "agent"}
        return {name: self[f"states.{theirs}"] for name, theirs in ours.items()}


def place(name: str) -> tuple[str, list[str]]:
    """Say where a torch parameter belongs: the part, and the path in it."""
    *_, number, kind = name.split(".")
    leaf = "kernel" if kind == "weight" else "bias"
    if "sequence_model.gru" in name:
        ours = {"weight_ih_l0": "kernel_x", "weight_hh_l0": "kernel_h",
                "bias_ih_l0": "bias_x", "bias_hh_l0": "bias_h"}[kind]  # fmt: skip
        return "history", [ours]
    if name.startswith("value_module"):
        return "head", [f"Linear_{int(number) // 2}", leaf]
    if ".action_model" in name:
        return "history", ["action", "table"]
    part, path = ("state", []) if name.startswith("latent_model") else ("history", ["observation"])
    if "cnn_model" in name:
        return part, [*path, "GridEncoder_0", "convolutions", f"{leaf}_{int(number) // 2}"]
    if "fc_model" in name:
        return part, [*path, "GridEncoder_0", "Linear_0", leaf]
    if "embedding_model" in name:
        return part, [*path, "GridEncoder_0", "index", "table"]
    if name.endswith("embeddings.weight"):
        return part, [*path, "table"]
    return part, [*path, "Linear_0", leaf]


def to_ours(path: list[str], value: np.ndarray) -> np.ndarray:
    """Turn a torch parameter into ours: inputs first, rows of a grid before its columns."""
    if value.ndim == 4:  # [out, in, column, row]
        return value.transpose(3, 2, 1, 0)
    if path[-2:] == ["Linear_0", "kernel"] and "GridEncoder_0" in path:
        grid, flat = np.split(value.T, [64 * 7 * 7])  # rows: channel, column, row of the grid
        grid = grid.reshape(64, 7, 7, -1).transpose(2, 1, 0, 3).reshape(grid.shape)
        return np.concatenate([grid, flat])
    return value.T if path[-1].startswith("kernel") else value


def build(recording: Recording, env_name: str, algorithm: Algorithm) -> Built:
    """Return networks with the recorded online and target parameters; once per recording."""
    if algorithm.name not in recording.built:
        recording.built[algorithm.name] = _build(recording, env_name, algorithm)
    return recording.built[algorithm.name]


def _build(recording: Recording, env_name: str, algorithm: Algorithm) -> Built:
    config = Config(algorithm.name, network=NETWORKS[env_name])
    networks = make_networks(config, Spaces.of(*envs.make(env_name)))
    models = {"q": "q"}
    if algorithm.has_u:
        models["u"] = "u" if algorithm.privileged == "history-state" else "u_state"
    online, target = (
        {ours: recording.params(tag, theirs) for ours, theirs in models.items()}
        for tag in ("online", "target")
    )
    fresh = jax.eval_shape(networks.init, jax.random.key(0), recording.rows.inputs)
    # A state that is its own feature vector has no parameters, and so no entry in the recording.
    for params in (online, target):
        if algorithm.has_u:
            params["u"]["state"] = params["u"]["state"] or fresh["u"]["state"]
        assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, fresh)
    return Built(networks, online, target, jax.jit(networks.unroll))


@pytest.fixture(scope="module", params=NETWORKS)
def recorded(request: pytest.FixtureRequest, golden_dir: pathlib.Path) -> tuple[str, Recording]:
    """An environment's name and its recording."""
    return request.param, Recording(golden_dir / f"losses_{request.param}.npz")


def values_of(recorded: tuple[str, Recording], algorithm: Algorithm) -> tuple[Values, Values]:
    """Evaluate the recorded online and target networks in all slots; once per recording."""
    env_name, recording = recorded
    if algorithm.name not in recording.values:
        built = build(recording, env_name, algorithm)
        online, target = (
            built.unroll(params, recording.rows.inputs) for params in (built.online, built.target)
        )
        recording.values[algorithm.name] = (online, target)
    return recording.values[algorithm.name]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_golden_values(recorded: tuple[str, Recording], name: str) -> None:
    """Q and U of the recorded weights have the recorded values, online and target."""
    _, recording = recorded
    algorithm = ALGORITHMS[name]
    valid = np.asarray(recording.rows.valid[:-1]).T
    for tag, values in zip(("online", "target"), values_of(recorded, algorithm), strict=True):
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
    _, recording = recorded
    algorithm = ALGORITHMS[name]
    # The values of a row do not depend on its neighbours: a row is taken out of rows and values.
    loss = jax.jit(
        lambda rows, *values: scalar_losses(algorithm.name, LossConfig(), HYPER, rows, *values)
    )
    everything = (recording.rows, *values_of(recorded, algorithm))
    for row in range(recording["lengths"].size):
        ours = loss(*jax.tree.map(lambda x, row=row: x[:, row : row + 1], everything))
        for model in ours:
            theirs = recording[f"loss_per_episode/{name}/{model}"][row]
            np.testing.assert_allclose(ours[model], theirs, rtol=1e-5)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_golden_training(recorded: tuple[str, Recording], name: str) -> None:
    """Five Adam steps give the recorded losses, gradient norms and final values."""
    env_name, recording = recorded
    algorithm = ALGORITHMS[name]
    networks, params, target, unroll = build(recording, env_name, algorithm)
    learner = Learner(networks, algorithm, LossConfig(average="episode"), 0.0)
    update, opt_state = jax.jit(learner.update), learner.init_opt_state(params)
    for step in range(5):
        step_taken = update(HYPER, params, target, opt_state, recording.rows, jax.random.key(0))
        params, opt_state, seen = step_taken.params, step_taken.opt_state, step_taken.diagnostics
        for model in params:
            losses = recording[f"train_losses/{name}/{model}"]
            norms = recording[f"train_grad_norms/{name}/{model}"]
            np.testing.assert_allclose(seen[f"loss_{model}"], losses[step], rtol=1e-3)
            np.testing.assert_allclose(seen[f"grad_norm_{model}"], norms[step], rtol=2e-3)
    valid = np.asarray(recording.rows.valid[:-1]).T
    final = np.swapaxes(unroll(params, recording.rows.inputs).q[:-1], 0, 1)
    theirs = recording[f"final_values/{name}/q"]
    np.testing.assert_allclose(final[valid], theirs[valid], rtol=0, atol=2e-3)
