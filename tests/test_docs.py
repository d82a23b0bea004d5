"""The pages of docs/ and the README: links lead somewhere, code runs, tables are complete."""

import csv
import importlib
import json
import math
import pathlib
import re
import sys
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import claims
from adqn_jax import (
    ALGORITHMS,
    actor_critic,
    envs,
    host,
    imitation,
    make_policy,
    make_train,
    make_trainer,
    save_policy,
)
from adqn_jax.envs.secrets import Secret
from adqn_jax.results import ahead, courses, experiment, metrics, tables
from adqn_jax.results.estimates import chance_of_more, estimate, standard_error
from adqn_jax.results.load import load
from adqn_jax.runs.records import Records
from policies import teacher
from settings import imitating, on_policy, small
from support import measures, paper, presets
from support.benchmarks import growth, peers

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
EXAMPLE = DOCS / "examples" / "tmaze.py"
SHELLS = DOCS / "examples" / "shells.py"


def prose(page: pathlib.Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def raw(protocol: str) -> list[pathlib.Path]:
    """Return the folders of raw data behind a table of docs/figure1.md."""
    return sorted((DOCS / "results").glob(f"*/*/{protocol}"))


def won_since(raw: pathlib.Path) -> str:
    """Return the timestep from which on every seed wins at every log point; "" if there is none."""
    rows = metrics.read(raw)
    timesteps = rows["timesteps"][:, 0]
    lost = np.flatnonzero(~metrics.solved(rows["eval_success"]).all(1))
    first = lost[-1] + 1 if len(lost) else 0
    return f"{timesteps[first]:,.0f}" if first < len(timesteps) else ""


def code(page: str) -> str:
    """Return all blocks of Python of a page."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))


def cells(page: str, heading: str) -> list[str]:
    """Return what stands in quotes in the first column of the table below a heading's cell."""
    (table,) = re.findall(rf"^\| {heading} \|.*?(?:\n\n|\Z)", page, re.DOTALL | re.MULTILINE)
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def anchors(page: pathlib.Path) -> set[str]:
    """Return those that GitHub and the site make alike of a page's headings: ASCII ones."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    words = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {each.replace(" ", "-") for each in words if each.isascii() and "  " not in each}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: pathlib.Path) -> None:
    """Every relative link names a file and a heading; what functions it names are in the file."""
    links = re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", prose(page))
    for text, target in links:
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), target
        if match := re.fullmatch(r"`(\w+)\.(\w+)`", text):
            assert file.stem == match[1], text
            named = re.compile(rf"^(?:def |class |){match[2]}\b", re.MULTILINE)
            assert match[2] == "py" or named.search(file.read_text()), f"{text} in {page.name}"


def test_readme_links_every_page() -> None:
    """No page is only to be found by those who look into the folder."""
    readme = (ROOT / "README.md").read_text()
    pages = [page.relative_to(ROOT) for page in PAGES]
    assert [page for page in pages if f"]({page}" not in readme + "](README.md"] == []


def test_every_command_is_listed() -> None:
    """docs/commands.md says what each is for."""
    page = (DOCS / "commands.md").read_text()
    commands = [path.name for path in (ROOT / "experiments").glob("*.py")]
    assert [name for name in commands if f"[`{name}`](../experiments/{name})" not in page] == []


def test_embedding() -> None:
    """The blocks of the page are one program."""
    exec(compile(code("embedding.md"), "embedding.md", "exec"), {"__name__": "embedding"})


def test_environments_of_others() -> None:
    """The blocks of the page are one program, too."""
    page = "environments.md"
    exec(compile(code(page), page, "exec"), {"__name__": "environments"})


def test_acting_with_a_policy(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of getting-started.md, with a policy that has learnt nothing."""
    monkeypatch.chdir(tmp_path)
    env, params = envs.make("carflag")
    config = small(row_length=0, buffer_timesteps=2000, warmup_timesteps=700)
    trainer = make_trainer(config, env, params)
    rows = jax.eval_shape(trainer.init, jax.random.key(0)).agent.params
    policy = make_policy(config, env, params, jax.tree.map(lambda x: np.zeros(x.shape), rows), {})
    path = pathlib.Path("runs/carflag/adqn-vr/default/policy/seed-000.npz")
    path.parent.mkdir(parents=True)
    save_policy(path, policy)
    names: dict[str, Any] = {}
    exec(compile(code("getting-started.md"), "getting-started.md", "exec"), names)
    assert names["values"].shape == (7,)


def test_a_simulator_of_gymnasium(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of gymnasium.md are one program, which begins with the file it names."""
    monkeypatch.chdir(tmp_path)
    page = code("gymnasium.md")
    assert page.startswith(SHELLS.read_text())
    monkeypatch.syspath_prepend(str(SHELLS.parent))
    env, params = envs.make("gymnasium:shells:Shells-v0")
    assert params.max_steps_in_episode == 10
    gymnasium.registry.pop("Shells-v0")  # the page registers it, too
    config = small(history="none", row_length=0)
    runner = host.HostRunner(make_trainer(config, env, params), 1, config.hyper)
    rows = runner.seed_shapes.agent.params
    policy = make_policy(config, env, params, jax.tree.map(lambda x: np.zeros(x.shape), rows), {})
    path = pathlib.Path("runs/gymnasium_shells_Shells-v0/adqn-vr/default/policy/seed-000.npz")
    path.parent.mkdir(parents=True)
    save_policy(path, policy)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(page, "gymnasium.md", "exec"), names)
    assert names["over"]
    assert names["earned"] in (0.0, 1.0)


def test_table_of_gymnasium() -> None:
    """It is what the raw data say."""
    folders = sorted((DOCS / "results" / "gymnasium").glob("*/*/60k"))
    table = tables.markdown(tables.summary([load(folder) for folder in folders]))
    assert table in (DOCS / "gymnasium.md").read_text()


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The environment of adding-an-environment.md, found as its page says."""
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    yield envs.make("import:tmaze:TMaze")[0]
    sys.modules.pop("tmaze", None)


def test_the_example_is_the_page_s(example: Any) -> None:
    """The page shows the file as it is; nobody says that two of its objects behave alike."""
    assert EXAMPLE.read_text() == code("adding-an-environment.md")
    assert importlib.import_module("tmaze").TMaze() != example
    assert len({example, importlib.import_module("tmaze").TMaze(), example}) == 2


def test_the_example_keeps_the_contract(example: Any) -> None:
    """Who follows the sign earns 1; observing again repeats; elements lie in their spaces."""
    params = example.default_params
    for seed in range(4):
        observation, state = example.reset_env(jax.random.key(seed), params)
        side = int(observation)
        for action in [0] * example.length + [1 + side]:
            assert example.observation_space(params).contains(observation)
            known = example.privileged_state(state, params)
            assert example.privileged_state_space(params).contains(known)
            assert int(known) == side * (example.length + 1) + int(state.position)
            assert int(example.observe(jax.random.key(9), state, None, params)) == int(observation)
            observation, state, reward, terminated, info = example.step_env(
                jax.random.key(1), state, jnp.int32(action), params
            )
            assert bool(terminated) == (action > 0)
        assert (float(reward), bool(info["success"])) == (1.0, True)
    for action in (1 + side, 2 - side):  # at once, or to the other side
        _, state = example.reset_env(jax.random.key(3), params)
        _, _, reward, terminated, _ = example.step_env(
            jax.random.key(1), state, jnp.int32(action), params
        )
        assert (float(reward), bool(terminated)) == (-1.0, True)


def test_the_example_trains(example: Any) -> None:
    """For a few steps; U learns from the privileged state."""
    config = small("adqn-state-vr", history="none", row_length=0)  # quick to compile
    train = jax.jit(make_train(config, example, example.default_params))
    state, metrics = train(jax.random.key(0))
    assert int(metrics["updates"][-1]) > 0
    assert np.isfinite(metrics["loss_u"]).all()
    assert not metrics["failed"].any()
    assert int(state.iteration) > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("import:nothing:TMaze", "cannot import TMaze from nothing: No module named 'nothing'"),
        ("import:adqn_jax.envs:TMaze", "cannot import TMaze from adqn_jax.envs"),
        ("import:os:abort", "os:abort must be a class derived from PrivilegedEnvironment"),
        (
            "import:adqn_jax.envs:PrivilegedEnvironment",
            "must be a class derived from PrivilegedEnvironment",
        ),
        ("import:adqn_jax.envs.finite:FinitePOMDP", "FinitePOMDP must be made without arguments"),
        ("import:.finite:FinitePOMDP", "unknown environment"),
    ],
)
def test_no_such_environment(name: str, message: str) -> None:
    """One sentence says what was wrong; nothing but a class of environments is called."""
    with pytest.raises(ValueError, match=message):
        envs.make(name)


