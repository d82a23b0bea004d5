"""Seeds over devices: whatever the device, and however the seeds are laid out on it."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probes
from adqn_jax import SeedRunner, make_trainer, seed_keys
from adqn_jax.types import TrainState
from settings import small

SEEDS = 3  # on two devices: one place is left over
ENV = probes.TwoSteps()
CONFIG = small("adqn", history="none", total_timesteps=400)
ITERATIONS = 4  # run at a time
RATES = jnp.array([5e-3, 1e-3])  # two points of a sweep
HYPER = CONFIG.hyper.replace(learning_rate=RATES)


def run() -> tuple[SeedRunner, TrainState, dict[str, np.ndarray]]:
    """Train all seeds of both points, twice for a while, and evaluate them."""
    runner = SeedRunner(make_trainer(CONFIG, ENV, ENV.default_params), SEEDS, HYPER)
    runner.compile()
    states = runner.init(jax.random.key(0))
    with jax.transfer_guard("disallow"):  # as the tests on accelerators do
        for _ in range(2):
            states = runner.iterate(states, ITERATIONS)
    return runner, states, runner.evaluate(states)


@pytest.fixture(scope="module")
def one_by_one() -> tuple[SeedRunner, TrainState, dict[str, np.ndarray]]:
    """The run as it is on a CPU."""
    return run()


def assert_close(ours: Any, theirs: Any) -> None:
    """Compare trees to rounding, keys and counters exactly."""
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_side_by_side_as_one_by_one(one_by_one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an accelerator runs, `vmap` in `shard_map`, gives the numbers of a CPU."""
    monkeypatch.setattr(SeedRunner, "_one_by_one", False)
    runner, states, metrics = run()
    assert_close((states, metrics), one_by_one[1:])
    for of, loops in ((runner, False), (one_by_one[0], True)):
        monkeypatch.setattr(SeedRunner, "_one_by_one", loops)
        program = of.over_seeds(lambda x: 2 * x).lower(jnp.arange(6.0))
        assert ("while" in program.as_text()) == loops


def test_states_are_replaced_in_place(one_by_one: Any) -> None:
    """A CPU, too, holds all states once, and beside them a copy of one seed's."""
    runner, size = one_by_one[0], 100_000
    states = jnp.arange(6.0 * size).reshape(6, size)
    scatter = lambda x, y: {"x": x["x"].at[:2].add(y)}  # noqa: E731
    numbers = jnp.arange(6.0)
    expected = runner.over_seeds(scatter)({"x": states}, numbers)
    program = runner.over_seeds(scatter, donate=True).lower({"x": states}, numbers).compile()
    needs = program.memory_analysis()
    of_device = 3 * size * 4
    assert needs.alias_size_in_bytes == needs.output_size_in_bytes == of_device
    assert needs.temp_size_in_bytes < 1.01 * of_device / 3
    np.testing.assert_array_equal(program({"x": states}, numbers)["x"], expected["x"])


