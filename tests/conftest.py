"""Options, strictness and fixtures of the whole suite."""

import atexit
import importlib.metadata
import os
import pathlib
import re
import shutil
import sys
import tempfile

# A worker of pytest-xdist has cores of its own, and so have the processes that it starts: on the
# same ones threads of one worker wait for those of another, and all takes half as long again.
if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    _worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    _every = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.sched_setaffinity(0, _cores[_worker % len(_cores) :: _every])

# Before JAX is imported, for this process and those that it starts: two devices, as on a machine
# with two cores; programs compiled in a hurry, as they run for seconds; one cache of them.
if "ADQN_JAX_TEST_ACCELERATOR" in os.environ:  # `make gpu`: the device that JAX finds, as it is
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # which several processes share
else:
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = (
        "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    )
    # Without the newer emitters of fused loops compiling takes half the time. Only jaxlib 0.10 lets
    # one choose; others take a flag that they do not know for a reason to abort.
    if importlib.metadata.version("jaxlib").startswith("0.10."):
        os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # workers of pytest-xdist inherit it
    _folder = tempfile.mkdtemp(prefix="adqn_jax_tests_")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _folder
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    # Where no bytecode may be written beside the sources, each of the many processes that tests
    # start would spend seconds on making its own.
    if sys.pycache_prefix is None and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        sys.dont_write_bytecode = False
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = f"{_folder}/bytecode"
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")  # by default a second

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(os.environ["JAX_COMPILATION_CACHE_DIR"])  # and not the current folder
# The same examples every time: a failure is one for everybody. No deadline: machines are busy.
hypothesis.settings.register_profile(
    "adqn_jax", max_examples=30, deadline=None, derandomize=True, database=None
)
hypothesis.settings.load_profile("adqn_jax")

#: Files that take long, the longest first: begun last, one worker would be left with them alone.
LONG = (
    "test_golden_actor_critics.py",
    *("test_golden_losses.py", "test_interruptions.py", "test_figure1.py", "test_run.py"),
    *("test_kills.py", "test_sinks.py", "test_sweep.py", "test_trainer.py", "test_probes.py"),
    *("test_benchmark.py", "test_render.py", "test_theory.py", "test_docs.py", "test_policies.py"),
    *("test_sixth_algorithm.py", "test_parallel.py", "test_learner.py", "test_model.py"),
)

#: What is left to `make test-all`, as patterns of names: the wider part of families of which some
#: members always run, and whole commands whose pieces have tests of their own.
WIDE = (
    # Exact comparisons: the largest recording; its values and losses stay, and all of the others.
    r"test_golden_(training|outputs)\[memory-four-rooms-7x7-(dqn|adqn|adqn-state|a2c|a2c-state)\]",
    r"test_golden_training\[memory-four-rooms-7x7-(adqn-vr|adqn-state-vr|a2c-asym)\]",
    r"test_golden_(outputs|loss_of_each_episode)\[memory-four-rooms-7x7-a2c-asym\]",
    r"test_golden_loss_of_each_episode\[memory-four-rooms-7x7-a2c-state\]",
    # Rainbow's flags: every pair, set or not, is among the subsets that remain.
    r"test_any_part_of_rainbow\[(?!(none|double\+dueling\+n-step|distributional\+double\+dueling"
    r"|double\+prioritised|distributional\+dueling\+prioritised|distributional\+n-step"
    r"|dueling\+n-step\+prioritised)\])",
    # Other choices: each value of each is in one that remains, or in tests of the trainer.
    r"test_other_combinations\[\{'values': '(quantile|particles)'",
    r"test_other_combinations\[\{'target': 'none', 'replay': 'none', 'replay_ratio': 1.0\}",
    r"test_no_replay_trains_on_what_was_just_made\[lstm-1\]",
    r"test_probes\.py::test_(constant_reward|two_steps|action|memory)\[dqn\]",
    # Environments that the host steps: one algorithm stays, and acting while learning.
    r"test_numbers_are_those_of_compiled_environments\[(value|actor-critic|whole|imitation)\]",
    r"test_ratios_are_over_who_acted",
    r"test_lag\[3\]",
    r"test_going_on_with_new_episodes",
    r"test_gymnasium\.py::test_a_run_from_begin_to_end",
    r"test_a_simulator_of_gymnasium",
    # Imitation, where the other families are tested in the same way.
    r"test_trainer\.py::test_(same|seed|chunks|timesteps).*\[imitating\]",
    r"test_overestimation\.py::test_q_learning_overestimates",
    r"test_(stopped_after_every_chunk|a_share_of_the_seeds)\[(ppo-asym|a2d)\]",
    r"test_memories_are_those_of_the_streams\[lstm\]",
    # Runs in processes of their own, beside those that end, or resume, in this one.
    r"test_ended_run_ends_as_one_that_was_not",
    r"test_figure1\.py::test_sigterm_reaches_the_run",
    r"test_streams\[\{run\} \| head -1\]",
    r"test_namesakes\.py::test_run_beside_another_envs",
    # Whole runs in several processes; what these tell each other, and their shares, stay.
    r"test_distributed\.py::test_(training|no_cluster)",
    r"test_two_processes\[vanish-first",
    # Every command with every family; one family's stay.
    r"test_(imitation|actor_critics)\.py::test_every_command",
    r"test_any_gymnax_environment",
    r"test_throughput_beside_another",
    r"test_peers\.py::test_by_turns",
    # Pages in a browser.
    r"test_report\.py::test_in_a_browser",
    r"test_tutorial\.py::test_it_runs_from_top_to_bottom",
    r"actor_critic/test_probes\.py::test_memory\[shared\]",
    r"test_the_critic_is_shown_as_long_as_there_is_one\[checkpoint\]",
    r"test_theory\.py::test_everything_holds",
    r"test_benchmark_measures_(environments|training|parts|precision|processes|replay|runners|growth)",
    r"test_wheel\.py::test_trains_and_acts",
    r"test_foraging_laws\.py::test_64_bits_change_nothing",
)

GOLDEN = pathlib.Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let everything run, and the recordings come from another folder."""
    parser.addoption("--all", action="store_true", help="run what is left to make test-all, too")
    parser.addoption(
        "--golden-dir",
        type=pathlib.Path,
        default=GOLDEN,
        help=f"folder with the recordings to compare with (default {GOLDEN})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist share out files in our order; its own is by the number of tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that take long; leave out what is wide, unless it is asked for."""
    place = {name: i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))
    stale = [pattern for pattern in WIDE if not any(re.search(pattern, i.nodeid) for i in items)]
    if stale and config.args == config.getini("testpaths"):
        raise pytest.UsageError(f"conftest.py: WIDE names tests that are not there: {stale}")
    if config.option.all or any("::" in word for word in config.args):
        return
    wide = re.compile("|".join(WIDE))
    left = [item for item in items if wide.search(item.nodeid)]
    items[:] = [item for item in items if not wide.search(item.nodeid)]
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def golden_dir(request: pytest.FixtureRequest) -> pathlib.Path:
    """The folder of the recordings."""
    folder: pathlib.Path = request.config.getoption("--golden-dir")
    if not folder.is_dir():
        pytest.exit(f"--golden-dir: {folder} is not a folder", returncode=2)
    return folder


@pytest.fixture
def own_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
