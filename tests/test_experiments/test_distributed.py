"""run.py in several processes does what it does in one, whatever happens to them."""

import os
import pathlib
import re
import signal
import time
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from adqn_jax.runs.checkpoint import Checkpoints
from adqn_jax.runs.ending import LOST
from peers import Peers
from runs import ROOT, call, files_of, rows_of, script
from support import distributed

SEEDS = 3  # in two processes of one device as in one of two: one place is left over
WORDS = (
    *("--env", "heavenhell-1", "--algo", "dqn", "--history", "none", "--seeds", str(SEEDS)),
    *("--num-envs", "2", "--eval-episodes", "2", "--embedding-size", "4", "--head-sizes", "8"),
    *("--warmup-timesteps", "400", "--buffer-timesteps", "4000", "--row-length", "4"),
    *("--replay-ratio", "2", "--log-every", "400"),
)
SHORT = (*WORDS, "--batch-rows", "1", "--total-timesteps", "1600")
#: Long enough to be interrupted.
LONG = (*WORDS, "--batch-rows", "1", "--total-timesteps", "6000", "--checkpoint-minutes", "1e-9")
RUN = ROOT / "experiments" / "run.py"
FOLDER = pathlib.Path("runs", "heavenhell-1", "dqn", "memoryless")


def states_of(folder: pathlib.Path) -> list[tuple[Any, bytes]]:
    """Read the states of all seeds from the last checkpoint, bit for bit."""
    checkpoints = Checkpoints(folder.absolute() / "checkpoints", SEEDS)
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.damaged == ()
    step = checkpoints.folder / str(newest.iterations) / "states"
    shapes = ocp.StandardCheckpointHandler().metadata(step).tree
    arrays = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes)
    states = ocp.PyTreeCheckpointer().restore(step, restore_args=arrays)
    return [(x.dtype, x[:SEEDS].tobytes()) for x in jax.tree.leaves(states)]


def results(cwd: pathlib.Path) -> tuple[Any, ...]:
    """Read all that a run has to show."""
    folder = cwd / FOLDER
    return rows_of(folder), files_of(folder / "policy"), states_of(folder)


