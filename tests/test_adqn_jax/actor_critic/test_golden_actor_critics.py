"""Values, advantages, losses, gradients and Adam steps repeat those of the authors' trainer."""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import envs
from adqn_jax.actor_critic import ALGORITHMS, Config, Hyperparameters, LossConfig
from adqn_jax.actor_critic.learner import Batch, Learner, Numbers
from adqn_jax.actor_critic.networks import ActorCriticNetworks, make_networks
from adqn_jax.actor_critic.segment import Segment
from adqn_jax.spaces import Spaces
from adqn_jax.types import Params
from recordings import NETWORKS, Recording

#: By our names, theirs and that of the critic.
THEIRS = {
    "a2c": ("a2c", "v"),
    "a2c-asym": ("asym-a2c", "v_history_state"),
    "a2c-state": ("asym-a2c-state", "v_state"),
}
LAMBDA, N_STEP = LossConfig(), LossConfig(returns="n-step", n_step=5)
ESTIMATES = {
    "td0": (LAMBDA, 0.0), "td-n": (N_STEP, 0.0), "td-lambda": (LAMBDA, 0.95), "mc": (LAMBDA, 1.0),
}  # fmt: skip
ENTROPY_WEIGHT = 0.1
#: Where losses and training are compared for every estimate; elsewhere one is enough, as estimates
#: differ in targets and advantages only, which are compared everywhere. Grids take long.
FLAT = ("heavenhell-3", "carflag")


class Built(NamedTuple):
    """Networks with the recorded parameters, and the compiled parts of a gradient step."""

    networks: ActorCriticNetworks
    params: Params
    target: Params
    segment: Segment
    prepare: dict[LossConfig, Any]
    unroll: Any
    losses: Any
    update: Any


def hyper(estimate: str) -> Hyperparameters:
    """Return the recorded settings of an estimate of returns."""
    return Hyperparameters(
        learning_rate=1e-3, adam_eps=1e-4, discount=0.99, return_lambda=ESTIMATES[estimate][1]
    )


def build(recording: Recording, env_name: str, algo: str) -> Built:
    """Return an algorithm with the recorded parameters; once per recording."""
    if algo not in recording.built:
        recording.built[algo] = _build(recording, env_name, algo)
    return recording.built[algo]


def _build(recording: Recording, env_name: str, algo: str) -> Built:
    config = Config(algo, network=NETWORKS[env_name])
    networks = make_networks(config, Spaces.of(*envs.make(env_name)))
    rows = recording.rows
    fresh = jax.eval_shape(networks.init, jax.random.key(0), rows.inputs)
    critic = THEIRS[algo][1]
    online, target = (
        recording.params(tag, critic, fresh["critic"]) for tag in ("online", "target")
    )
    steps, num_rows = rows.action[:-1].shape
    trained, after = (jax.tree.map(lambda x, at=at: x[at], rows) for at in (slice(-1), -1))
    segment = Segment(
        rows=trained,
        time=jnp.broadcast_to(jnp.arange(steps)[:, None], (steps, num_rows)),
        trained=trained.valid,
        memory=networks.memory(num_rows),
        after=after.inputs,
    )
    of = {
        choices: Learner(networks, ALGORITHMS[algo], choices, 0.0) for choices in (LAMBDA, N_STEP)
    }
    memory = dict.fromkeys(("critic", "target"), networks.models["critic"].memory(num_rows))
    return Built(
        networks,
        {"actor": recording.params("online", "policy", fresh["actor"]), "critic": online},
        {"target": target},
        segment,
        {c: jax.jit(functools.partial(x.prepare, memory=memory)) for c, x in of.items()},
        jax.jit(networks.unroll),
        jax.jit(of[LAMBDA].losses),
        jax.jit(of[LAMBDA].update),
    )


@pytest.fixture(scope="module", params=NETWORKS)
def recorded(request: pytest.FixtureRequest, golden_dir: pathlib.Path) -> tuple[str, Recording]:
    """An environment's name and its recording."""
    return request.param, Recording(golden_dir / f"actor_critic_{request.param}.npz")


def prepare(built: Built, estimate: str, params: Params) -> Batch:
    """Compute what a gradient step trains on."""
    of = built.prepare[ESTIMATES[estimate][0]]
    return of(hyper(estimate), params, built.target, built.segment)[0]


def trained_estimates(env_name: str) -> list[str]:
    """List the estimates by which losses and training are compared."""
    return list(ESTIMATES) if env_name in FLAT else ["td0"]


def close(ours: Any, theirs: np.ndarray, valid: np.ndarray, atol: float) -> None:
    """Compare slots that hold transitions, time first with rows first."""
    np.testing.assert_allclose(np.swapaxes(ours, 0, 1)[valid], theirs[valid], rtol=0, atol=atol)


