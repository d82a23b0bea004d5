"""experiments/theory.py, at a reduced size."""

import csv
import os
import pathlib
import subprocess
import sys

import matplotlib.image

import theorems

SCRIPT = pathlib.Path(__file__).parents[2] / "experiments" / "theory.py"


def call(*words: str, cwd: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run it as a user does; compiled in a hurry, as it runs for seconds."""
    flags = os.environ["XLA_FLAGS"] + " --xla_backend_optimization_level=0"
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words], cwd=cwd, capture_output=True, text=True, check=False,
        env=os.environ | {"XLA_FLAGS": flags},
    )  # fmt: skip


def test_everything_holds(tmp_path: pathlib.Path) -> None:
    """The table, with every bound kept, the pictures and the training run."""
    short = ("--episodes", "400", "--seeds", "2", "--corridor", "1", "--timesteps", "25000")
    done = call(*short, "--training-seeds", "1", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "DOES NOT HOLD" not in done.stdout
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    bounded = [row for row in rows if row["bound"]]
    assert len(bounded) >= 14
    assert all(float(row["error"]) <= float(row["bound"]) for row in bounded)
    names = {row["statement"].split(" (")[0] for row in rows}
    assert {"Lemmas 3.1-3.3", "Lemma 4.2", "API", "AAVI", "AQL", "trained network"} <= names
    for picture in ("convergence.png", "training.png"):
        assert matplotlib.image.imread(tmp_path / "out" / picture).std() > 0
    with (tmp_path / "out" / "training.csv").open() as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"0"}


def test_bad_arguments(tmp_path: pathlib.Path) -> None:
    """One sentence, and nothing is written."""
    done = call("--episodes", "0", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: episodes")
    assert not list(tmp_path.iterdir())


def test_a_check_can_fail() -> None:
    """An error above its bound does not hold, and NaN neither."""
    for error, bound, holds in ((1.0, 2.0, True), (3.0, 2.0, False), (float("nan"), 2.0, False)):
        assert theorems.Check("", "", error, bound).holds == holds
    assert theorems.Check("", "", 3.0, None).holds
