"""Pages of runs: what they hold, that they need nothing else, and that they work in a browser."""

import html.parser
import importlib.util
import json
import pathlib
import shlex
from typing import Any

import numpy as np
import pytest

import report
from adqn_jax import envs
from adqn_jax.results import experiment
from adqn_jax.results.load import load
from browser import PATIENCE, browser, complaints, requests
from policies import save
from runs import ROOT, call, write_run
from support import chosen, options
from support.reports import contents, episodes, page, repeat

RESULTS = ROOT / "docs" / "results"
WILD = "<img src=x onerror=document.title='got' >{{style}}&"


class Page(html.parser.HTMLParser):
    """A page's elements, with their attributes, and its text."""

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._scripts: list[str] = []
        self._within = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_data(self, data: str) -> None:
        """Keep text."""
        (self._scripts if self._within == "script" else self.text).append(data)

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script draws."""
        found: dict[str, Any] = json.loads(self._scripts[0])
        return found

    def those(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def made_up(path: str, returns: list[float], failed: int = 0) -> pathlib.Path:
    """Write a run of two log points, whose first seeds fail; returns fall by 1, 2, ... before."""
    rows = [
        {"seed": seed, "timesteps": timesteps, "eval_return": value - (timesteps == 100) * seed}
        | {"eval_length": 7.25, "failed": int(seed < failed), "training_seconds": timesteps / 10}
        for timesteps in (100, 200)
        for seed, value in enumerate(returns)
    ]
    return write_run(pathlib.Path(path), rows)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the library's megabytes."""
    monkeypatch.setattr(page, "library", lambda: "")


@pytest.mark.usefixtures("own_folder", "short")
def test_the_page_holds_the_numbers() -> None:
    """1, 0 and 0.5 are 0.5 +- 0.5 / sqrt(3); a failed seed is counted and left out."""
    made_up("carflag/adqn/one", [float("nan"), 1, 0, 0.5], failed=1)
    made_up("carflag/dqn/one", [float("nan")] * 2, failed=2)
    done = call(report.main, "carflag/adqn/one", "carflag/dqn/one")
    assert done.code == 0, done.err
    read = Page(pathlib.Path("report.html"))
    dqn, adqn = read.data["runs"]  # in the order of the algorithms
    assert read.data["metrics"] == ["eval_return", "eval_length"]
    assert (adqn["label"], adqn["seeds"], adqn["timesteps"]) == ("adqn", [1, 2, 3], [100, 200])
    assert adqn["values"] == {
        "eval_return": [[0, -2, -2.5], [1, 0, 0.5]], "eval_length": [[7.25] * 3] * 2,
    }  # fmt: skip
    curve = adqn["estimates"]["eval_return"]
    error = 0.5 / np.sqrt(3)
    np.testing.assert_allclose(curve["value"], [-1.5, 0.5])
    np.testing.assert_allclose([curve["low"][1], curve["high"][1]], [0.5 - error, 0.5 + error])
    assert (dqn["seeds"], dqn["estimates"]["eval_return"]) == ([], None)
    cells = [word for word in read.text if word.strip()]
    assert {"0.500", "0.211", "0.789", "all seeds failed", "200"} <= set(cells)
    assert any(c.startswith("python experiments/run.py --env carflag --algo dqn") for c in cells)
    assert "python experiments/report.py carflag/adqn/one carflag/dqn/one" in cells


@pytest.mark.usefixtures("own_folder", "short")
def test_settings_that_differ() -> None:
    """What differs between runs stands apart from what all have."""
    made_up("carflag/dqn/one", [1.0])
    write_run(pathlib.Path("carflag/dqn/two"), [_row()], history="lstm")
    folders = [pathlib.Path("carflag", "dqn", name) for name in ("one", "two")]
    read = contents.read(folders, (), "mean", None)
    assert read.labels == ["dqn, one", "dqn, two"]
    differs, same = contents.differing([run.settings for run in read.runs])
    assert differs == {"network.history": ["gru", "lstm"]}
    assert same["hyper.discount"] == 0.99
    assert contents.differing([{"a": 1, "b": 2}, {"a": 1, "c": [3]}, {"b": 3}]) == (
        {"b": [2, None, 3]},
        {"a": 1, "c": [3]},
    )


