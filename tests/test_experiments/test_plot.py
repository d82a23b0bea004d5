"""Figures of run folders."""

import dataclasses
import itertools
import pathlib
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_hex

import plot
from adqn_jax.results import figures
from adqn_jax.results.load import by_env, load
from runs import call, write_run
from support import paper


def made_up(
    folder: pathlib.Path, value: float, observe: str = "observation", history: str = "gru"
) -> pathlib.Path:
    """Write twenty log points of three seeds, all of them near `value`."""
    rows = [
        {"seed": s, "timesteps": 10 * t, "eval_return": value + s + t / 100, "eval_length": 7}
        for t in range(20)
        for s in range(3)
    ]
    return write_run(folder, rows, observe, history=history)


@pytest.fixture
def folders(tmp_path: pathlib.Path) -> list[pathlib.Path]:
    """Two algorithms on two environments, not in the paper's order, and two bounds on one."""
    runs = itertools.product(("carflag", "heavenhell-3"), ("dqn", "adqn"))
    made = [made_up(tmp_path / e / a / "x", float(i)) for i, (e, a) in enumerate(runs)]
    bounds = tmp_path / "carflag" / "dqn"
    made.append(made_up(bounds / "memoryless", -1, history="none"))
    made.append(made_up(bounds / "state", 2, observe="state", history="none"))
    return made


def test_results_are_read(folders: list[pathlib.Path]) -> None:
    """Curves, final performance over the last tenth, kinds; the paper's order of environments."""
    loaded = [load(folder) for folder in folders]
    assert [run.kind for run in loaded] == ["agent"] * 4 + ["memoryless", "fully observing"]
    np.testing.assert_allclose(loaded[1].values[3], [1.03, 2.03, 3.03])
    np.testing.assert_array_equal(loaded[1].timesteps, 10.0 * np.arange(20))
    np.testing.assert_allclose(loaded[1].final, np.array([1.0, 2.0, 3.0]) + (0.18 + 0.19) / 2)
    panels = by_env(loaded, first=paper.ENVS)
    assert list(panels) == ["heavenhell-3", "carflag"]
    assert [run.algo for run in panels["carflag"]][:3] == ["dqn"] * 3


def test_failed_seeds_are_left_out(tmp_path: pathlib.Path) -> None:
    """A seed whose numbers ran away at the end does not spoil the others; all may have."""
    folder = made_up(tmp_path / "carflag" / "dqn" / "x", 1.0)
    metrics = folder / "metrics.csv"
    for broken, left in (({1}, [1.185, 3.185]), ({0, 1, 2}, [])):
        lines = [line for line in metrics.read_text().splitlines() if line]
        head, *rows = (line.split(",")[:4] for line in lines)
        failed = [int(int(r[0]) in broken and float(r[1]) > 100) for r in rows]
        rows = [
            [r[0], r[1], "nan" if f else r[2], r[3], str(f)]
            for r, f in zip(rows, failed, strict=True)
        ]
        metrics.write_text("\n".join(",".join(row) for row in [[*head, "failed"], *rows]) + "\n")
        run = load(folder)
        assert run.failed == len(broken)
        np.testing.assert_allclose(run.final, left)
        figures.curve(folder)
        assert matplotlib.image.imread(folder / "curve.png").std() > 0


def test_one_colour_for_an_algorithm(
    folders: list[pathlib.Path], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A panel for each environment, a curve for each algorithm, dashes for the bounds."""
    drawn: list[Any] = []
    monkeypatch.setattr(
        figures.Figure, "savefig", lambda figure, to, **_: drawn.append(figure) or to.touch()
    )
    figures.draw([load(folder) for folder in folders], tmp_path / "all.png", first=paper.ENVS)
    (figure,) = drawn
    assert [axes.get_title() for axes in figure.axes] == ["heavenhell-3", "carflag"]
    named = [
        {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
        for axes in figure.axes
    ]
    assert set(named[0]) == {"dqn", "adqn"}
    assert set(named[1]) == {"dqn", "adqn", "dqn, memoryless", "dqn, fully observing"}
    for algo in named[0]:
        assert to_hex(named[0][algo].get_color()) == to_hex(named[1][algo].get_color())
    np.testing.assert_allclose(named[1]["adqn"].get_ydata(), 2 + np.arange(20) / 100)
    for label, final in (("dqn, memoryless", 0.185), ("dqn, fully observing", 3.185)):
        assert named[1][label].get_linestyle() == "--"
        np.testing.assert_allclose(named[1][label].get_ydata(), final)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(labels) == sorted(named[1])


@pytest.mark.parametrize(
    "words",
    ["", "--kind bars", "--kind improvement", "--statistic iqm", "--interval bootstrap",
     "--metric eval_length --kind bars"],
)  # fmt: skip
def test_every_kind_is_drawn(
    words: str, folders: list[pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """As a user calls it."""
    to = tmp_path / "figure.png"
    assert call(plot.main, *map(str, folders), "--to", str(to), *words.split()).code == 0
    assert matplotlib.image.imread(to).std() > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "name at least one run folder"),
        ("nowhere", "nowhere holds no run: it has no config.json"),
        ("carflag/dqn/x --metric nothing", "no metric 'nothing'; it has seed, timesteps"),
        ("carflag/dqn/x --statistic iqm --interval stderr", "use --interval bootstrap"),
        ("carflag/dqn/x --kind improvement", "two algorithms to compare, got ['dqn']"),
        ("carflag/dqn/x carflag/dqn/x --kind improvement", "name one run of dqn on carflag"),
    ],
)
def test_bad_input(
    words: str,
    message: str,
    folders: list[pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence on stderr, exit code 2, nothing drawn."""
    monkeypatch.chdir(tmp_path)
    ended = call(plot.main, *words.split())
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert not list(tmp_path.glob("*.png"))


def test_curves_of_one_algorithm_differ(
    folders: list[pathlib.Path], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the points of a sweep do: in style, and when styles are used up in colour."""
    drawn: list[Any] = []
    monkeypatch.setattr(
        figures.Figure, "savefig", lambda figure, to, **_: drawn.append(figure) or to.touch()
    )
    one = load(folders[0])
    points = [dataclasses.replace(one, folder=tmp_path / f"point-{i}") for i in range(8)]
    figures.draw(points, tmp_path / "all.png")
    (axes,) = drawn[0].axes
    looks = {(line.get_linestyle(), to_hex(line.get_color())) for line in axes.lines}
    assert len(looks) == len(points)