def test_every_column_has_a_formula(tmp_path: pathlib.Path) -> None:
    """metrics.md lists what runs of all algorithms and choices write, and nothing else."""
    written = set()
    configs: list[Any] = [*map(small, ALGORITHMS), small("dqn", replay="prioritised")]
    configs += [small("dqn", recall_weight=0.1, belief_weight=0.1)]
    whole: Any = {"histories": "whole", "steps_per_iteration": 0}
    configs += [on_policy(algorithm, **whole) for algorithm in actor_critic.ALGORITHMS]
    given = {"ail": teacher("heavenhell-1"), "dagger": teacher("heavenhell-1")}
    configs += [on_policy("ppo-asym", belief_weight=0.1)]
    configs += [imitating(algorithm) for algorithm in imitation.ALGORITHMS]
    configs += [imitating("a2d", advantage="q")]
    for config in configs:
        expert, encodes = given.get(config.algorithm), config.algorithm == "pre-encoder"
        env = envs.make("tigerdoor-1" if encodes else "heavenhell-1")
        trainer = make_trainer(config, *env, expert)
        state = jax.eval_shape(trainer.init, jax.random.key(0))
        shapes = jax.eval_shape(lambda s, t=trainer: t.evaluate(s, t.config.hyper), state)
        records = Records([tmp_path], 2)
        records.add({name: np.zeros(2, x.dtype) for name, x in shapes.items()}, 0.0)
        written |= set(records.rows()[0])
    written |= set(host.METRICS)
    page = (DOCS / "metrics.md").read_text().split("## Diagnostics")[0]
    documented = cells(page, "column")
    assert len(documented) == len(set(documented))
    assert set(documented) == written


