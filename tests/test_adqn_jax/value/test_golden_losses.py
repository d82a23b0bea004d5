"""Values, losses, gradients and Adam steps repeat those of the authors' trainer."""

import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from adqn_jax import ALGORITHMS, Algorithm, Config, Hyperparameters, LossConfig, envs
from adqn_jax.spaces import Spaces
from adqn_jax.types import Params
from adqn_jax.value import ValueNetworks, make_networks
from adqn_jax.value.learner import Learner
from adqn_jax.value.networks import Values
from recordings import NETWORKS, Recording
from settings import scalar_losses

HYPER = Hyperparameters(learning_rate=1e-3, adam_eps=1e-4, discount=0.99)


class Built(NamedTuple):
    """Networks with the recorded parameters, and their compiled pass over rows."""

    networks: ValueNetworks
    online: Params
    target: Params
    unroll: Any


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
    fresh = jax.eval_shape(networks.init, jax.random.key(0), recording.rows.inputs)
    online, target = (
        {ours: recording.params(tag, theirs, fresh[ours]) for ours, theirs in models.items()}
        for tag in ("online", "target")
    )
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
