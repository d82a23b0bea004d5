"""benchmark.py measures what it says, and counts right."""

import json
import os
import pathlib
import resource
import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest

import benchmark
import support.benchmarks.start as starts
from adqn_jax import envs, make_trainer
from adqn_jax.nn import initial
from adqn_jax.nn.convolutions import Convolutions3x3
from runs import call, script
from settings import on_policy, small
from support.benchmarks.flops import count_flops
from support.benchmarks.kernels import Executed, covered, profile
from support.benchmarks.operations import Loop, loops, loops_of_a_step
from support.benchmarks.precision import with_rounded_products
from support.benchmarks.processes import rates
from support.benchmarks.train import peak_bytes

pytestmark = pytest.mark.usefixtures("own_folder")


def test_benchmark_measures_environments() -> None:
    """Steps per second of every environment asked for, on the screen and as JSON."""
    words = ("envs", "--names", "carflag", "cleaner", "--copies", "2", "--seconds", "0.01")
    done = call(benchmark.main, *words, "--json", "rates.json")
    assert done.code == 0, done.err
    rates = json.loads(pathlib.Path("rates.json").read_text())["steps_per_second"]
    assert set(rates) == {"carflag", "cleaner"}
    assert all(rate["2"] > 0 for rate in rates.values())


def test_benchmark_measures_replay() -> None:
    """Derived observations take fewer bytes; every time is positive."""
    words = ("replay", "--names", "heavenhell-1", "--seconds", "0.01")
    done = call(benchmark.main, *words, "--json", "replay.json")
    assert done.code == 0, done.err
    costs = json.loads(pathlib.Path("replay.json").read_text())["replay"]["heavenhell-1"]
    assert costs["bytes_derived"] < costs["bytes_stored"]
    assert min(costs["us_per_row_derived"], costs["us_per_row_stored"]) > 0


