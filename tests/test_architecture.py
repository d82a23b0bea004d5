"""The floor plan: who may import whom, and that importing sets nothing up."""

import ast
import graphlib
import importlib.util
import pathlib
import subprocess
import sys

import pytest

from runs import ROOT

#: Packages of the library, and folders of modules that experiments/ finds, by their folders.
FOLDERS = {"adqn_jax": "adqn_jax", "envs": "adqn_jax.envs", "experiments/support": "support"}
COMMANDS = sorted((ROOT / "experiments").glob("*.py"))


def modules() -> dict[str, pathlib.Path]:
    """Return every module of the library and of the commands' support, by its name."""
    found = {}
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *parts]).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(path: pathlib.Path) -> set[str]:
    """Name what a file imports, anywhere in it: modules, where ours are meant, else as written."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if node.level:
                assert path.is_relative_to(ROOT / "envs"), f"{path}: imports are absolute"
                base = importlib.util.resolve_name(base, package_of(path))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                names.add(full if full in MODULES else base)
    return names


def package_of(path: pathlib.Path) -> str:
    """Name the package that relative imports of a file start from."""
    (name,) = (name for name, file in MODULES.items() if file == path)
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def half(module: str) -> str:
    """Name the part of all this that a module belongs to, or its package."""
    return "adqn_jax.envs" if within("adqn_jax.envs", module) else module.partition(".")[0]


def within(room: str, module: str) -> bool:
    """Whether a module is a package, or in it."""
    return f"{module}.".startswith(f"{room}.")


def test_no_circles() -> None:
    """Modules can be read in an order in which each builds on those before."""
    graph = {name: imported(path) & MODULES.keys() for name, path in MODULES.items()}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert len(order) == len(MODULES)


def test_arrows_point_one_way() -> None:
    """Results do not know runs; of the parts of a trainer, each knows those below it."""
    families = ("adqn_jax.value", "adqn_jax.actor_critic", "adqn_jax.imitation")
    forbidden: dict[str, tuple[str, ...]] = {
        "adqn_jax.results": ("adqn_jax.runs",),
        "adqn_jax.nn": (*families, "adqn_jax.trainer"),
        "adqn_jax.replay": (*families, "adqn_jax.nn"),
        "adqn_jax.trainer": (*families, "adqn_jax.nn"),
        "adqn_jax.rollout": (*families, "adqn_jax.nn", "adqn_jax.agent"),
        "adqn_jax.returns": families,
        "adqn_jax.value": ("adqn_jax.actor_critic", "adqn_jax.imitation"),
        "adqn_jax.actor_critic": ("adqn_jax.value", "adqn_jax.imitation"),
        "adqn_jax.imitation": ("adqn_jax.value", "adqn_jax.actor_critic"),
    }
    for room, others in forbidden.items():
        for name, path in MODULES.items():
            if within(room, name):
                seen = {i for i in imported(path) for other in others if within(other, i)}
                assert not seen, f"{name} imports {seen}"


def test_halves_do_not_know_each_other() -> None:
    """Trainer and environments do without each other, and both without commands."""
    parts = {"adqn_jax", "adqn_jax.envs", "support"}
    for name, path in MODULES.items():
        seen = parts & set(map(half, imported(path)))
        assert half(name) == "support" or seen <= {half(name)}, f"{name} imports {seen}"


def test_the_folder_s_name_is_nobody_s_import() -> None:
    """A package `envs` may be anybody's: ours is imported as `adqn_jax.envs`."""
    paths = [*MODULES.values(), *COMMANDS]
    assert [path for path in paths if "envs" in map(half, imported(path))] == []


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
