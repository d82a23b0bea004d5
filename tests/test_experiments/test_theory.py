"""experiments/theory.py, at a reduced size."""

import csv
import pathlib
import re

import matplotlib.image
import pytest

import theory
from runs import ROOT, call
from support import theorems


@pytest.mark.usefixtures("own_folder")
def test_everything_holds(tmp_path: pathlib.Path) -> None:
    """The table, with every bound kept, the pictures and the training run."""
    short = ("--episodes", "400", "--seeds", "2", "--corridor", "1", "--timesteps", "9000")
    done = call(theory.main, *short, "--training-seeds", "1", "--out", "out")
    assert done.code == 0, done.err
    assert "DOES NOT HOLD" not in done.out
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    bounded = [row for row in rows if row["bound"]]
    assert len(bounded) >= 14
    assert all(float(row["error"]) <= float(row["bound"]) for row in bounded)
    names = {row["statement"].split(" (")[0] for row in rows}
    assert {"Lemmas 3.1-3.3", "Lemma 4.2", "API", "AAVI", "AQL", "trained network"} <= names
    assert {"Q*(h,a)=Q*(b,a)", "overestimation", "imitation", "A2D, Theorem 3"} <= names
    for row in rows:
        assert row["statement"] in done.out
        assert row["checked"] in done.out
    for picture in ("convergence.png", "overestimation.png", "training.png"):
        assert matplotlib.image.imread(tmp_path / "out" / picture).std() > 0
    with (tmp_path / "out" / "training.csv").open() as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"0"}


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--episodes 0", "error: episodes"),
        ("--timesteps 3000000000", "counted up to 2^31: lower total_timesteps"),
        ("--corridor 100000", "heavenhell"),
    ],
)
def test_bad_arguments(
    words: str, message: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, before anything is computed or written."""
    monkeypatch.delattr(theorems, "learn")
    done = call(theory.main, *words.split())
    assert (done.code, message in done.err) == (2, True), done.err
    assert not list(tmp_path.iterdir())


def test_a_check_can_fail() -> None:
    """An error above its bound does not hold, and NaN neither."""
    for error, bound, holds in ((1.0, 2.0, True), (3.0, 2.0, False), (float("nan"), 2.0, False)):
        assert theorems.Check("", "", error, bound).holds == holds
    assert theorems.Check("", "", 3.0, None).holds


def test_example_of_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    """It runs as printed, and prints what it says."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs/theory.md").read_text(), re.DOTALL)
    exec(compile("".join(examples), "docs/theory.md", "exec"), {})
    said = re.findall(r"^print.*# (.*)$", "".join(examples), re.MULTILINE)
    assert capsys.readouterr().out.split() == said == ["0.8687", "19.37"]


def test_the_docs_show_what_was_found() -> None:
    """Every row of the committed table is in the docs, and is what theory.py would check."""
    docs = (ROOT / "docs/theory.md").read_text().replace("\\|", "|")
    with (ROOT / "docs/results/theory/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert f"| {row['statement']} | {row['checked']} | {float(row['error']):.2g} |" in docs