def _row() -> dict[str, Any]:
    return {"seed": 0, "timesteps": 100, "eval_return": 1.0}


@pytest.mark.usefixtures("own_folder", "short")
def test_nothing_is_asked_for_and_names_are_text() -> None:
    """Every address is in the page, browsers may load no other; a run's name is only a name."""
    made_up(f"carflag/dqn/{WILD}", [1.0, 2.0])
    made_up("carflag/dqn/tame", [1.0])
    folder = pathlib.Path("carflag/dqn", WILD)
    config = json.loads((folder / "config.json").read_text())
    config["run"]["env"] = f"</script>{WILD}"
    (folder / "config.json").write_text(json.dumps(config))
    to = pathlib.Path("report.html")
    assert call(report.main, str(folder), "carflag/dqn/tame").code == 0
    read = Page(to)
    assert read.those("img") == read.those("link") == read.those("iframe") == []
    assert not [a for _, a in read.elements if any(name.startswith("on") for name in a)]
    addresses = [a[name] for _, a in read.elements for name in ("src", "href") if name in a]
    assert addresses
    assert all(str(address).startswith(("#", "data:")) for address in addresses)
    (policy,) = [str(a["content"]) for a in read.those("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'")
    assert not any(word in to.read_text() for word in ("@import", "url("))
    assert read.data["runs"][1]["env"] == f"</script>{WILD}"
    assert f"</script>{WILD}" in read.text  # the panel's heading


def test_the_library_stays_in_its_element() -> None:
    """It holds no end of a script, and draws what we ask it for."""
    library = page.library()
    assert "</script" not in library
    assert "Plotly" in library


@pytest.mark.parametrize(
    "run",
    ["value/carflag/dqn/rainbow", "actor-critic/foraging/reinforce/book",
     "heavenhell-3/adqn/one-step", "memory-four-rooms-7x7/adqn-vr/pairs-annealed",
     "imitation/heavenhell-3-a2d-q/entropy-weight=0.1,max-kl=0.01"],
)  # fmt: skip
def test_the_command_repeats_the_run(run: str) -> None:
    """What it says is, read by run.py, the very experiment."""
    read = experiment.read(RESULTS / run)
    python, script, *words = shlex.split(repeat.command(read))
    assert (python, script) == ("python", "experiments/run.py")
    args = options.parse(words)
    again = chosen.experiment(args, envs.make(args.env)[0])
    assert again.settled() == read.settled()


@pytest.mark.usefixtures("own_folder")
def test_the_command_names_the_expert() -> None:
    """Of whose file the record has a digest: with that file in its place it is the same run."""
    repeat.EXPERT.write_bytes(b"a policy")
    args = options.parse(["--algo", "ail", "--expert", str(repeat.EXPERT)])
    env = envs.make(args.env)[0]
    run = chosen.experiment(args, env)
    words = shlex.split(repeat.command(run))[2:]
    assert chosen.experiment(options.parse(words), env).settled() == run.settled()


@pytest.mark.usefixtures("own_folder", "short")
def test_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed in the middle plays; a film that is too large is left out, its moments stay."""
    monkeypatch.setattr(episodes, "FRAMES", 3)
    folder = made_up("heavenhell-1/adqn/one", [5.0, 1.0, 3.0, 4.0])
    assert episodes.typical(load(folder)) is None
    (folder / "policy").mkdir()
    for seed in (0, 1, 2):
        save(folder / "policy" / f"seed-{seed:03d}.npz", "adqn", "heavenhell-1")
    assert episodes.typical(load(folder)) == 2
    assert call(report.main, str(folder)).code == 0
    read = Page(pathlib.Path("report.html"))
    kinds = [str(a["src"]).partition(";")[0] for a in read.those("img")]
    assert kinds == ["data:image/gif", "data:image/png"]
    assert pathlib.Path("report.html").stat().st_size < episodes.BYTES * 4 / 3 + 100_000
    assert call(report.main, str(folder), "--films", "0").code == 0
    assert Page(pathlib.Path("report.html")).those("img") == []
    monkeypatch.setattr(episodes, "BYTES", 10_000)
    monkeypatch.setattr(episodes, "strip", lambda scene, steps: episodes.film(scene, steps=[0])[0])
    played = episodes.play(load(folder), 0)
    assert (played.seed, played.film) == (2, b"")
    assert played.moments.startswith(b"\x89PNG")


@pytest.mark.usefixtures("own_folder", "short")
def test_why_there_is_no_episode() -> None:
    """A policy that is broken, or an environment without a picture, is a sentence on the page."""
    folder = made_up("carflag/dqn/one", [1.0])
    (folder / "policy").mkdir()
    (folder / "policy" / "seed-000.npz").write_text("nothing")
    assert call(report.main, str(folder)).code == 0
    assert any("holds no policy" in text for text in Page(pathlib.Path("report.html")).text)


@pytest.mark.usefixtures("own_folder", "short")
def test_bad_input() -> None:
    """One sentence, exit code 2, and no page."""
    made_up("carflag/dqn/one", [1.0])
    made_up("carflag/adqn/one", [1.0])
    made_with = pathlib.Path("carflag/adqn/one/config.json")
    made_with.write_text(json.dumps({"run": json.loads(made_with.read_text())["run"]}))
    for words, message in {
        "": "name at least one run folder",
        "carflag/dqn/one --to t.txt": "--to must end in .html, got t.txt",
        "carflag/dqn": "carflag/dqn holds no run",
        "carflag/dqn/one carflag/dqn/../dqn/one": "name each run folder once",
        "carflag/dqn/one --metrics joy": "has no metric 'joy'",
        "carflag/dqn/one --statistic iqm --interval stderr": "with iqm use --interval bootstrap",
        "carflag/dqn/one --films -1": "films must be at least 0",
        "carflag/adqn/one": "config.json is not what run.py writes",
    }.items():
        refused = call(report.main, *words.split())
        assert (refused.code, message in refused.err) == (2, True), refused
        assert len(refused.err.splitlines()) == 1
    assert not list(pathlib.Path().glob("*.html"))


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library that draws, a sentence names the extra that brings it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    refused = call(report.main, "carflag/dqn/one")
    assert refused.code == 2
    assert "the package plotly is not installed: pip install 'adqn-jax[report]'" in refused.err


@pytest.mark.usefixtures("own_folder")
def test_in_a_browser(tmp_path: pathlib.Path) -> None:
    """It opens as a file, asks for nothing, and curves, filters, tables and hovering work."""
    wild, tame = (
        made_up(f"carflag/dqn/{WILD}", [0.125, 0.625, 1.0]),
        made_up("carflag/dqn/tame", [2, 3, 5]),
    )
    names = [f"dqn, {WILD}", "dqn, tame"]
    to = tmp_path / "page.html"
    assert call(report.main, str(wild), str(tame), "--to", str(to)).code == 0
    with browser(tmp_path / "profile") as chromium:
        shown = Shown(chromium)
        chromium.get(to.as_uri())
        assert chromium.title == "2 runs on carflag"
        curves, centres = shown.curves(), shown.centres()
        assert (len(curves), len(centres)) == (2 * (1 + 3), 2)  # two runs: seeds, and their means
        shown.click("#seeds input[value='0']")
        assert len(shown.curves()) == 2 * (1 + 2)
        assert not set(shown.centres()) & set(centres)  # they are the means of the seeds left
        said = shown.hover("centre", run=0, point=1)
        assert said == f"{names[0]} mean of 2 seeds: 0.8125 (0.625 to 1) 200 timesteps"
        said = shown.hover("seed", run=1, point=0, seed=2)
        assert said == "dqn, tame seed 2: 3 100 timesteps"  # as metrics.csv has it: 5 - 2
        shown.click("#seeds [data-none]")
        assert shown.curves() == []
        shown.click("#seeds [data-all]")
        assert shown.curves() == curves
        shown.click("#runs input[value='1']")
        assert (len(shown.curves()), shown.rows()) == (1 + 3, names[:1])
        shown.click("#runs [data-all]")
        assert shown.rows() == names
        shown.click("#final th:nth-child(6) button")  # by final performance, up and down
        assert shown.rows() == names
        shown.click("#final th:nth-child(6) button")
        assert shown.rows() == names[::-1]
        shown.choose("metric", "eval_length")
        assert "mean of 3 seeds: 7.25 (7.25 to 7.25)" in shown.hover("centre", run=1, point=0)
        bright = shown.ink()
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        shown.wait(lambda: shown.ink() != bright)
        assert complaints(chromium) == []
        assert requests(chromium) == [to.as_uri()]
        assert chromium.title == "2 runs on carflag"  # no name has become a script


class Shown:
    """What a browser shows of a page."""

    def __init__(self, chromium: Any):
        self._chromium = chromium

    def _ask(self, script: str, *args: object) -> Any:
        return self._chromium.execute_script(f"return {script}", *args)

    def wait(self, condition: Any) -> None:
        """Wait until something is so."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self._chromium, PATIENCE).until(lambda _: condition())

    def click(self, selector: str) -> None:
        """Click."""
        self._ask("document.querySelector(arguments[0]).click()", selector)

    def choose(self, menu: str, value: str) -> None:
        """Choose from a menu."""
        self._chromium.find_element("css selector", f"#{menu} option[value='{value}']").click()

    def curves(self) -> list[str]:
        """Return the lines that are drawn, intervals left out, as paths of SVG."""
        return self._paths("!== 'interval'")

    def centres(self) -> list[str]:
        """Return those of what seeds have in common."""
        return self._paths("=== 'centre'")

    def _paths(self, which: str) -> list[str]:
        script = (
            "[...document.querySelectorAll('#plot-0 .scatterlayer .trace')].filter((line) => "
            f"line.__data__[0].trace.meta.what {which})"
            ".map((line) => line.querySelector('path.js-line').getAttribute('d'))"
        )
        found: list[str] = self._ask(script)
        return found

    def rows(self) -> list[str]:
        """Return the names of runs in the rows of the table that is shown."""
        script = (
            "[...document.querySelectorAll('#final [data-metric]:not([hidden]) tbody "
            "tr:not([hidden]) .name')].map((cell) => cell.textContent.trim())"
        )
        found: list[str] = self._ask(script)
        return found

    def ink(self) -> str:
        """Return the colour of what is written at an axis."""
        script = "getComputedStyle(document.querySelector('#plot-0 .xtick text')).fill"
        return str(self._ask(script))

    def hover(self, what: str, run: int, point: int, seed: int | None = None) -> str:
        """Move the mouse to a point of a curve; return what is then said of it."""
        from selenium.webdriver.common.action_chains import ActionChains

        script = """(([what, run, point, seed]) => {
          const plot = document.getElementById("plot-0"), {xaxis, yaxis} = plot._fullLayout;
          const line = plot.data.find(({meta}) =>
            meta.what === what && meta.run === run && (seed === null || meta.seed === seed));
          plot.scrollIntoView({block: "center"});
          const box = plot.getBoundingClientRect();
          return [box.x + xaxis._offset + xaxis.d2p(line.x[point]),
                  box.y + yaxis._offset + yaxis.d2p(line.y[point])];
        })(arguments[0])"""
        x, y = self._ask(script, [what, run, point, seed])
        away = ActionChains(self._chromium)
        away.w3c_actions.pointer_action.move_to_location(2, 2)
        away.perform()
        self.wait(lambda: not self._said())
        chain = ActionChains(self._chromium)
        chain.w3c_actions.pointer_action.move_to_location(round(x) - 2, round(y))
        chain.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        chain.perform()
        self.wait(self._said)
        return self._said()

    def _said(self) -> str:
        script = (
            "[...document.querySelectorAll('#plot-0 .hoverlayer .hovertext text tspan.line')]"
            ".map((line) => line.textContent).join(' ')"
        )
        return str(self._ask(script))
