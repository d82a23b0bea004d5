"""Runs compared with a baseline; made-up ones, whose numbers are known by hand."""

import csv
import math
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ahead
from adqn_jax.results import metrics
from adqn_jax.results.estimates import resampled_interval
from runs import call, write_curves

pytestmark = pytest.mark.usefixtures("own_folder")

_SLOW = [[0.0, 0.0], [0.4, 0.6], [0.8, 0.8], [1.0, 1.0]]
_SOON = [[0.4, 0.6], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
_BOTH = "carflag/dqn/one carflag/adqn/one"


def made_up(
    adqn: list[list[float]] = _SOON, seconds_each: float = 1.5, warmup: int = 0,
    dqn: list[list[float]] = _SLOW,
) -> None:  # fmt: skip
    """Write a run of `dqn`, a second for each log point, and one of `adqn`."""
    write_curves("carflag/dqn/one", dqn, 1.0, warmup_timesteps=warmup)
    write_curves("carflag/adqn/one", adqn, seconds_each, warmup_timesteps=warmup)


def rows_of(words: str) -> dict[str, dict[str, str]]:
    """Compare runs; return the table's rows by algorithm."""
    done = call(ahead.main, *words.split())
    assert done.code == 0, done.err
    with pathlib.Path("ahead.csv").open(newline="") as file:
        return {row["algo"]: row for row in csv.DictReader(file)}


def test_timesteps_times_cost() -> None:
    """At 0.9 after 180 timesteps instead of 350, which cost half as much again."""
    made_up()
    assert rows_of(_BOTH)["adqn"] == {
        "env": "carflag", "algo": "adqn", "seeds": "2, 2",
        "difference": "0.000", "low": "0.000", "high": "0.000",
        "goal": "0.900", "timesteps": "180", "baseline": "350",
        "cost": "1.50", "time": "0.77", "least": "0.75", "most": "0.79", "verdict": "sooner",
    }  # fmt: skip
    # An easier goal, 0.4, is reached at the first log point, and after 180.
    easier = rows_of(f"{_BOTH} --share 0.4")["adqn"]
    assert (easier["timesteps"], easier["baseline"], easier["time"]) == ("100", "180", "0.83")


def test_warm_up_costs_nothing() -> None:
    """Of 180 and 350 timesteps the first 100 are of random actions."""
    made_up(warmup=100)
    row = rows_of(_BOTH)["adqn"]
    assert (row["timesteps"], row["baseline"], row["time"]) == ("180", "350", "0.48")


def test_what_a_timestep_costs_comes_from_other_runs() -> None:
    """Those compared had company; with it, or another number of seeds, seconds say little."""
    made_up([[*values, values[0]] for values in _SOON], seconds_each=9.0)
    write_curves("carflag/dqn/quiet", _SLOW[:2], 2.0)
    write_curves("carflag/adqn/quiet", _SOON[:2], 4.0)
    row = rows_of(f"{_BOTH} --costs carflag/dqn/quiet carflag/adqn/quiet")["adqn"]
    assert (row["cost"], row["time"], row["verdict"]) == ("2.00", "1.04", "not shown")
    refused = call(ahead.main, *_BOTH.split())
    assert (refused.code, "name runs with as many by --costs" in refused.err) == (2, True)


def test_who_never_gets_there() -> None:
    """It takes for ever, and ends below where enough seeds say so. A goal of 0 is none."""
    made_up([[0.0, 0.1, 0.0, 0.1]] * 4, dqn=[[x] * 4 for (x, _) in _SLOW])
    row = rows_of(_BOTH)["adqn"]
    assert (row["timesteps"], row["time"], row["verdict"]) == ("", "inf", "ends below, later")
    assert float(row["difference"]) == pytest.approx(-0.95)
    row = rows_of(f"{_BOTH} --baseline adqn")["dqn"]
    assert (row["goal"], row["verdict"]) == ("0.045", "ends above, sooner")
    write_curves("carflag/adqn/none", [[0.0] * 4] * 4, 1.0)
    row = rows_of("carflag/dqn/one carflag/adqn/none --baseline adqn")["dqn"]
    assert (row["goal"], row["time"], row["verdict"]) == ("", "", "ends above")


def test_a_single_seed_shows_nothing() -> None:
    """Its interval is a point."""
    made_up([point[:1] for point in _SOON], dqn=[[0.5 * x] for (x, _) in _SLOW])
    row = rows_of(_BOTH)["adqn"]
    assert (row["difference"], row["least"], row["most"]) == ("0.500", row["time"], row["time"])
    assert row["verdict"] == "not shown"


def test_points_without_a_number() -> None:
    """Before the first episode ends a curve may have none: there is no line from there."""
    made_up([[math.nan, math.nan], *_SOON[1:]])
    assert rows_of(_BOTH)["adqn"]["timesteps"] == "200"


def test_seeds_that_failed() -> None:
    """They are left out; of a run without any others nothing can be said."""
    made_up([[0.0, *values] for values in _SOON], dqn=[[0.0, *values] for values in _SLOW])
    for path in _BOTH.split():
        file = pathlib.Path(path, "metrics.csv")
        rows = list(csv.DictReader(file.read_text().splitlines()))
        metrics.write(file, [row | {"failed": int(row["seed"] == "0")} for row in rows])
    row = rows_of(_BOTH)["adqn"]
    assert (row["seeds"], row["timesteps"]) == ("2, 2", "180")
    metrics.write(file, [row | {"failed": 1} for row in rows])
    refused = call(ahead.main, *_BOTH.split())
    assert (refused.code, "all seeds of carflag/adqn/one have failed" in refused.err) == (2, True)


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
    assert {low, high} <= {*mine, *its}
    # A seed, and so the soonest of all, is in more than three fifths of the draws.
    assert low == min(*mine, *its) <= high


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "name at least one run folder"),
        ("carflag/dqn/one --share 0", "share must be in (0, 1), got 0.0"),
        ("carflag/dqn/one --share 1", "share must be in (0, 1), got 1.0"),
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
    made_up()
    write_curves("carflag/dqn/short", _SLOW[:1], 1.0)
    refused = call(ahead.main, *words.split())
    assert (refused.code, message in refused.err) == (2, True), refused
    assert not list(pathlib.Path().glob("ahead.*"))