def test_every_measure_has_a_formula() -> None:
    """metrics.md lists what diagnose.py writes, and nothing else."""
    rng = np.random.default_rng(0)
    shape = (4, 3)
    episodes = measures.Episodes(
        states=rng.integers(0, 2, shape), observations=np.eye(3, dtype=int)[[1, 1, 1, 1]],
        action=np.zeros(shape, int), reward=np.ones(shape), valid=np.ones(shape, bool),
        values={
            name: np.zeros((*shape, 2)) for name in ("Q(h,a)", "U(h,s,a)", "pi(a|h)")
        } | {name: np.zeros(shape) for name in ("V(h,s)", "mu(h)", "sigma(h)")},
        memory=rng.normal(size=(*shape, 5)),
    )  # fmt: skip
    secret = Secret(hidden=lambda state: state, told=lambda observation: observation == 1)
    page = (DOCS / "metrics.md").read_text().split("## Diagnostics")[1]
    assert set(cells(page, "measure")) == set(measures.measure(episodes, secret))
    by_step = {"seed"} | set(measures.values_by_step(episodes, 0.9)[0])
    assert set(cells(page, "column")) == by_step


@pytest.mark.parametrize("protocol", ["fast", "one-step"])
def test_tables_of_figure1(protocol: str) -> None:
    """What is written of final performance and of the claims is what the raw data say."""
    page = (DOCS / "figure1.md").read_text()
    folders = raw(protocol)
    rows = tables.summary([load(folder) for folder in folders], first=paper.ENVS)
    assert tables.markdown(rows) in page
    lines = tables.markdown(claims.table(folders, "eval_return")).splitlines()[2:]
    told = [_without_chance(line) for line in lines]
    written = [_without_chance(line) for line in re.findall(r"^\| [a-e] \|.*", page, re.MULTILINE)]
    at = 0 if protocol == "fast" else len(written) - len(told)
    assert written[at : at + len(told)] == told


def test_ahead_of_dqn() -> None:
    """Who is ahead of `dqn` at equal time, by raw data and what a timestep costs in quiet runs."""
    costs = sorted((DOCS / "results" / "costs").glob("*/*/fast"))
    for folder in costs:
        run, env = experiment.read(folder), folder.parent.parent.name
        preset = presets.preset("fast", env, folder.parent.name)
        shortened = {"total_timesteps": run.config.train.total_timesteps, "log_every": 10_000}
        assert run.config == preset.replace(**shortened), folder
    rows = ahead.compare(raw("fast"), "eval_return", "dqn", 0.9, costs, first=paper.ENVS)
    page = (DOCS / "figure1.md").read_text()
    written = re.findall(r"^\| \S+ \| \S+ \| \d+, \d+ \|.*", page, re.MULTILINE)
    # Without the ends of differences, which versions of SciPy sample differently.
    written = [cells[:4] + cells[6:] for cells in (line[2:-2].split(" | ") for line in written)]
    assert written == [
        [str(value) for name, value in row.items() if name not in ("low", "high")] for row in rows
    ]


def test_sixty_seeds_of_carflag() -> None:
    """How many solve it, what they end at, and how often chance gives as much."""
    runs = []
    for algo in ("adqn-vr", "dqn"):
        folder = DOCS / "results" / "carflag" / algo / "sixty-seed-22"
        run = experiment.read(folder)
        assert (run.seed, run.seeds) == (22, 60)
        assert run.config == presets.preset("fast", "carflag", algo)
        runs.append((load(folder).final, metrics.solved(load(folder, "eval_success").final)))
    (ours, ours_won), (others, others_won) = runs
    page = re.sub(r"\s+", " ", (DOCS / "figure1.md").read_text())
    assert f"{ours_won.sum()} and {others_won.sum()} solve it" in page
    assert f"and end at {ours.mean():.2f} and {others.mean():.2f} (" in page
    assert f"p = {chance_of_more(ours, others):.4f})" in page


@pytest.mark.parametrize("protocol", ["fast", "one-step", "paper"])
def test_runs_of_figure1_have_their_presets(protocol: str) -> None:
    """As the presets are today, with a root that chose no setting of theirs."""
    for folder in raw(protocol):
        run, env = experiment.read(folder), folder.parent.parent.name
        assert run.config == presets.preset(protocol, env, folder.parent.name), folder
        root = 31 if (protocol, env) == ("fast", "memory-four-rooms-7x7") else 21
        assert run.seed == root, folder


@pytest.mark.parametrize("env", ["heavenhell-3", "carflag"])
def test_annealed_seeds_stay_solved(env: str) -> None:
    """The table of fast.md: of fresh roots, with the preset's settings, from when on all win."""
    page = (DOCS / "fast.md").read_text()
    for root, name in ((21, "fast"), (22, "fast-seed-22"), (23, "fast-seed-23")):
        folder = DOCS / "results" / env / "adqn-vr" / name
        run = experiment.read(folder)
        assert run.seed == root
        assert run.config == presets.preset("fast", env, "adqn-vr")
        rows = metrics.read(folder / "metrics.csv")
        wins = metrics.solved(rows["eval_success"])
        solved = wins[-1]  # and from the last log point back, for how long
        timesteps = [int(t) for t in rows["timesteps"][:, 0]]
        since = timesteps[np.flatnonzero(~wins[:, solved].all(1))[-1] + 1]
        link = f"[{root}](results/{env}/adqn-vr/{name}/metrics.csv)"
        won = f"{solved.sum()} of {run.seeds}"
        assert f"| `{env}` | {link} | {won} | {since:,} | {timesteps[-1]:,} |" in page