def test_benchmark_measures_training(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rates, shares and memory of a small setting, as JSON; compiling uses no cache."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    words = ("train", "--env", "heavenhell-1", "--algo", "adqn", "--seeds", "3", "--rows", "1")
    words += ("--length", "10", "--num-envs", "16", "--seconds", "0.01", "--json", "train.json")
    done = script("benchmark.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("cache/*"))
    drawn = call(benchmark.main, "draw", "--json", "train.json")
    assert drawn.code == 0, drawn.err
    assert matplotlib.image.imread(tmp_path / "scaling.png").std() > 0
    (result,) = json.loads((tmp_path / "train.json").read_text())["training"]
    assert (result["seeds"], result["rows"], result["row_length"]) == (3, 1, 10)
    may_be_zero = ("share_outside_update", "share_of_peak_grown")
    assert all(result[name] > 0 for name in result if name not in may_be_zero)
    assert result["share_of_peak_grown"] >= 0
    assert result["share_of_limit_update"] < 1
    assert result["update_timesteps"] == pytest.approx(10 * result["update_steps"])


def test_benchmark_measures_parts() -> None:
    """The parts make up the whole, and three forward products those forward and backward."""
    words = ("parts", "--env", "heavenhell-1", "--algo", "adqn", "--seeds", "3", "--rows", "1")
    words += ("--length", "10", "--num-envs", "16", "--seconds", "0.01", "--json", "parts.json")
    done = call(benchmark.main, *words)
    assert done.code == 0, done.err
    written = json.loads(pathlib.Path("parts.json").read_text())
    parts = written["parts"]
    assert [loop["length"] for loop in written["loops"]] == [11, 11, 10, 11]
    whole = parts.pop("all")
    for column in ("ms", "limit_ms"):
        assert sum(part[column] for part in parts.values()) == pytest.approx(whole[column])
    for name in ("histories", "heads"):
        once, thrice = parts[f"{name}, forward"], parts[f"{name}, forward and backward"]
        assert thrice["limit_ms"] == pytest.approx(3 * once["limit_ms"])
        assert 0 < once["share_of_limit"] < 1


def test_benchmark_measures_runners() -> None:
    """Both runners by turns: acting and learning are within the wall-clock time of one of them."""
    words = ("runners", "--num-envs", "1", "--rows", "1", "--iterations", "2", "--rounds", "1")
    done = call(benchmark.main, *words, "--algo", "dqn", "--json", "runners.json")
    assert done.code == 0, done.err
    turns, beside = json.loads(pathlib.Path("runners.json").read_text())["runners"]
    assert (turns["max_lag"], turns["lag_max"], beside["max_lag"], beside["lag_max"]) == (
        0,
        0,
        1,
        1,
    )
    for result in (turns, beside):
        assert min(result["acting_seconds"], result["learning_seconds"]) > 0
    assert turns["acting_seconds"] >= 2 * 12 * 0.01
    assert turns["acting_seconds"] + turns["learning_seconds"] <= turns["wall_seconds"]


def test_flops_are_counted() -> None:
    """Products, batched ones, in loops and in functions that are called; convolutions."""
    x, w = np.zeros((5, 3, 4), np.float32), np.zeros((5, 4, 7), np.float32)
    assert count_flops(lambda x, w: x @ w, x, w) == 2 * 5 * 3 * 4 * 7
    loop = lambda x: jax.lax.scan(lambda c, _: (c @ c, None), x, length=6)[0]  # noqa: E731
    assert count_flops(jax.jit(loop), np.zeros((4, 4), np.float32)) == 6 * 2 * 4**3
    image, kernel = np.zeros((1, 8, 8, 3), np.float32), np.zeros((3, 3, 3, 5), np.float32)
    convolve = lambda x, k: jax.lax.conv_general_dilated(  # noqa: E731
        x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    assert count_flops(convolve, image, kernel) == 2 * 64 * 5 * 27
    unknown = lambda x: jax.lax.while_loop(lambda c: c.sum() < 1, lambda c: c @ c, x)  # noqa: E731
    with pytest.raises(ValueError, match="unknown length"):
        count_flops(unknown, np.zeros((4, 4), np.float32))


#: Of a round of each loop of a gradient step, which bound a GPU: matrix products, other operations.
#: Whoever makes one longer, or another loop, sees here what it was; what gets shorter stays so.
HISTORY, ITS_GRADIENT, RETURNS = (3, 15), (3, 10), (0, 6)


def test_loops_of_a_gradient_step_of_values() -> None:
    """One for the target networks, one for Q and U together, one for its gradient; returns."""
    found = loops_of_a_step("heavenhell-1", small("adqn-vr", row_length=16))
    assert found == [
        Loop(17, False, *HISTORY),  # with the slot that is only bootstrapped from
        Loop(17, False, *HISTORY),
        Loop(16, True, *RETURNS),
        Loop(17, True, *ITS_GRADIENT),
    ]


def test_loops_of_a_gradient_step_of_an_actor_critic() -> None:
    """One for those that gathered, one for actor and critic together, one for its gradient."""
    config = on_policy("ppo-asym", steps_per_iteration=8)
    trainer = make_trainer(config, *envs.make("heavenhell-1"))
    state, key = jax.eval_shape(trainer.init, jax.random.key(0)), jax.random.key(0)

    def gather(state: Any, key: jax.Array) -> Any:
        who = trainer.behaviour(state.agent, config.hyper, state.iteration)
        return trainer._gather(state.streams, who, key, trainer.plan.steps_per_iteration)

    def learn(state: Any, gathered: Any, key: jax.Array) -> Any:
        return trainer.learn(state, config.hyper, gathered, trainer.keys(key))

    assert loops(learn, state, jax.eval_shape(gather, state, key), key) == [
        Loop(8, False, *HISTORY),
        Loop(8, True, *RETURNS),
        Loop(8, False, *HISTORY),
        Loop(8, True, *ITS_GRADIENT),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such terminals")
def test_seconds_to_progress(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is that of its mark on the screen; a run that ends before has said why."""
    run = tmp_path / "run.py"
    lines = ["2 seeds on 2 x cpu", "compiled in 1 s", "0%|  |", "9%|# | return 0.1"]
    run.write_text(f"import time\nfor x in {lines}: print(x, flush=True); time.sleep(0.2)")
    monkeypatch.setattr(starts, "_RUN", run)
    for seconds in starts.seconds_to_progress([]).values():
        assert list(seconds) == ["introduced", "compiled", "begun", "progress"]
        assert list(seconds.values()) == sorted(seconds.values())
        assert seconds["progress"] - seconds["introduced"] > 0.3
    run.write_text("print('2 seeds on 2 x cpu'); print('error: no', flush=True)")
    with pytest.raises(ValueError, match="ended before it trained: error: no"):
        starts.seconds_to_progress([])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of a process on Linux")
def test_benchmark_measures_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory as the dry run says, within 10 percent; twice the seeds are twice the work.

    On one device: two that share a core may need what they work with one after the other.
    """
    one = os.environ["XLA_FLAGS"].replace("device_count=2", "device_count=1")
    monkeypatch.setenv("XLA_FLAGS", one)
    words = ("growth", "--env", "heavenhell-1", "--algo", "dqn", "--seeds", "2", "--num-envs", "16")
    words += ("--row-length", "10", "--rows", "2", "--buffer-timesteps", "2000000", "--steps", "2")
    words += ("--seconds", "0.01", "--axes", "seeds", "--factors", "2")
    done = call(benchmark.main, *words, "--json", "growth.json")
    assert done.code == 0, done.err
    base, twice = json.loads(pathlib.Path("growth.json").read_text())["growth"]
    assert [(row["axis"], row["value"]) for row in (base, twice)] == [("seeds", 2), ("seeds", 4)]
    for row in (base, twice):
        assert row["bytes"] == pytest.approx(row["predicted_bytes"], rel=0.1)
        assert row["seconds"] > 0 < row["bytes_before"] <= row["bytes_compiling"]
    assert base["seconds_of_predicted"] == pytest.approx(1.0)
    assert twice["flops"] == 2 * base["flops"]
    assert base["bytes"] < twice["bytes"] < 2 * base["bytes"]  # in turns they share some of it
    drawn = call(benchmark.main, "draw", "--json", "growth.json", "--to", "growth.png")
    assert drawn.code == 0, drawn.err
    assert matplotlib.image.imread("growth.png").std() > 0


def test_benchmark_measures_precision() -> None:
    """The fewer bits, the larger the deviations, none of them large."""
    words = ("precision", "--names", "heavenhell-1", "--preset", "fast", "--json", "precision.json")
    done = call(benchmark.main, *words)
    assert done.code == 0, done.err
    found = json.loads(pathlib.Path("precision.json").read_text())["relative_deviation"]
    coarse, fine = (found["heavenhell-1"][k] for k in ("bfloat16", "tensorfloat32"))
    assert 0 < fine["gradient"] < coarse["gradient"] < 0.1
    assert 0 < fine["values"] < coarse["values"] < 0.1


def test_products_of_convolutions_are_rounded() -> None:
    """As many grids as are convolved in parts: their products are rounded, too."""
    layers = Convolutions3x3((4,), initial.normal(1.0))
    grids = jax.random.normal(jax.random.key(0), (65, 3, 3, 2))
    params = initial.init(layers, jax.random.key(1), grids)
    rounded = with_rounded_products(layers.apply, 7)(params, grids)
    assert 1e-4 < np.abs(rounded - layers.apply(params, grids)).max() < 0.1


def test_rounded_products() -> None:
    """Operands are rounded inside scans and calls as outside; with all bits nothing changes."""
    x = jax.random.normal(jax.random.key(0), (3, 4, 4))

    def program(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda h, m: (jnp.tanh(h @ m), h.sum()), x[0], x, reverse=True)[0]

    def by_hand(x: jax.Array) -> jax.Array:
        h = x[0]
        for m in x[::-1]:
            h = jnp.tanh(jax.lax.reduce_precision(h, 8, 7) @ jax.lax.reduce_precision(m, 8, 7))
        return h

    np.testing.assert_array_equal(with_rounded_products(program, 23)(x), program(x))
    np.testing.assert_allclose(with_rounded_products(program, 7)(x), by_hand(x), atol=1e-6)
    assert np.abs(by_hand(x) - program(x)).max() > 1e-4


def test_benchmark_measures_processes() -> None:
    """A rate for one process and for two, which have to share a core here."""
    core = min(os.sched_getaffinity(0))
    words = ["--env", "heavenhell-1", "--algo", "dqn", "--history", "none", "--seeds", "2"]
    words += [
        "--num-envs",
        "2",
        "--total-timesteps",
        "800",
        "--warmup-timesteps",
        "200",
        "--log-every",
        "200",
    ]
    words += ["--buffer-timesteps", "2000", "--row-length", "4", "--eval-episodes", "2"]
    found = rates(words, [core, core], rounds=1)
    assert found.keys() == {1, 2}
    assert min(found.values()) > 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--cores", "0"), "at least two cores"),
        (("--cores", "0", "0"), "at least two cores"),
        (("--cores", "0", "9999"), "cannot pin processes to the cores [0, 9999] here"),
        (("--rounds", "0"), "one round"),
    ],
)
def test_benchmark_refuses_cores(words: tuple[str, ...], sentence: str) -> None:
    """One sentence, before anything is trained."""
    ended = call(benchmark.main, "processes", *words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert sentence in ended.err


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_in_bytes(platform: str, unit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux tells it in kibibytes, macOS in bytes."""
    told = types.SimpleNamespace(ru_maxrss=3_000)
    monkeypatch.setattr(resource, "getrusage", lambda who: told)
    monkeypatch.setattr(sys, "platform", platform)
    assert peak_bytes() == unit * 3_000


def test_kernels_are_counted() -> None:
    """The profiler's operations grow with the work; what is busy is within the span."""

    def run(steps: int) -> Executed:
        product = jax.jit(lambda x: jax.lax.fori_loop(0, steps, lambda _, y: jnp.sin(y @ x), x))
        return profile(lambda: product(jnp.eye(32)), 2)

    few, many = run(10), run(110)
    assert many.operations - few.operations >= 100
    assert many.operations_per_step == many.operations / 2
    assert 0 < many.busy_ms <= many.span_ms
    assert covered([(0, 2), (1, 3), (5, 6), (5.5, 5.7)]) == 4
