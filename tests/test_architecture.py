"""The floor plan: who may import whom, and that importing sets nothing up."""

import ast
import graphlib
import pathlib
import subprocess
import sys

import pytest

from runs import ROOT

LIBRARY = ("adqn_jax", "envs")
COMMANDS = sorted((ROOT / "experiments").glob("*.py"))


def modules() -> dict[str, pathlib.Path]:
    """Return every module of the library and of the commands' support, by its name."""
    files = [path for top in LIBRARY for path in (ROOT / top).rglob("*.py")]
    found = {path.relative_to(ROOT): path for path in files}
    support = (ROOT / "experiments" / "support").rglob("*.py")
    found |= {path.relative_to(ROOT / "experiments"): path for path in support}
    return {
        ".".join(name.with_suffix("").parts).removesuffix(".__init__"): path
        for name, path in found.items()
    }


MODULES = modules()


def imported(path: pathlib.Path) -> set[str]:
    """Name what a file imports, anywhere in it: modules, where ours are meant, else as written."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.add(full if full in MODULES else str(node.module))
    return names


def test_no_circles() -> None:
    """Modules can be read in an order in which each builds on those before."""
    graph = {name: imported(path) & MODULES.keys() for name, path in MODULES.items()}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert len(order) == len(MODULES)


def test_arrows_point_one_way() -> None:
    """Neither half of the library knows the other; results do not know runs, nothing commands."""
    forbidden = {
        "adqn_jax": ("envs", "support"),
        "envs": ("adqn_jax", "support"),
        "adqn_jax.results": ("adqn_jax.runs",),
        "adqn_jax.nn": ("adqn_jax.value", "adqn_jax.trainer"),
        "adqn_jax.replay": ("adqn_jax.value", "adqn_jax.nn"),
        "adqn_jax.trainer": ("adqn_jax.value", "adqn_jax.nn"),
        "adqn_jax.rollout": ("adqn_jax.value", "adqn_jax.nn", "adqn_jax.agent"),
    }
    for room, others in forbidden.items():
        for name, path in MODULES.items():
            if f"{name}.".startswith(f"{room}."):
                seen = {i for i in imported(path) for o in others if f"{i}.".startswith(f"{o}.")}
                assert not seen, f"{name} imports {seen}"


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.name)
def test_commands(path: pathlib.Path) -> None:
    """Each has a main, and none imports another."""
    tree = ast.parse(path.read_text())
    assert "main" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert not imported(path) & {command.stem for command in COMMANDS}


def test_importing_sets_nothing_up() -> None:
    """In a notebook that has used JAX and matplotlib already, every module can be imported."""
    names = [*MODULES, *(path.stem for path in COMMANDS)]
    program = f"""
import importlib, signal
import jax, matplotlib.pyplot as pyplot
jax.numpy.zeros(1)
pyplot.switch_backend("svg")
before = dict(jax.config.values), signal.getsignal(signal.SIGINT)
for name in {names!r}:
    importlib.import_module(name)
after = dict(jax.config.values), signal.getsignal(signal.SIGINT)
assert before == after
assert pyplot.get_backend() == "svg"
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "experiments", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