@pytest.mark.parametrize(
    ("env", "algo"),
    [*(("heavenhell-3", algo) for algo in ("dqn", "adqn", "adqn-vr")),
     *(("heavenhell-4", algo) for algo in ("adqn", "adqn-vr"))],
)  # fmt: skip
def test_since_when_all_seeds_win(env: str, algo: str) -> None:
    """Figure 1's page names the log point from which on every seed wins at every one."""
    since = won_since(DOCS / "results" / env / algo / "fast" / "metrics.csv")
    assert since
    assert since in (DOCS / "figure1.md").read_text(), since


def test_the_end_of_annealing() -> None:
    """How many seeds of Car-Flag end at 0.9 or more, as fast.md says: of three roots, and three."""
    folder = DOCS / "results" / "carflag" / "adqn-vr"

    def solved(name: str, seed: int) -> int:
        run = experiment.read(folder / name)
        assert (run.seed, run.seeds) == (seed, 20)
        return int((metrics.read(folder / name / "metrics.csv")["eval_return"][-1] >= 0.9).sum())

    assert [solved(f"to-a-twentieth-seed-{seed}", seed) for seed in (41, 42, 43)] == [20, 19, 19]
    assert [solved(f"to-a-fifth-seed-{seed}", seed) for seed in (0, 42, 43)] == [20, 20, 20]
    roots = (0, 50, 51, 52)
    names = ["make-run", *(f"fast-seed-{root}" for root in roots[1:])]
    assert list(map(solved, names, roots)) == [19, 20, 20, 20]
    for name, told in (("lambda-0.9", [20, 20, 20, 19]), ("epsilon-0.3", [19, 19, 20, 20])):
        assert [solved(f"{name}-seed-{root}", root) for root in roots] == told
    for name in ("epsilon-0.3", "discount-0.985"):
        for root in roots:
            rows = metrics.read(folder / f"{name}-seed-{root}" / "metrics.csv")
            assert (rows["eval_return"].max(0) >= 0.9).all()
    others = [solved(f"discount-0.985-seed-{root}", root) for root in (*roots, 61, 62, 63)]
    assert (sum(others[:4]), others[4:]) == (79, [20, 18, 19])
    swept = metrics.read(
        DOCS / "results/sweeps/carflag-epsilon/epsilon-end=0.2,rate-end=0.2/metrics.csv"
    )
    assert (swept["eval_return"][-1] >= 0.9).sum() == 40
    preset = presets.preset("fast", "carflag", "adqn-vr")
    for name in ("to-a-fifth-seed-0", *names):
        assert experiment.read(folder / name).config == preset


@pytest.mark.parametrize("algo", ["adqn-vr", "adqn", "dqn"])
def test_protocol_of_the_paper(algo: str) -> None:
    """Returns of four seeds on Heaven-Hell-3, as figure1.md has them."""
    raw = f"results/heavenhell-3/{algo}/paper/metrics.csv"
    rows = metrics.read(DOCS / raw)
    timesteps, returns = rows["timesteps"][:, 0], rows["behaviour_return"]
    assert (timesteps[-1], returns.shape[1]) == (2_008_208, 4)
    last = returns[-1]
    cells = (
        f"[`{algo}`]({raw})", f"{returns[timesteps == 1_258_256].mean():.2f}",
        f"{last.mean():.2f}", f"{last.min():.2f} to {last.max():.2f}",
        ", ".join(f"{x:.2g}" for x in rows["eval_return"][-1]),
    )  # fmt: skip
    assert f"| {' | '.join(cells)} |" in (DOCS / "figure1.md").read_text()
    without = metrics.read(DOCS / "results/heavenhell-3/dqn/paper/metrics.csv")
    assert algo == "dqn" or last.min() > without["behaviour_return"][-1].max()


def test_small_network_does_no_harm() -> None:
    """Five seeds of one-step Heaven-Hell-3 with both networks, as figure1.md says."""
    page = (DOCS / "figure1.md").read_text()
    since = []
    for name in ("one-step", "one-step-authors-network"):
        rows = metrics.read(DOCS / "results" / "heavenhell-3" / "adqn-vr" / name / "metrics.csv")
        wins = metrics.solved(rows["eval_success"])[:, :5].all(1)
        assert wins[-1]
        since.append(rows["timesteps"][np.flatnonzero(~wins)[-1] + 1, 0])
    assert "all win from {:,.0f} timesteps on, instead of {:,.0f}.".format(*since) in page


def test_thirty_seeds_of_heavenhell_4() -> None:
    """What fast.md says of them; and of thirty of `dqn`."""
    results, page = DOCS / "results" / "heavenhell-4", (DOCS / "fast.md").read_text()
    run = experiment.read(results / "adqn-vr" / "lambda-0.97")
    assert (run.seed, run.seeds, run.config.hyper.return_lambda) == (21, 30, 0.97)
    rows = metrics.read(results / "adqn-vr" / "lambda-0.97" / "metrics.csv")
    wins, timesteps = metrics.solved(rows["eval_success"]), rows["timesteps"][:, 0]
    assert wins[-2:].all()
    late = wins[timesteps >= 884_224].sum(1)
    assert (late.min(), late.max()) == (26, 30)
    assert f"from {timesteps[-2]:,.0f} timesteps on. From 884,224 on, 26 to 30 do" in page
    rows = metrics.read(results / "dqn" / "fast-seed-21-stopped" / "metrics.csv")
    last = metrics.solved(rows["eval_success"])[-1].sum()
    assert f"`dqn`, {last} won after {rows['timesteps'][-1, 0]:,.0f} timesteps" in page


