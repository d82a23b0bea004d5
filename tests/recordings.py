"""Recordings of the authors' trainer: episodes, and the parameters of networks."""

import functools
import json
import math
import pathlib
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax import NetworkConfig
from adqn_jax.types import Inputs, Rows

NETWORKS = {  # the authors' networks, which have a shorter head after convolutions
    "heavenhell-3": NetworkConfig(),
    "carflag": NetworkConfig(),
    "cleaner": NetworkConfig(),
    "memory-four-rooms-7x7": NetworkConfig(head_sizes=(512,)),
}


class Recording:
    """One file of recorded losses."""

    def __init__(self, path: pathlib.Path):
        """Read the whole file."""
        with np.load(path) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.salt = str(self.arrays["salt"])
        self.shapes = json.loads(str(self.arrays["parameter_shapes"]))
        self.built: dict[str, Any] = {}  # by algorithm: what a test has made of it
        self.values: dict[str, Any] = {}  # by algorithm

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

    def params(self, tag: str, model: str, fresh: Any) -> dict[str, Any]:
        """Return a model's parameters in our tree, whose shapes are those of `fresh`."""
        tree: dict[str, Any] = {}
        for name in (n for n in self.shapes if n.startswith(f"{model}/")):
            part, path = place(name.split("/")[1])
            value = to_ours(path, self.weight(tag, name))
            leaf = tree.setdefault(part, {"params": {}})["params"]
            for key in path[:-1]:
                leaf = leaf.setdefault(key, {})
            leaf[path[-1]] = jnp.asarray(value)
        # A state that is its own feature vector has no parameters: the recording has none either.
        tree = {part: tree.get(part, empty) for part, empty in fresh.items()}
        assert jax.tree.map(jnp.shape, tree) == jax.tree.map(jnp.shape, fresh)
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
    if name.startswith(("value_module", "policy_module")):
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
