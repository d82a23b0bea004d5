"""Every command takes an actor-critic, or refuses it in one sentence."""

import pathlib
import shutil

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import benchmark
import courses
import diagnose
import exactness
import plot
import render
import run
import sweep
import table
from adqn_jax import envs, load_policy, make_policy, make_trainer, save_policy
from adqn_jax.envs.pictures import picture_of
from adqn_jax.episode import Recording
from runs import call, rows_of
from settings import on_policy
from support import players
from support.scene import Scene, make_scene

WORDS = (
    *("--env", "heavenhell-1", "--seeds", "2", "--total-timesteps", "480", "--log-every", "80"),
    *("--num-envs", "2", "--steps-per-iteration", "10"),
    *("--eval-episodes", "2", "--embedding-size", "4", "--history-size", "8"),
    *("--head-sizes", "8", "--checkpoint-minutes", "1e-9"),
)
PPO = (*WORDS, "--algo", "ppo-asym", "--minibatches", "2")
FOLDER = pathlib.Path("runs", "heavenhell-1", "ppo-asym", "default")

pytestmark = pytest.mark.usefixtures("own_folder")


def test_every_command() -> None:
    """Trained, drawn, tabulated, compared, rendered, diagnosed, swept; only the actor is saved."""
    trained = call(run.main, *PPO)
    assert trained.code == 0, trained.err
    rows = rows_of(FOLDER)
    assert {"loss_actor", "loss_critic", "kl", "entropy_weight"} <= rows[0].keys()
    path = FOLDER / "policy" / "seed-000.npz"
    assert set(load_policy(path).params) == {"actor"}
    for main, words in (
        (plot.main, (str(FOLDER),)),
        (table.main, (str(FOLDER),)),
        (courses.main, (str(FOLDER),)),
        (render.main, ("--policy", str(path), "--frames", "2")),
        (diagnose.main, (str(FOLDER), "--episodes", "2")),
        (sweep.main, (*PPO, "--grid", "clip-range=0.1,0.3")),
    ):
        ended = call(main, *words)
        assert ended.code == 0, (main.__module__, ended.err)
    refused = call(exactness.main, str(path))
    assert (refused.code, refused.out) == (2, "")
    assert "ppo-asym has no Q(h,a) to compare" in refused.err


@pytest.mark.parametrize("sees", ["checkpoint", "policy"])
def test_the_critic_is_shown_as_long_as_there_is_one(sees: str) -> None:
    """Its values are those of the run's last checkpoint; without that there is the policy alone."""
    trained = call(run.main, *PPO)
    assert trained.code == 0, trained.err
    if sees == "policy":
        shutil.rmtree(FOLDER / "checkpoints")
    player = players.find(None, FOLDER / "policy" / "seed-001.npz")
    scene = make_scene(player.env, player.env_params, player.policy, 0, 0.0)
    figure, count = Figure(), len(scene.panels)
    panels = figure.subplots(1, count)
    scene.draw(panels, 0)
    measured = call(diagnose.main, str(FOLDER), "--episodes", "2")
    assert measured.code == 0, measured.err
    shown = sees == "checkpoint"
    assert ("V(h,s) = " in panels[0].get_xlabel()) == shown
    assert ("mean_v" in measured.out.split()) == shown
    assert (player.policy.params.keys() == {"actor", "critic"}) == shown


def test_continuous_actions() -> None:
    """A policy is diagnosed; a caption has the numbers that were played."""
    about = {"env": "gymnax:Pendulum-v1", "env_params": {"max_steps_in_episode": 10}}
    env, env_params = envs.make("gymnax:Pendulum-v1", params=about["env_params"])
    trainer = make_trainer(on_policy("ppo", history="none"), env, env_params)
    params = trainer.acting_params(jax.jit(trainer.init)(jax.random.key(0)))
    policy = make_policy(trainer.config, env, env_params, params, about | {"seed_index": 0})
    path = pathlib.Path("run", "policy", "seed-000.npz")
    path.parent.mkdir(parents=True)
    save_policy(path, policy)
    measured = call(diagnose.main, "run", "--episodes", "2")
    assert measured.code == 0, measured.err
    assert {"mean_mu", "mean_sigma"} <= set(measured.out.split())
    actions = np.float32([[-1.234, 0.5]])
    recording = Recording((), (), actions, np.zeros(1), truncated=True, values={})
    assert Scene("none", picture_of(*envs.make("carflag")), recording).caption(0) == (
        "step 0: -1.23, 0.50"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--algo a2c --clip-range 0.1", "nothing reads clip-range with a2c: it needs an algorithm"),
        ("--algo reinforce --n-step 3", "nothing reads n-step with reinforce: it needs an"),
        ("--algo reinforce --value-weight 0.5", "an algorithm with a critic, which is any but"),
        ("--algo dqn --regress-actions taken", "it needs an algorithm with -vr"),
        ("--algo adqn-state --history-encoders shared", "an algorithm with U(h,s,a), adqn or"),
        ("--algo dqn --privileged-share 0.5", "it needs an algorithm whose Q bootstraps from U"),
        ("--algo adqn-vr --privileged-share 0.5", "it needs an algorithm whose Q bootstraps"),
        (
            "--algo dqn --values quantile --privileged-share 0.5",
            "nothing reads privileged-share with dqn: it needs an algorithm whose Q bootstraps",
        ),
        ("--algo ppo --preset rainbow", "unknown preset 'rainbow'; known are fast, paper, for ppo"),
        ("--algo reinforce --histories continued", "histories must be whole"),
    ],
)
def test_refused(words: str, message: str) -> None:
    """What an algorithm cannot read is refused, not ignored."""
    ended = call(run.main, *words.split())
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_what_nothing_reads_cannot_be_swept() -> None:
    """Nor can a benchmark of replay measure what has none."""
    swept = call(sweep.main, *WORDS, "--algo", "a2c", "--grid", "clip-range=0.1,0.3")
    measured = call(benchmark.main, "replay", "--algo", "ppo", "--names", "carflag")
    assert (swept.code, measured.code) == (2, 2)
    assert "nothing reads clip-range" in swept.err
    assert "ppo has no replay" in measured.err