def test_table_of_cleaner() -> None:
    """Behaviour returns of fast.md, of heads and lambdas, are those measured."""
    folders = {
        "plain head, λ = 0.97, six seeds": "cleaner/{}/plain",
        "`dueling-mean`, λ = 0.97, three seeds": "cleaner/{}/dueling-lambda-0.97",
        "`dueling-mean`, λ = 0.8, two seeds": "sweeps/cleaner-dueling/algo={},{},return-lambda=0.8",
        "`dueling-mean`, λ = 0.6, two seeds": "sweeps/cleaner-dueling/algo={},{},return-lambda=0.6",
        "`dueling-mean`, λ = 0.3, two seeds": "sweeps/cleaner-dueling/algo={},{},return-lambda=0.3",
    }
    rates = {"dqn": "learning-rate=2e-3", "adqn-vr": "learning-rate=1e-3"}
    for label, folder in folders.items():
        cells = []
        for algo, rate in rates.items():
            raw = f"results/{folder.format(algo, rate)}/metrics.csv"
            columns = metrics.read(DOCS / raw)
            (point,) = np.flatnonzero(columns["timesteps"][:, 0] == 394_752)
            link = "" if "sweeps" in raw else f" ([raw]({raw}))"
            cells.append(f"{columns['behaviour_return'][point].mean():.1f}{link}")
        line = f"| {label} | {' | '.join(cells)} |"
        assert line in (DOCS / "fast.md").read_text(), line


def test_rows_on_cleaner() -> None:
    """The table of figure1.md: what four times the rows are worth, by the first four seeds."""
    page = (DOCS / "figure1.md").read_text()
    for algo in ("dqn", "adqn"):
        cells = []
        for name in ("fast", "rows-16"):
            raw = f"results/cleaner/{algo}/{name}/metrics.csv"
            columns = metrics.read(DOCS / raw)
            (point,) = np.flatnonzero(columns["timesteps"][:, 0] == 302_592)
            found = columns["behaviour_return"][point, :4]
            error = found.std(ddof=1) / 2
            cells.append(f"{found.mean():.1f} ± {error:.1f} ([raw]({raw}))")
        assert f"| `{algo}` | {' | '.join(cells)} |" in page


def in_the_middle(columns: dict[str, np.ndarray], name: str) -> float:
    """Return the mean of a column over seeds and the middle of training on Cleaner."""
    timesteps = columns["timesteps"]
    return float(columns[name][(timesteps >= 200_000) & (timesteps <= 400_000)].mean())


def test_losses_on_cleaner() -> None:
    """The table of figure1.md: what Q and U miss in the middle of training."""
    page = (DOCS / "figure1.md").read_text()
    for model in ("q", "u"):
        cells = []
        for algo in ("dqn", "adqn", "adqn-vr", "adqn-state"):
            columns = metrics.read(DOCS / "results" / "cleaner" / algo / "fast" / "metrics.csv")
            loss = f"loss_{model}"
            cells.append(f"{in_the_middle(columns, loss):.2f}" if loss in columns else "")
        line = f"| of {model.upper()} | {' | '.join(cells)} |"
        assert line in page, line


def test_the_presets_are_those_of_the_code() -> None:
    """algorithms.md shows what the presets set."""
    assert presets.table() in (DOCS / "algorithms.md").read_text()


def test_settings_of_peers() -> None:
    """performance.md shows what others are given."""
    assert peers.settings_table() in (DOCS / "performance.md").read_text()


@pytest.mark.parametrize("path", sorted((DOCS / "results").glob("peers*.json")), ids=str)
def test_tables_of_peers(path: pathlib.Path) -> None:
    """What is written of the time until a task is solved is what was measured."""
    assert peers.table(peers.read(path)) in (DOCS / "performance.md").read_text()


def _without_chance(line: str) -> list[str]:
    """Drop interval and p of a claim, which versions of SciPy sample differently."""
    *about, _, _, _, verdict = line.strip("| ").split(" | ")
    return [*about, verdict]


def critic_cells(env: str, algo: str, seconds: float) -> set[str]:
    """Return what docs/critics.md may say of a run after so many seconds, which are rounded."""
    folder = DOCS / "results" / "actor-critic" / env / algo / "fast"
    ((course,),) = courses.load_courses([folder], "eval_return").values()
    cells = set()
    for at in (seconds - 0.5, *course.seconds):
        if abs(at - seconds) <= 0.5 or (seconds == math.inf and at == course.seconds[-1]):
            run = course.until("seconds", at)
            found, steps = estimate(run.final), run.timesteps[-1] / 1000
            cells.add(f"{found.value:.2f} ± {found.high - found.value:.2f}; {steps:,.0f}k")
    return cells


def test_critics_at_equal_time() -> None:
    """The table of docs/critics.md is what the raw data says."""
    page = (DOCS / "critics.md").read_text().replace("**", "")
    rows = re.findall(
        r"^\| (.*?), (A2C|PPO) \| (\d+) s \|(.*)\|\n\| \| the end \|(.*)\|$", page, re.M
    )
    assert len(rows) == 8
    for title, algo, seconds, early, late in rows:
        env = title.lower().replace("n-h", "nh").replace("r-f", "rf")  # heavenhell-3, carflag
        for cells, at in ((early, float(seconds)), (late, math.inf)):
            for critic, cell in zip(("", "-asym", "-state"), cells.split("|"), strict=True):
                known = critic_cells(env, algo.lower() + critic, at)
                assert cell.strip() in known, (title, algo, critic, at, known)


