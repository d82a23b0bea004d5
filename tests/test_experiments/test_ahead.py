"""Runs compared with a baseline; made-up ones, whose numbers are known by hand."""

import csv
import math
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ahead
from adqn_jax.results.estimates import resampled_interval
from runs import call, write_run

pytestmark = pytest.mark.usefixtures("own_folder")

_SLOW = [[0.0, 0.0], [0.4, 0.6], [0.8, 0.8], [1.0, 1.0]]
_SOON = [[0.4, 0.6], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]


def made_up(
    path: str, returns: list[list[float]], seconds_each: float = 1.0, warmup: int = 0
) -> None:
    """Write a run with a log point every 1,000 timesteps, the seeds' returns there."""
    rows = [
        {"seed": seed, "timesteps": 1_000 * (point + 1), "eval_return": value, "failed": 0}
        | {"training_seconds": seconds_each * (point + 1)}
        for point, values in enumerate(returns)
        for seed, value in enumerate(values)
    ]
    write_run(pathlib.Path(path), rows, warmup_timesteps=warmup)


def rows_of(words: str) -> dict[str, dict[str, str]]:
    """Compare runs; return the table's rows by algorithm."""
    done = call(ahead.main, *words.split())
    assert done.code == 0, done.err
    with pathlib.Path("ahead.csv").open(newline="") as file:
        return {row["algo"]: row for row in csv.DictReader(file)}


def test_timesteps_times_cost() -> None:
    """At 0.9 after 1,800 timesteps instead of 3,500, which cost half as much again."""
    made_up("carflag/dqn/one", _SLOW)
    made_up("carflag/adqn/one", _SOON, seconds_each=1.5)
    assert rows_of("carflag/dqn/one carflag/adqn/one")["adqn"] == {
        "env": "carflag", "algo": "adqn", "seeds": "2, 2",
        "difference": "0.000", "low": "0.000", "high": "0.000",
        "goal": "0.900", "timesteps": "1800", "baseline": "3500",
        "cost": "1.50", "time": "0.77", "least": "0.75", "most": "0.79", "verdict": "sooner",
    }  # fmt: skip
    # An easier goal, 0.4, is reached at the first log point, and after 1,800.
    easier = rows_of("carflag/dqn/one carflag/adqn/one --share 0.4")["adqn"]
    assert (easier["timesteps"], easier["baseline"], easier["time"]) == ("1000", "1800", "0.83")


def test_warm_up_costs_nothing() -> None:
    """Of 1,800 and 3,500 timesteps the first 1,000 are of random actions."""
    made_up("carflag/dqn/one", _SLOW, warmup=1_000)
    made_up("carflag/adqn/one", _SOON, warmup=1_000)
    row = rows_of("carflag/dqn/one carflag/adqn/one")["adqn"]
    assert (row["timesteps"], row["baseline"], row["time"]) == ("1800", "3500", "0.32")


def test_what_a_timestep_costs_comes_from_other_runs() -> None:
    """Those compared had company; with it, or another number of seeds, seconds say little."""
    made_up("carflag/dqn/one", _SLOW)
    made_up("carflag/adqn/one", [[*values, values[0]] for values in _SOON], seconds_each=9.0)
    made_up("carflag/dqn/quiet", _SLOW[:2], seconds_each=2.0)
    made_up("carflag/adqn/quiet", _SOON[:2], seconds_each=4.0)
    both = "carflag/dqn/one carflag/adqn/one"
    row = rows_of(f"{both} --costs carflag/dqn/quiet carflag/adqn/quiet")["adqn"]
    assert (row["cost"], row["time"], row["verdict"]) == ("2.00", "1.04", "not shown")
    refused = call(ahead.main, *both.split())
    assert (refused.code, "name runs with as many by --costs" in refused.err) == (2, True)


def test_who_never_gets_there() -> None:
    """It takes for ever. Who ends higher may still be later; a goal of 0 is none."""
    made_up("carflag/dqn/one", _SLOW)
    made_up("carflag/adqn/one", [[0.0, 0.1]] * 4)
    row = rows_of("carflag/dqn/one carflag/adqn/one")["adqn"]
    assert (row["timesteps"], row["time"], row["verdict"]) == ("", "inf", "not shown")
    assert float(row["difference"]) == pytest.approx(-0.95)
    row = rows_of("carflag/dqn/one carflag/adqn/one --baseline adqn")["dqn"]
    assert (row["goal"], row["verdict"]) == ("0.045", "ends above")
    made_up("carflag/adqn/none", [[0.0, 0.0]] * 4)
    row = rows_of("carflag/dqn/one carflag/adqn/none --baseline adqn")["dqn"]
    assert (row["goal"], row["time"], row["verdict"]) == ("", "", "ends above")


@given(
    st.lists(st.floats(0.1, 100.0), min_size=1, max_size=6),
    st.lists(st.just(math.inf) | st.floats(0.1, 100.0), min_size=1, max_size=6),
)
def test_intervals_are_of_numbers_that_occur(mine: list[float], its: list[float]) -> None:
    """Of the least time over resampled seeds: no end is a mean of a number and infinity."""
    one, other = np.array(mine), np.array(its)

    def soonest(own: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.asarray(np.minimum(one[own].min(-1), other[others].min(-1)))

    low, high = resampled_interval((one.size, other.size), soonest)
    assert low <= high
    assert {low, high} <= {*mine, *its}
    assert low == min(*mine, *its) or min(*mine, *its) < low


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "name at least one run folder"),
        ("carflag/dqn/one --share 0", "share must be in (0, 1], got 0.0"),
        ("carflag/dqn/one --share 1.1", "share must be in (0, 1], got 1.1"),
        ("carflag/dqn/one --to a.png", "--to must end in .csv or .md"),
        ("carflag/dqn/one", "there is no run of another algorithm than dqn"),
        ("carflag/adqn/one", "there is no run of dqn on carflag"),
        ("carflag/dqn/one carflag/dqn/one", "name one run of dqn on carflag"),
        ("carflag/dqn/one carflag/adqn/one --costs carflag/dqn/one", "--costs has no run of adqn"),
        ("carflag/dqn/short carflag/adqn/one", "short has one log point"),
    ],
)  # fmt: skip
def test_bad_input(words: str, message: str) -> None:
    """One sentence, exit code 2, and no table."""
    made_up("carflag/dqn/one", _SLOW)
    made_up("carflag/adqn/one", _SOON)
    made_up("carflag/dqn/short", _SLOW[:1])
    refused = call(ahead.main, *words.split())
    assert (refused.code, message in refused.err) == (2, True), refused
    assert not list(pathlib.Path().glob("ahead.*"))
