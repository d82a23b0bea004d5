"""An algorithm that nobody has heard of, registered by one line, runs through every command."""

import pathlib
from typing import Any

import pytest

import diagnose
import figure1
import plot
import render
import run
import table
from adqn_jax import ALGORITHMS, Algorithm, load_policy
from adqn_jax.families import algorithms
from runs import WORDS, call
from support import options, paper

NAME = "sixth"
FOLDER = pathlib.Path("runs", "heavenhell-1", NAME, "memoryless")
SHORT = ("--algo", NAME, "--seeds", "2", "--total-timesteps", "320", "--history", "none")

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register it in this process."""
    monkeypatch.setitem(ALGORITHMS, NAME, Algorithm(NAME, "state", "bootstrap"))


def test_every_command() -> None:
    """Trained, drawn, tabulated, rendered, diagnosed; the policy file says what it is."""
    trained = call(run.main, *WORDS, *SHORT)
    assert trained.code == 0, trained.err
    policy = load_policy(FOLDER / "policy" / "seed-000.npz")
    assert policy.config.algorithm == NAME
    for main, words in (
        (plot.main, (str(FOLDER),)),
        (table.main, (str(FOLDER),)),
        (render.main, ("--policy", str(FOLDER / "policy" / "seed-000.npz"), "--frames", "2")),
        (diagnose.main, (str(FOLDER), "--episodes", "2")),
    ):
        ended = call(main, *words)
        assert ended.code == 0, (main.__module__, ended.err)
    assert pathlib.Path("table.csv").read_text().count(NAME) == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ("oracle", "bootstrap"),
            "privileged must be one of none, history-state, state, got 'oracl",
        ),
        (("state", "mixed"), "regress_on must be one of bootstrap, privileged, got 'mixed'"),
        (("none", "privileged"), "Q cannot regress on U where there is none"),
    ],
)
def test_words_that_say_nothing(words: tuple[Any, Any], why: str) -> None:
    """Are refused where the algorithm is named, not taken for others."""
    with pytest.raises(ValueError, match=f"seventh: {why}"):
        Algorithm("seventh", *words)


def test_figure1_trains_it_when_told() -> None:
    """The paper's five otherwise."""
    assert figure1.Args().algos == paper.ALGORITHMS
    assert NAME not in paper.ALGORITHMS


def test_help_and_refusals_name_it() -> None:
    """The list of algorithms is that of the registry."""
    assert [name for name in algorithms() if name in ALGORITHMS] == list(ALGORITHMS)
    assert (
        f"known are dqn, adqn, adqn-vr, adqn-state, adqn-state-vr, {NAME}, reinforce"
        in call(run.main, "--algo", "seventh").err
    )
    assert options.parse(["--algo", NAME]).config.algorithm == NAME
