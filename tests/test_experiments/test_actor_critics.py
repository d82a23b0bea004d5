"""Every command takes an actor-critic, or refuses it in one sentence."""

import pathlib

import numpy as np
import pytest

import courses
import diagnose
import exactness
import plot
import render
import run
import sweep
import table
from adqn_jax import load_policy
from runs import call, rows_of

WORDS = (
    *("--env", "heavenhell-1", "--seeds", "2", "--total-timesteps", "480", "--log-every", "80"),
    *("--num-envs", "2", "--steps-per-iteration", "10", "--minibatches", "1"),
    *("--eval-episodes", "2", "--embedding-size", "4", "--history-size", "8"),
    *("--head-sizes", "8", "--checkpoint-minutes", "1e-9"),
)
FOLDER = pathlib.Path("runs", "heavenhell-1", "ppo-asym", "default")

pytestmark = pytest.mark.usefixtures("own_folder")


def test_every_command() -> None:
    """Trained, drawn, tabulated, compared, rendered, diagnosed, swept; only the actor is saved."""
    trained = call(run.main, *WORDS, "--algo", "ppo-asym")
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
        (sweep.main, (*WORDS, "--algo", "ppo-asym", "--grid", "clip-range=0.1,0.3")),
    ):
        ended = call(main, *words)
        assert ended.code == 0, (main.__module__, ended.err)
    refused = call(exactness.main, str(path))
    assert (refused.code, refused.out) == (2, "")
    assert "ppo-asym has no Q(h,a) to compare" in refused.err


def test_nothing_reads_it() -> None:
    """What an algorithm does not read cannot be swept."""
    words = (*WORDS, "--algo", "a2c", "--grid", "clip-range=0.1,0.3")
    ended = call(sweep.main, *words)
    assert ended.code == 2
    assert "nothing reads clip-range: it needs an algorithm called ppo" in ended.err


def test_resume_continues_exactly() -> None:
    """A run that is resumed for more timesteps ends as one that was never interrupted."""
    common = (*WORDS, "--algo", "a2c-asym", "--target", "periodic")
    longer = ("--total-timesteps", "960")
    ends = [
        call(run.main, *common, *longer, "--name", "whole"),
        call(run.main, *common, "--name", "parts"),
        call(run.main, *common, *longer, "--name", "parts", "--resume"),
    ]
    assert [end.code for end in ends] == [0, 0, 0], [end.err for end in ends]
    folders = [FOLDER.parents[1] / "a2c-asym" / name for name in ("whole", "parts")]
    assert rows_of(folders[0]) == rows_of(folders[1])
    ours, theirs = (load_policy(f / "policy" / "seed-001.npz").params["actor"] for f in folders)
    for kernel in (ours, theirs):
        assert np.isfinite(kernel["history"]["params"]["kernel_h"]).all()
    np.testing.assert_array_equal(
        ours["history"]["params"]["kernel_h"], theirs["history"]["params"]["kernel_h"]
    )