def test_critics_claims() -> None:
    """So is that of the claims."""
    page = (DOCS / "critics.md").read_text()
    with (DOCS / "results" / "actor-critic" / "claims.csv").open() as file:
        for row in csv.DictReader(file):
            told = [row["claim"], row["env"], row["statement"], row["effect"]]
            told += [f"{row['low']} to {row['high']}", row["p"], row["verdict"]]
            assert f"| {' | '.join(told)} |" in page


@pytest.mark.parametrize("name", ["h200", "h100-80gb-hbm3"])
def test_table_of_a_gpu(name: str) -> None:
    """What the page says about a GPU is in the raw data."""
    page = (DOCS / "performance.md").read_text()
    raw = json.loads((DOCS / f"results/gpu-nvidia-{name}/scaling.json").read_text())
    for row in raw["training"]:
        cells = [
            row["seeds"], f"{row['loop_simulated']:,.0f}", f"{row['loop_timesteps']:,.0f}",
            f"{row['share_outside_update']:.1%}".replace("%", " %"),
            f"{row['share_of_limit_loop']:.1%}".replace("%", " %"),
            f"{row['compile_seconds']:.0f} s", f"{row['peak_bytes'] / 1e9:.1f} GB",
        ]  # fmt: skip
        assert f"| {' | '.join(map(str, cells))} |" in page


def test_table_of_starts() -> None:
    """What the page says about the wait for the first progress is in the raw data."""
    page = (DOCS / "performance.md").read_text()
    raw = json.loads((DOCS / "results/start.json").read_text())["seconds_to_progress"]
    assert list(raw) == list(paper.ENVS)
    for env, of_algos in raw.items():
        for start, marks in of_algos["adqn-vr"].items():
            after = list(marks.values())
            told = [f"{x:.1f} s" for x in (*np.diff([0.0, *after]), after[-1])]
            assert f"| `{env}` | {start} | {' | '.join(told)} |" in page


def test_table_of_growth() -> None:
    """What the page says about work that grows is in the raw data; memory is as predicted."""
    page = (DOCS / "performance.md").read_text()
    for row in json.loads((DOCS / "results/growth.json").read_text())["growth"]:
        assert growth.line(row) in page
        assert row["bytes"] == pytest.approx(row["predicted_bytes"], rel=0.1)


@pytest.mark.parametrize(
    ("label", "run"),
    [
        ("`adqn-vr`, convolutions, four seeds", "adqn-vr/convolutions"),
        ("`adqn-vr`, `pairs`, constant step size, two seeds", "adqn-vr/pairs-constant"),
        ("`adqn-vr`, `pairs`, annealed, three seeds", "adqn-vr/pairs-annealed"),
        ("`adqn`, `pairs`, `--memory-bits`, annealed, five seeds", "adqn/fast-earlier"),
        ("`dqn`, the same, five seeds", "dqn/fast-earlier"),
        ("`adqn`, the same for longer, five seeds", "adqn/longer"),
        ("`adqn`, ε falls to 0.05, five seeds", "adqn/falling-epsilon"),
        ("`adqn`, the same, other five seeds", "adqn/falling-epsilon-seed-31"),
        ("`adqn`, these five for twice as long", "adqn/fast"),
        ("`adqn-vr`, the same as these", "adqn-vr/fast"),
        ("`dqn`, the same as these", "dqn/fast"),
        ("`adqn-state`, the same as these", "adqn-state/fast"),
        ("`adqn-state-vr`, the same as these", "adqn-state-vr/fast"),
    ],
    ids=lambda word: word.split()[0],
)
def test_exits_that_are_taken(label: str, run: str) -> None:
    """Shares of episodes, of each seed the mean of four log points; wrong exits by the returns."""
    raw = f"results/memory-four-rooms-7x7/{run}/metrics.csv"
    with (DOCS / raw).open() as file:
        rows = list(csv.DictReader(file))
    points = sorted({int(row["timesteps"]) for row in rows})[-4:]
    exits: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if int(row["timesteps"]) in points:
            won, steps, total = (float(row[f"eval_{of}"]) for of in ("success", "length", "return"))
            lost = max(won - (total + 0.05 * steps) / 5.0, 0.0)  # but for rounding
            exits.setdefault(row["seed"], []).append((won, lost))
    right, wrong = np.array([np.mean(of, axis=0) for of in exits.values()]).T
    spans = [f"{x.min():.2f} to {x.max():.2f}" for x in (right, wrong, right / (right + wrong))]
    line = f"| {label} ([raw]({raw})) | {points[-1] / 1e6:.1f} M | {' | '.join(spans)} |"
    assert line in (DOCS / "fast.md").read_text(), line


def test_what_asking_for_the_state_buys() -> None:
    """Seeds that win, when the mean was first 0.9, and how long runs are, by the raw data."""
    row = r"\(\[raw\]\((\S+)\)\) \| (\d+) of (\d+) \| ([\d,]+|never) \| ([\d,]+) \|"
    rows = re.findall(row, (DOCS / "belief.md").read_text())
    assert len(rows) > 5
    for raw, *told in rows:
        found = metrics.read(DOCS / raw)
        returns, timesteps = found["eval_return"], found["timesteps"][:, 0]
        last = max(1, round(len(timesteps) / 10))
        first = np.flatnonzero(returns.mean(1) >= 0.9)
        won = (returns[-last:].mean(0) >= 0.95).sum()  # as the page says
        when = f"{timesteps[first[0]]:,.0f}" if len(first) else "never"
        assert told == [f"{won}", f"{returns.shape[1]}", when, f"{timesteps[-1]:,.0f}"], raw
    since = won_since(DOCS / "results/heavenhell-4/dqn/belief/metrics.csv")
    assert since
    assert f"win from {since} timesteps on" in (DOCS / "belief.md").read_text()


