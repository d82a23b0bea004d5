"""Runs on environments that the host steps: what they leave, and how they end."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import diagnose
import run
import simulators
from adqn_jax import load_policy
from runs import Ended, call, rows_of

pytestmark = pytest.mark.usefixtures("own_folder")

WORDS = (
    *("--env", "gymnasium:simulators:Lights-v0", "--privileged", "get_state", "--algo", "ppo-asym"),
    *("--seeds", "2", "--total-timesteps", "240", "--log-every", "80", "--num-envs", "2"),
    *("--steps-per-iteration", "10", "--minibatches", "2", "--eval-episodes", "2"),
    *("--history", "none", "--embedding-size", "4", "--head-sizes", "8"),
)
SLOW = ("--runner", "asynchronous", "--env-timeout", "4")
FOLDER = pathlib.Path("runs/gymnasium_simulators_Lights-v0/ppo-asym")


def train(name: str, *words: str, **fault: Any) -> Ended:
    """Train, and let something go wrong."""
    simulators.fault.clear()
    simulators.fault.update(fault)
    try:
        return call(run.main, *WORDS, "--name", name, *words)
    finally:
        simulators.fault.clear()


def test_a_run_from_begin_to_end() -> None:
    """It repeats itself; its policy acts; a fault ends it with a sentence when all is saved."""
    for name in ("whole", "again"):
        done = train(name)
        assert (done.code, done.err) == (0, "")
    rows = rows_of(FOLDER / "whole")
    assert rows == rows_of(FOLDER / "again")
    assert [row["timesteps"] for row in rows] == ["80", "80", "160", "160", "240", "240"]
    assert {row["lag_max"] for row in rows} == {"0"}
    policy = load_policy(FOLDER / "whole" / "policy" / "seed-001.npz")
    assert policy.about["privileged"] == "get_state"
    assert set(policy.state_space.spaces) == {"0", "1"}

    drawn = call(diagnose.main, str(FOLDER / "whole"))
    assert drawn.code == 2
    assert drawn.err.startswith("error: gymnasium:simulators:Lights-v0 is stepped by the host, and")

    # A simulator of training takes step 60 in the second third of the run.
    for name, words, fault, sentence in (
        ("raises", (), "raises", "cannot step: RuntimeError: the arm has left the table"),
        ("hangs", SLOW, "hangs", "has not answered for 4 s"),
    ):
        stopped = train(name, *words, fault=fault, at=60)
        assert stopped.code == 70, stopped.err
        told = f"environment 0 of gymnasium:simulators:Lights-v0 {sentence}: stopped at timestep "
        assert stopped.err.startswith(told)
        assert stopped.err.count("\n") == 1
        kept = rows_of(FOLDER / name)
        assert 0 < len(kept) < len(rows)
        if not words:
            assert kept == rows[: len(kept)]
        done = train(name, *words, "--resume")
        assert (done.code, done.err) == (0, "")
        resumed = rows_of(FOLDER / name)
        assert resumed[: len(kept)] == kept
        assert [row["timesteps"] for row in resumed] == [row["timesteps"] for row in rows]
        assert all(np.isfinite(float(row["loss_critic"])) for row in resumed)
    record = json.loads((FOLDER / "hangs" / "config.json").read_text())["run"]
    assert (record["max_lag"], record["privileged"]) == (1, "get_state")
    refused = train("hangs", "--resume")
    assert refused.code == 2
    assert "the run to resume has max_lag 1, not 0" in refused.err
    cannot = train("raises", "--overwrite", fault="raises", at=1)
    assert cannot.code == 70
    assert cannot.err.startswith("environment 0 of gymnasium:simulators:Lights-v0 cannot step")