@pytest.mark.parametrize("algo", THEIRS)
def test_golden_outputs(recorded: tuple[str, Recording], algo: str) -> None:
    """Values, log-probabilities, advantages and targets are those recorded."""
    env_name, recording = recorded
    built, critic = build(recording, env_name, algo), THEIRS[algo][1]
    inputs, valid = built.segment.rows.inputs, np.asarray(built.segment.trained).T
    outputs, _ = built.unroll(built.params | built.target, inputs)
    close(outputs["actor"], recording["log_probs"], valid, 1e-5)
    close(outputs["critic"], recording[f"values/online/{critic}"], valid, 1e-5)
    close(outputs["target"], recording[f"values/target/{critic}"], valid, 1e-5)
    for estimate in ESTIMATES:
        batch = prepare(built, estimate, built.params)
        close(batch.target, recording[f"targets/{estimate}/{critic}"], valid, 1e-4)
        close(batch.advantage, recording[f"advantages/{estimate}/{critic}"], valid, 1e-4)


@pytest.mark.parametrize("algo", THEIRS)
def test_golden_loss_of_each_episode(recorded: tuple[str, Recording], algo: str) -> None:
    """Each episode alone has the recorded losses."""
    env_name, recording = recorded
    built, theirs = build(recording, env_name, algo), THEIRS[algo][0]
    for estimate in trained_estimates(env_name):
        batch = prepare(built, estimate, built.params)
        of_episodes = [
            built.losses(hyper(estimate), built.params, batch.take(jnp.array([row])))
            for row in range(recording["lengths"].size)
        ]
        ours = {name: np.array([x[name] for x in of_episodes]) for name in of_episodes[0]}
        per_episode = f"loss_per_episode/{theirs}/{estimate}"
        policy, critic = (recording[f"{per_episode}/{name}"] for name in ("policy", "critic"))
        np.testing.assert_allclose(ours["actor"], policy, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(ours["critic"], critic, rtol=1e-5)
        np.testing.assert_allclose(-ours["entropy"], recording["negentropy_per_episode"], rtol=1e-5)


@pytest.mark.parametrize("algo", THEIRS)
def test_golden_training(recorded: tuple[str, Recording], algo: str) -> None:
    """Five Adam steps give the recorded losses, gradient norms and final outputs."""
    env_name, recording = recorded
    built, theirs = build(recording, env_name, algo), THEIRS[algo][0]
    valid = np.asarray(built.segment.trained).T
    for estimate in trained_estimates(env_name):
        numbers, of = Numbers(1e-3, ENTROPY_WEIGHT), f"{theirs}/{estimate}"
        learner = Learner(built.networks, ALGORITHMS[algo], LAMBDA, 0.0)
        params, opt_state = built.params, learner.init_opt_state(built.params)
        for step in range(5):
            batch = prepare(built, estimate, params)
            params, opt_state, seen = built.update(
                hyper(estimate), numbers, params, opt_state, batch
            )
            # Theirs is summed over an episode.
            negentropy = -seen["mean_entropy"] * valid.sum() / len(valid)
            pairs = {"policy": seen["loss_actor"], "critic": seen["loss_critic"]}
            for name, ours in (pairs | {"negentropy": negentropy}).items():
                recorded_loss = recording[f"train_losses/{of}/{name}"][step]
                np.testing.assert_allclose(ours, recorded_loss, rtol=3e-3, atol=1e-3)
            for name in ("actor", "critic"):
                norm = recording[f"train_grad_norms/{of}/{name}"][step]
                np.testing.assert_allclose(seen[f"grad_norm_{name}"], norm, rtol=1e-2)
        if estimate == "td0":
            outputs, _ = built.unroll(params, built.segment.rows.inputs)
            close(outputs["actor"], recording[f"final_log_probs/{theirs}"], valid, 2e-3)
            close(outputs["critic"], recording[f"final_values/{theirs}"], valid, 5e-3)


def test_monte_carlo_is_lambda_one(recorded: tuple[str, Recording]) -> None:
    """An algorithm that does not bootstrap regresses on the recorded Monte Carlo returns."""
    env_name, recording = recorded
    built = build(recording, env_name, "a2c")
    algorithm = dataclasses.replace(ALGORITHMS["a2c"], estimate="monte-carlo")
    learner = Learner(built.networks, algorithm, LAMBDA, 0.0)
    memory = {"critic": built.networks.models["critic"].memory(recording["lengths"].size)}
    batch, _ = jax.jit(learner.prepare)(hyper("td0"), built.params, {}, built.segment, memory)
    valid = np.asarray(built.segment.trained).T
    close(batch.target, recording["targets/mc/v"], valid, 1e-4)
    close(batch.advantage, recording["advantages/mc/v"], valid, 1e-4)
