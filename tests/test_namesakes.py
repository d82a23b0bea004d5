"""The name `envs`: somebody's own package in their project, and ours in the root of a checkout."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from runs import ROOT, WORDS, script

ENV = "import:envs.mine:TMaze"

EMBEDDED = f"""
import jax
import envs
from adqn_jax import Config, envs as ours, make_train

assert envs.WHOSE == "theirs"
assert ours.__name__ == "adqn_jax.envs"
env, params = ours.make({ENV!r})
from envs.mine import TMaze
assert type(env) is TMaze
config = Config("dqn").replace(
    history="none", embedding_size=4, head_sizes=(8,), total_timesteps=480, warmup_timesteps=240,
    log_every=80, buffer_timesteps=1200, num_envs=2, row_length=20, steps_per_iteration=10,
    replay_ratio=2, batch_rows=2, eval_episodes=2,
)
_, metrics = jax.jit(make_train(config, env, params))(jax.random.key(0))
assert not metrics["failed"].any()
"""

SAME = """
import sys
assert envs is adqn_jax.envs
assert CarFlag is adqn_jax.envs.CarFlag
assert envs.pictures.carflag.CarFlag is CarFlag
assert envs.pictures.carflag is adqn_jax.envs.pictures.carflag
assert envs.secrets is sys.modules["envs.secrets"] is sys.modules["adqn_jax.envs.secrets"]
assert type(envs.make("import:envs.carflag:CarFlag")[0]) is CarFlag
assert {m.__name__ for n, m in sys.modules.items() if n.partition(".")[0] == "envs"} <= {
    n for n in sys.modules if n.startswith("adqn_jax.envs")
}
"""
BY_FOLDER = "import envs.pictures.carflag, envs.secrets\nfrom envs.carflag import CarFlag\n"
BY_PACKAGE = "import adqn_jax.envs.pictures.carflag\n"


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project whose own package `envs` has the environment of docs/examples/ in it."""
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "__init__.py").write_text('WHOSE = "theirs"\n')
    shutil.copy(ROOT / "docs" / "examples" / "tmaze.py", tmp_path / "envs" / "mine.py")
    return tmp_path


def python(program: str, folder: pathlib.Path) -> None:
    """Run a program in a folder, which Python then searches first."""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_embedded_beside_another_envs(project: pathlib.Path) -> None:
    """Each is found by its name, and theirs is trained on."""
    python(EMBEDDED, project)


def test_run_beside_another_envs(project: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line trains on theirs."""
    monkeypatch.setenv("PYTHONPATH", str(project))
    words = ("--env", ENV, "--algo", "dqn", "--seeds", "1", "--history", "none", "--name", "x")
    ended = script("run.py", *WORDS, *words, cwd=project)
    assert ended.returncode == 0, ended.stderr
    assert len(list(project.glob("runs/*/dqn/x/metrics.csv"))) == 1


@pytest.mark.parametrize("imports", [BY_FOLDER + BY_PACKAGE, BY_PACKAGE + BY_FOLDER])
def test_ours_by_the_folder_s_name(imports: str) -> None:
    """In the root of a checkout `envs` is `adqn_jax.envs`, whichever comes first."""
    python(imports + SAME, ROOT)


def test_ours_is_not_installed_by_the_folder_s_name(tmp_path: pathlib.Path) -> None:
    """Elsewhere there is no `envs`, even where ours is imported."""
    program = "import adqn_jax.envs, importlib.util\nassert not importlib.util.find_spec('envs')"
    python(program, tmp_path)
