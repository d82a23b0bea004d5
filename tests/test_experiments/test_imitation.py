"""Every command takes imitation: an expert is trained, then learnt from by its file."""

import json
import pathlib

import numpy as np
import pytest

import diagnose
import plot
import render
import run
import sweep
from adqn_jax import load_policy
from runs import call, rows_of

WORDS = (
    *("--env", "heavenhell-1", "--seeds", "2", "--total-timesteps", "480", "--log-every", "80"),
    *("--num-envs", "2", "--steps-per-iteration", "10", "--eval-episodes", "2"),
    *("--embedding-size", "4", "--head-sizes", "8", "--checkpoint-minutes", "1e-9"),
)
STUDENT = ("--buffer-timesteps", "40", "--batch-rows", "10")
VALUES = ("--value-epochs", "1", "--value-minibatches", "2")
RUNS = pathlib.Path("runs", "heavenhell-1")
EXPERT = RUNS / "expert" / "default" / "policy" / "seed-001.npz"

pytestmark = pytest.mark.usefixtures("own_folder")


def test_every_command() -> None:
    """Trained, given, imitated, drawn, rendered, diagnosed, swept; only the student is saved."""
    expert = call(run.main, *WORDS, *VALUES, "--algo", "expert")
    assert expert.code == 0, expert.err
    assert set(load_policy(EXPERT).params) == {"expert"}
    measured = call(diagnose.main, str(EXPERT.parents[1]), "--episodes", "2")
    assert measured.code == 0, measured.err
    assert {"mean_pi", "mean_v"} <= set(measured.out.split()), "values are the last checkpoint's"

    words = (*WORDS, *STUDENT, "--algo", "ail", "--expert", str(EXPERT))
    cut = call(run.main, *words, "--timeout", "1e-9")
    assert cut.code == 75, cut.err
    student = call(run.main, *words, "--resume")
    assert student.code == 0, student.err
    folder = RUNS / "ail" / "default"
    rows = rows_of(folder)
    assert {"beta", "divergence", "greedy_return", "sampled_return"} <= rows[0].keys()
    whole = call(run.main, *words, "--name", "whole")
    assert whole.code == 0, whole.err
    assert rows_of(RUNS / "ail" / "whole") == rows

    digest = json.loads((folder / "config.json").read_text())["run"]["expert"]
    path = folder / "policy" / "seed-000.npz"
    policy = load_policy(path)
    assert set(policy.params) == {"student"}
    assert policy.about["expert"] == digest
    assert len(digest) == 64
    for main, said in (
        (plot.main, (str(folder),)),
        (render.main, ("--policy", str(path), "--frames", "2")),
        (render.main, ("--policy", str(EXPERT), "--frames", "2")),
        (diagnose.main, (str(folder), "--episodes", "2")),
        (sweep.main, (*words, "--grid", "beta-decay=0.1,0.3")),
    ):
        ended = call(main, *said)
        assert ended.code == 0, (main.__module__, ended.err)
    assert np.isfinite(float(rows[-1]["divergence"]))

    other = EXPERT.with_name("seed-000.npz")
    refused = call(run.main, *words, "--resume", "--expert", str(other))
    assert (refused.code, refused.out) == (2, "")
    assert "the run to resume has expert" in refused.err
    for said, message in (
        (("--algo", "ail", "--expert", str(path)), "this policy of ail was not trained with"),
        (("--algo", "a2d", "--expert", str(EXPERT)), "a2d trains an expert, and takes none"),
        (("--algo", "ail", "--env", "heavenhell-3", "--expert", str(EXPERT)), "does not fit heav"),
    ):
        refused = call(run.main, *WORDS, *STUDENT, *said)
        assert (refused.code, refused.out) == (2, ""), said
        assert message in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--algo ail", "ail needs an expert (--expert, the file of a policy)"),
        ("--algo ail --expert nothing.npz", "nothing.npz"),
        ("--algo ppo --expert nothing.npz", "nothing.npz"),
        ("--algo expert --beta-decay 0.5", "nothing reads beta-decay with expert: it needs an alg"),
        ("--algo ail --max-kl 0.1", "nothing reads max-kl with ail: it needs an expert that learn"),
        ("--algo a2d --preset rainbow", "unknown preset 'rainbow'; known are fast, paper, for a2d"),
        ("--algo a2d --row-length 2", "row_length must divide steps_per_iteration"),
    ],
)
def test_refused(words: str, message: str) -> None:
    """One sentence, and nothing is written."""
    ended = call(run.main, *words.split())
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert not list(pathlib.Path().iterdir())
