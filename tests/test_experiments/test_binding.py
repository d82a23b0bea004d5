"""The supervised question of Memory-Four-Rooms, and its command."""

import csv
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import binding
from adqn_jax import NetworkConfig
from runs import call
from support.binding import STEPS, Binding

NETWORK = NetworkConfig(embedding_size=8, history_size=8, grid_encoder="cells")


def test_what_is_asked() -> None:
    """Asked is of one exit, after the beacon; a rule that remembers its colour is always right."""
    keys = jax.random.split(jax.random.key(0), 32)
    walks = jax.jit(jax.vmap(Binding(NETWORK, 1e-3).walk))(keys)
    asked, right = np.asarray(walks[1]), np.asarray(walks[2])
    assert 0.45 < right[asked].mean() < 0.55  # of 2,048 episodes
    assert 0.05 < asked.mean() < 0.5
    inputs, asked, right = jax.tree.map(lambda x: np.asarray(x[0]), walks)
    grids = inputs.observation
    kind, colour = grids[..., 0], grids[..., 2]
    for episode in range(asked.shape[1]):
        remembered = None
        for step in range(STEPS):
            beacon = kind[step, episode] == 5
            if beacon.any():
                (remembered,) = set(colour[step, episode][beacon])
            exits = colour[step, episode][kind[step, episode] == 4]
            if asked[step, episode]:
                assert remembered is not None
                (seen,) = exits
                assert right[step, episode] == (seen == remembered)


def test_command(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each seed and so many episodes, and a sentence for what cannot be."""
    monkeypatch.setattr(binding, "_EPISODES_PER_ROW", 256)
    words = ("--embedding-size", "8", "--history-size", "8", "--grid-encoder", "pairs")
    words += ("--recall-weight", "0.1", "--batch", "32")
    table = tmp_path / "binding.csv"
    done = call(binding.main, *words, "--episodes", "300", "--to", str(table))
    assert done.code == 0, done.err
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["episodes"] for row in rows] == ["256", "512"]
    assert all(0.2 < float(row["accuracy"]) < 0.8 for row in rows)

    for word, number, sentence in (
        ("--embedding-size", "0", "embedding_size must be at least 1, got 0"),
        ("--conv-channels", "8", "nothing reads conv-channels: it needs --grid-encoder"),
    ):
        refused = call(binding.main, word, number, "--to", str(table))
        assert refused.code == 2
        assert refused.err.startswith(f"error: {sentence}")


def test_training_lowers_the_loss() -> None:
    """Steps on the same walks, again and again, fit them."""
    asked, key = Binding(NETWORK, 2e-2, batch=16), jax.random.key(1)
    learner = asked.init(jax.random.key(0))
    loss = jax.jit(asked.loss)
    before = loss(learner[0], key)[0]
    learner, _ = asked.train(learner, jnp.repeat(key[None], 60))
    assert loss(learner[0], key)[0] < before - 0.03