@pytest.mark.parametrize(
    ("init", "iterate", "evaluate", "needed"),
    [
        ((0, 70, 0, 40), (80, 70, 70, 20), (10, 1, 0, 2), 110),  # gathering what one begins with
        ((0, 70, 0, 4), (80, 70, 70, 20), (10, 1, 0, 2), 100),  # training
        ((0, 70, 0, 4), (80, 70, 70, 20), (10, 1, 0, 50), 121),  # evaluating, states beside it
    ],
)
def test_bytes_needed(
    init: tuple[int, ...], iterate: tuple[int, ...], evaluate: tuple[int, ...], needed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Those of the neediest program, on two devices: arguments, results, what is both, the rest.

    On a CPU seeds share what is not their states, of 70 bytes.
    """
    runner = SeedRunner(make_trainer(CONFIG, ENV, ENV.default_params), SEEDS, HYPER)
    names = ("argument", "output", "alias", "temp")
    for name, sizes in (("_init", init), ("_iterate", iterate), ("_evaluate", evaluate)):
        analysis = SimpleNamespace(
            **{f"{n}_size_in_bytes": size for n, size in zip(names, sizes, strict=True)}
        )
        setattr(runner, name, SimpleNamespace(memory_analysis=lambda analysis=analysis: analysis))
    assert (runner.bytes_needed, runner.bytes_shared) == (2 * needed, 2 * (needed - 70))
    monkeypatch.setattr(SeedRunner, "_one_by_one", False)
    assert (runner.bytes_needed, runner.bytes_shared) == (2 * needed, 0)


def test_seeds_are_reported_by_point(one_by_one: Any) -> None:
    """Six of six places; the seeds of the first point first; each point from the same keys."""
    runner, states, metrics = one_by_one
    assert runner.total_seeds == runner.places == 6
    assert {len(values) for values in metrics.values()} == {6}
    assert (
        np.asarray(runner.hyper_of_seeds.learning_rate).tolist()
        == np.repeat(np.float32(RATES), SEEDS).tolist()
    )
    keys = jax.random.key_data(runner.init(jax.random.key(0)).key)
    np.testing.assert_array_equal(keys[:SEEDS], keys[SEEDS:])
    assert len(np.unique(keys[:SEEDS], axis=0)) == SEEDS
    table = np.asarray(states.agent.params["q"]["head"]["params"]["Linear_0"]["kernel"])
    assert len({row.tobytes() for row in table}) == 6, "every seed and rate must matter"


def test_places_left_over_are_not_reported() -> None:
    """Three seeds on two devices take four places, the last seed two of them."""
    runner = SeedRunner(make_trainer(CONFIG, ENV, ENV.default_params), SEEDS, CONFIG.hyper)
    devices = len(jax.local_devices())
    assert runner.places == -(-SEEDS // devices) * devices
    doubled = runner.over_seeds(lambda key: jax.random.bits(key))(runner._keys(jax.random.key(0)))
    expected = jax.vmap(jax.random.bits)(seed_keys(jax.random.key(0), SEEDS))
    np.testing.assert_array_equal(doubled[:SEEDS], expected)
    np.testing.assert_array_equal(doubled[SEEDS:], expected[-1:].repeat(runner.places - SEEDS))


def slowed(function: Callable[[], Any], seconds: float) -> Callable[[], Any]:
    """Return a function that takes so much longer."""

    def slow() -> Any:
        time.sleep(seconds)
        return function()

    return slow


def test_evaluation_compiled_while_training(
    one_by_one: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out until asked for, gives the same bits, and its wait counts as compiling."""
    runner = SeedRunner(make_trainer(CONFIG, ENV, ENV.default_params), SEEDS, HYPER)
    runner.compile(evaluation=False)
    assert runner._compiling is None, "training begins before"
    states = runner.iterate(runner.init(jax.random.key(0)), ITERATIONS)
    runner.compile_evaluation()
    states, before = runner.iterate(states, ITERATIONS), runner.compile_seconds
    compiling, waits = runner._compiling, 0.2
    assert compiling is not None
    monkeypatch.setattr(compiling, "result", slowed(compiling.result, waits))
    metrics = runner.evaluate(states)
    assert runner.compile_seconds - before >= waits
    for ours, theirs in zip(
        jax.tree.leaves((states, metrics)), jax.tree.leaves(one_by_one[1:]), strict=True
    ):
        if jnp.issubdtype(ours.dtype, jax.dtypes.prng_key):
            ours, theirs = jax.random.key_data(ours), jax.random.key_data(theirs)
        np.testing.assert_array_equal(ours, theirs)


def test_what_fails_in_the_background_is_told() -> None:
    """Whoever evaluates is told what the compiler raised, each time."""
    runner = SeedRunner(make_trainer(CONFIG, ENV, ENV.default_params), SEEDS, HYPER)

    def fail() -> None:
        raise MemoryError("no room to compile")

    runner._traced = SimpleNamespace(lower=lambda: SimpleNamespace(compile=fail))
    runner.compile_evaluation()  # which itself raises nothing: training goes on until it matters
    for _ in range(2):
        with pytest.raises(MemoryError, match="no room to compile"):
            runner.evaluate(runner.abstract_states)


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
def test_shares_of_processes(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each seed of each point is one process's, with its own key and numbers."""
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    trainer = make_trainer(CONFIG, ENV, ENV.default_params)
    key, shares, places = jax.random.key(0), [], set()
    keys = np.tile(jax.random.key_data(seed_keys(key, SEEDS)), (2, 1))
    for process in range(processes):
        monkeypatch.setattr(jax, "process_index", lambda process=process: process)
        runner = SeedRunner(trainer, SEEDS, HYPER)
        shares += runner.share
        places.add(runner.places)
        own = [*runner.share, *[5] * runner.places][: runner.places]
        np.testing.assert_array_equal(jax.random.key_data(runner._keys(key)), keys[own])
        rates = np.repeat(np.float32(RATES), SEEDS)[own]
        np.testing.assert_array_equal(runner.hyper_of_seeds.learning_rate, rates)
    assert shares == list(range(6))
    assert len(places) == 1, "all compile the same program"


def test_a_seed_s_key_is_its_own() -> None:
    """`fold_in(key, i)`, however many seeds there are."""
    key = jax.random.key(7)
    few, many = (jax.random.key_data(seed_keys(key, n)) for n in (2, 5))
    np.testing.assert_array_equal(few, many[:2])
    np.testing.assert_array_equal(many[4], jax.random.key_data(jax.random.fold_in(key, 4)))