def test_chance_that_asking_wins_as_often() -> None:
    """Fisher's exact test on Heaven-Hell-4: all of those that are asked win, of 60 seeds 43."""
    page, won, seeds = (DOCS / "belief.md").read_text(), {}, {}
    before = page.split("On Heaven-Hell `fast` had λ = 0.97 before")[1]
    for raw, wins, number in re.findall(r"heavenhell-4/(dqn/\S+)\)\) \| (\d+) of (\d+)", before):
        asked = "belief" in raw
        won[asked] = won.get(asked, 0) + int(wins)
        seeds[asked] = seeds.get(asked, 0) + int(number)
    assert won[True] == seeds[True]
    lost = seeds[False] - won[False]
    times = math.comb(sum(seeds.values()), lost) / math.comb(seeds[False], lost)
    told = f"{won[True]} of {seeds[True]} against {won[False]} of {seeds[False]}"
    assert f"{told} comes about by chance once in {round(times, -2):,.0f} times" in page


@pytest.mark.parametrize("algo", ["dqn", "adqn", "adqn-vr"])
def test_cleaner_with_16_rows(algo: str) -> None:
    """Greedy return, last tenth of the log points, and behaviour, over twenty seeds."""
    raw = f"results/cleaner/{algo}/rows-16-tuned/metrics.csv"
    found = metrics.read(DOCS / raw)
    last = round(len(found["eval_return"]) / 10)
    cells = (found["eval_return"][-last:].mean(0), found["behaviour_return"][-1])
    told = [f"{x.mean():.1f} ± {standard_error(x):.1f}" for x in cells]
    page = (DOCS / "figure1.md").read_text()
    assert re.search(rf"{re.escape(raw)}\)\) \| [^|]* \| {' [|] '.join(told)} \|", page), told


@pytest.mark.parametrize("raw", ["adqn/share-0.3", "dqn/twenty"])
def test_twenty_seeds_on_cleaner(raw: str) -> None:
    """Loss of Q, greedy return and behaviour, with a share of U and without any."""
    folder = DOCS / "results/cleaner" / raw
    found = metrics.read(folder / "metrics.csv")
    ends = (load(folder).final, found["behaviour_return"][-1])
    cells = [f"{x.mean():.1f} ± {standard_error(x):.1f}" for x in ends]
    cells = [f"{in_the_middle(found, 'loss_q'):.2f}", *cells]
    told = f"results/cleaner/{raw}/metrics.csv)) | {' | '.join(cells)} |"
    assert told in (DOCS / "figure1.md").read_text(), told


def test_share_of_u_on_cleaner() -> None:
    """Loss of Q in the middle of training, behaviour returns then and at the end."""
    page = (DOCS / "figure1.md").read_text()
    for share in ("0", "0.3", "0.6", "1"):
        raw = DOCS / f"results/sweeps/cleaner-share/privileged-share={share}/metrics.csv"
        found = metrics.read(raw)
        timesteps = found["timesteps"][:, 0]
        loss = in_the_middle(found, "loss_q")
        behaviour = found["behaviour_return"]
        cells = [
            f"{x.mean():.1f} ± {standard_error(x):.1f}"
            for x in (behaviour[timesteps == 296_832][0], behaviour[-1])
        ]
        assert re.search(
            rf"^\| {share}\b[^|]*\| {loss:.2f} \| {' [|] '.join(cells)} \|", page, re.M
        )


@pytest.mark.parametrize(
    ("env", "seeds"), [("carflag", 4), ("heavenhell-3", 3), ("heavenhell-4", 3)]
)
def test_tables_of_lambda(env: str, seeds: int) -> None:
    """Final performance by lambda and algorithm, and thousands of timesteps until 0.9."""
    sweeps = DOCS / "results" / "sweeps"
    with (sweeps / f"{env}-lambda.csv").open() as file:
        rows = list(csv.DictReader(file))
    page = (DOCS / "fast.md").read_text()
    for value in dict.fromkeys(row["return_lambda"] for row in rows):
        cells = []
        for algo in ALGORITHMS:
            of = [row for row in rows if (row["algo"], row["return_lambda"]) == (algo, value)]
            assert len(of) == seeds
            cells.append(f"{np.mean([float(row['final_performance']) for row in of]):.2f}")
            raw = sweeps / f"{env}-lambda" / algo / f"return-lambda={value}" / "metrics.csv"
            if raw.exists():
                found = metrics.read(raw)
                first = np.flatnonzero(found["eval_return"].mean(1) >= 0.9)
                if len(first):
                    cells[-1] += f" ({found['timesteps'][first[0], 0] / 1e3:.0f})"
        assert f"| {value} | {' | '.join(cells)} |" in page, cells


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_exits_of_one_step_memory_four_rooms(algo: str) -> None:
    """Which exits greedy episodes take, by what an exit and a step pay; behaviour at the end."""
    raw = f"results/memory-four-rooms-7x7/{algo}/one-step/metrics.csv"
    found = metrics.read(DOCS / raw)
    last = round(len(found["eval_return"]) / 10)
    right, returns, steps = (
        found[f"eval_{name}"][-last:].mean() for name in ("success", "return", "length")
    )
    wrong = right - (returns + 0.05 * steps) / 5
    told = f"{right:.2f} | {wrong:.2f} | {steps:.0f} | {found['behaviour_return'][-1].mean():.2f}"
    assert f"({raw})) | {told} |" in (DOCS / "figure1.md").read_text(), told