def finish_alone(cwd: pathlib.Path, *words: str) -> None:
    """Let one process with two devices train to the end."""
    done = script("run.py", *words, cwd=cwd)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What the long run leads to in one process."""
    cwd = tmp_path_factory.mktemp("alone")
    finish_alone(cwd, *LONG)
    return results(cwd)


def test_training_in_two_processes(tmp_path: pathlib.Path) -> None:
    """Metrics, policies and checkpoint are those of one process with two devices, bit for bit."""
    (tmp_path / "one").mkdir()
    finish_alone(tmp_path / "one", *SHORT)
    two = Peers.start(RUN, SHORT, 2, tmp_path).wait()
    assert [code for code, *_ in two] == [0, 0], two
    assert "3 seeds on 2 x cpu in 2 processes" in two[0][1]
    assert two[1][1] == "", "only process 0 speaks"
    assert results(tmp_path) == results(tmp_path / "one")
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == [
        *("checkpoints", "config.json", "curve.png", "metrics.csv", "policy"),
    ]  # fmt: skip


def test_training_sweep_in_two_processes(tmp_path: pathlib.Path) -> None:
    """Two programs of two points each leave what one process leaves."""
    words = (
        *WORDS,
        "--total-timesteps",
        "1600",
        "--grid",
        "learning-rate=1e-3,1e-2",
        "batch-rows=1,2",
    )
    (tmp_path / "one").mkdir()
    done = script("sweep.py", *words, cwd=tmp_path / "one")
    assert done.returncode == 0, done.stderr
    two = Peers.start(RUN.with_name("sweep.py"), words, 2, tmp_path).wait()
    assert [code for code, *_ in two] == [0, 0], two
    assert two[1][1] == "", "only process 0 speaks"
    table = pathlib.Path("runs", "sweep", "sweep.csv")
    assert (tmp_path / table).read_text() == (tmp_path / "one" / table).read_text()
    points = sorted(path.name for path in (tmp_path / "runs" / "sweep").glob("*=*"))
    assert len(points) == 4
    for point in points:
        of_two, of_one = (cwd / "runs" / "sweep" / point for cwd in (tmp_path, tmp_path / "one"))
        assert rows_of(of_two) == rows_of(of_one)
        assert files_of(of_two / "policy") == files_of(of_one / "policy")


@pytest.mark.parametrize("others", [1, 4])
def test_training_stopped_and_resumed_by_others(
    others: int, alone: tuple[Any, ...], tmp_path: pathlib.Path
) -> None:
    """SIGTERM to process 1 stops both; one or four processes go on to the same end."""
    peers = Peers.start(RUN, LONG, 2, tmp_path)
    wait_for(peers, tmp_path / FOLDER / "checkpoints" / "*" / "manifest.json")
    peers.kill(1, signal.SIGTERM)
    for code, _, err in peers.wait():
        assert code == 128 + signal.SIGTERM, err
        assert re.search(r"^SIGTERM received by process 1: stopped at timestep [\d,]+;", err, re.M)
    if others == 1:
        finish_alone(tmp_path, *LONG, "--resume")
    else:
        for code, _, err in Peers.start(RUN, (*LONG, "--resume"), others, tmp_path).wait():
            assert code == 0, err
    rows, policies, states = results(tmp_path)
    assert (rows, states) == (alone[0], alone[2])
    assert policies.keys() == alone[1].keys()


@pytest.mark.parametrize("victim", [0, 1])
def test_training_killed_and_resumed(
    victim: int, alone: tuple[Any, ...], tmp_path: pathlib.Path
) -> None:
    """After kill -9 the other process ends with a sentence; one process goes on."""
    peers = Peers.start(RUN, LONG, 2, tmp_path)
    wait_for(peers, tmp_path / FOLDER / "checkpoints" / "*" / "manifest.json")
    peers.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    ended = peers.wait()
    assert time.monotonic() - killed < 90, "30 seconds, on a machine that has time"
    assert ended[victim][0] == -signal.SIGKILL
    code, _, err = ended[1 - victim]
    assert code == LOST, err
    assert f"process {victim} of 2 is gone" in err.strip().splitlines()[-1]
    finish_alone(tmp_path, *LONG, "--resume")
    assert results(tmp_path) == alone


def wait_for(peers: Peers, pattern: pathlib.Path) -> None:
    """Wait until there is such a file."""
    while not list(pathlib.Path("/").glob(str(pattern).lstrip("/"))):
        assert all(process.poll() is None for process in peers.processes), peers.wait()
        time.sleep(0.01)


def test_training_refused_by_the_first(tmp_path: pathlib.Path) -> None:
    """What process 0 refuses ends all with its sentence; what was there stays."""
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "theirs").write_text("mine")
    ended = Peers.start(RUN, SHORT, 2, tmp_path).wait()
    for code, _, err in ended:
        assert code == 2, err
        assert err.count("holds other files") == 1
    assert files_of(tmp_path / FOLDER) == {"theirs": b"mine"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--processes", "2", "--process", "0"), "--coordinator is missing"),
        (("--coordinator", "h:1", "--process", "0"), "--processes is missing"),
        (("--coordinator", "h:1", "--processes", "2"), "--process is missing"),
        (("--coordinator", "h:1", "--processes", "2", "--process", "2"), "from 0 to 1"),
        (("--coordinator", "h:1", "--processes", "2", "--process", "-1"), "from 0 to 1"),
        (("--coordinator", "h:1", "--processes", "0", "--process", "0"), "at least 1, got 0"),
        (("--coordinator", "h", "--processes", "2", "--process", "0"), "HOST:PORT, got 'h'"),
        (("--coordinator", "h:x", "--processes", "2", "--process", "0"), "HOST:PORT, got 'h:x'"),
    ],
)
def test_bad_processes(words: tuple[str, ...], sentence: str) -> None:
    """One sentence, exit code 2, before anybody is waited for."""
    ended = call(distributed.join, "--env", "carflag", "--distributed", *words)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.err.count("\n") == 1


def test_processes_need_distributed() -> None:
    """Without it nobody would be waited for."""
    words = ("--coordinator", "h:1", "--processes", "2", "--process", "0")
    ended = call(distributed.join, *words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "need --distributed" in ended.err


def test_no_cluster_is_found(tmp_path: pathlib.Path) -> None:
    """Where JAX knows of no processes, the command line must tell."""
    assert not any(name.startswith("SLURM") for name in os.environ)
    ended = script("run.py", "--distributed", cwd=tmp_path)
    assert ended.returncode == 2
    assert "give --coordinator HOST:PORT --processes N --process I" in ended.stderr
    assert ended.stderr.count("\n") == 1