def milliseconds(folder: str, *names: str) -> list[str]:
    """Return milliseconds of a gradient step, means of two runs each, in a folder of raw data."""

    def of(run: pathlib.Path) -> float:
        found = metrics.read(run / "metrics.csv")
        seconds, steps = found["training_seconds"][:, 0], found["updates"][:, 0]
        return float(1e3 * (seconds[-1] - seconds[0]) / (steps[-1] - steps[0]))

    runs = DOCS / "results" / "value" / folder
    return [f"{np.mean([of(runs / f'{name}-{i}') for i in (1, 2)]):.1f}" for name in names]


def test_what_asking_for_the_state_costs() -> None:
    """Milliseconds of a gradient step: dqn, dqn that is asked, adqn-vr, means of two runs."""
    told = milliseconds("belief-cost", "dqn", "dqn-belief", "adqn-vr")
    assert "{}, {} and {} ms".format(*told) in (DOCS / "belief.md").read_text(), told


def test_one_encoder_for_both() -> None:
    """What a gradient step takes, and from when on all seeds win, by the raw data of fast.md."""
    page = re.sub(r"\s+", " ", (DOCS / "fast.md").read_text())
    told = milliseconds("encoder-cost", "shared", "separate", "dqn")
    assert "takes {} ms instead of {}. One of `dqn` takes {} (".format(*told) in page, told
    table = (DOCS / "fast.md").read_text().split("| one, `shared` |")[1].split("\n\n")[0]
    cells = re.findall(r"\[([\d,]+)\]\((results/\S+)\)", table)
    assert len(cells) > 3
    for since, raw in cells:
        assert since == won_since(DOCS / raw), raw


def test_what_asking_actors_for_the_state_buys() -> None:
    """Final returns of PPO, with and without."""
    page = re.sub(r"\s+", " ", (DOCS / "belief.md").read_text())
    for env, told in (
        ("heavenhell-4", "0.90 and 0.40 at the end"),
        ("heavenhell-3", "0.80 and 0.91"),
    ):
        folder = DOCS / "results" / "actor-critic" / env / "ppo"
        ends = []
        for name in ("belief", "fast"):
            returns = metrics.read(folder / name / "metrics.csv")["eval_return"]
            ends.append(f"{returns[-round(len(returns) / 10) :].mean():.2f}")
        assert " and ".join(ends) in told
        assert told in page


def test_fast_on_memory_four_rooms() -> None:
    """The last runs of fast.md have the preset, and those before half of it; how they end."""
    folder = DOCS / "results" / "memory-four-rooms-7x7" / "adqn"
    for algo in ("dqn", "adqn-vr", "adqn-state", "adqn-state-vr"):
        config = experiment.read(folder.parent / algo / "fast").config
        assert config == presets.preset("fast", "memory-four-rooms-7x7", algo)
    preset = presets.preset("fast", "memory-four-rooms-7x7", "adqn")
    half = preset.replace(total_timesteps=2_000_000, epsilon_timesteps=2_000_000.0)
    for name, config in (
        ("falling-epsilon", half),
        ("falling-epsilon-seed-31", half),
        ("fast", preset),
    ):
        assert experiment.read(folder / name).config == config
    success = metrics.read(folder / "fast" / "metrics.csv")["eval_success"]
    assert (success[-4:].mean(0) >= 0.9).sum() >= 4
    success = metrics.read(folder / "falling-epsilon" / "metrics.csv")["eval_success"]
    ends = np.sort(success[-4:].mean(0)).round(2)
    assert (ends[0], ends[1], ends[-1]) == pytest.approx((0.82, 0.97, 0.99))
    at = {"falling-epsilon": 0.87, "fast-earlier": 0.89, "falling-from-1-stopped": 0.70}
    for name, told in at.items():
        rows = metrics.read(folder / name / "metrics.csv")
        near = np.abs(rows["timesteps"][:, 0] - 1_106_000).argmin()
        assert rows["eval_success"][near].mean() == pytest.approx(told, abs=0.005)


def test_table_of_binding() -> None:
    """Accuracies of fast.md, by the number of episodes, are those measured."""
    page = (DOCS / "fast.md").read_text()
    (table,) = re.findall(r"^\| episodes \|(.*?)\n\n", page, re.DOTALL | re.MULTILINE)
    header, _, *lines = table.splitlines()
    episodes = [cell.strip().replace(",", "") for cell in header.strip("| ").split("|")]
    assert len(lines) == 9
    for line in lines:
        label, *told = line.strip("| ").split(" | ")
        with (DOCS / re.findall(r"\]\((.*?)\)", label)[0]).open() as file:
            rows = {(row["seed"], row["episodes"]): row for row in csv.DictReader(file)}
        seed = "1" if "seed 1" in label else "0"
        found = [f"{float(rows[seed, number]['accuracy']):.2f}" for number in episodes]
        assert found == told, label
