"""The wheel: what it holds, that it works without this checkout, and what it says it needs."""

import ast
import dataclasses
import importlib.metadata
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

import adqn_jax

ROOT = pathlib.Path(__file__).parents[1]
OUTSIDE = ROOT / "tests" / "outside"
#: The library's packages, by their folders in the checkout.
FOLDERS = {"adqn_jax": "adqn_jax", "envs": "adqn_jax.envs"}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]


@dataclasses.dataclass(frozen=True)
class Installed:
    """The wheel, and an environment that it is installed in."""

    wheel: pathlib.Path
    environment: pathlib.Path

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return str(self.environment / "bin" / "python")

    def run(self, script: str, folder: pathlib.Path) -> dict[str, Any]:
        """Run a script of tests/outside/ in an empty folder, isolated; return what it found."""
        ended = subprocess.run(
            [self.python, "-I", str(OUTSIDE / script)],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)  # it printed nothing else
        return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel from a copy, and install it where all else is borrowed from here.

    In the checkout itself setuptools would leave a folder build/, and find there what an earlier
    one left. Nothing is downloaded.
    """
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*FOLDERS, "experiments", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "golden")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(made), str(source))
    (wheel,) = made.iterdir()
    return Installed(wheel, fresh_environment(made / "environment", wheel))


def fresh_environment(folder: pathlib.Path, wheel: pathlib.Path) -> pathlib.Path:
    """Make an environment of the wheel and, by a .pth file, of the packages installed here.

    Python reads the .pth files of an environment's own site-packages only: not the one here by
    which this checkout is installed.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip("--python", str(folder / "bin" / "python"), "install", "--no-deps", str(wheel))
    (own,) = folder.glob("lib/python*/site-packages")
    here = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (own / "borrowed.pth").write_text("\n".join(here))
    return folder


def pip(*words: str) -> None:
    """Run this environment's pip, without a package index."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", *quiet, *words, "--no-index"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_files(installed: Installed) -> None:
    """All modules and the marks of their types are in the wheel, and nothing else."""
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    about = {name for name in names if ".dist-info/" in name}
    package = {folder: name.replace(".", "/") for folder, name in FOLDERS.items()}
    modules = {
        f"{package[folder]}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert names - about == modules | {f"{folder}/py.typed" for folder in package.values()}
    assert {name.partition("/")[0] for name in about} == {
        f"adqn_jax-{adqn_jax.__version__}.dist-info"
    }


def test_every_package_is_listed() -> None:
    """pyproject.toml names every folder with an __init__.py in it, as a package."""
    found = {
        ".".join([package, *init.parent.relative_to(ROOT / folder).parts])
        for folder, package in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert set(SETTINGS["tool"]["setuptools"]["packages"]) == found


def test_trains_and_acts(installed: Installed, tmp_path: pathlib.Path) -> None:
    """From the wheel alone two seeds train, and a policy is kept, loaded and acts."""
    found = installed.run("train_and_act.py", tmp_path)
    for module in found["modules"]:
        assert pathlib.Path(module).is_relative_to(installed.environment)
    assert found["versions"] == [adqn_jax.__version__] * 2
    assert all(map(math.isfinite, found["values"]))
    assert found["action"] == found["values"].index(max(found["values"]))


def test_without_extras(installed: Installed, tmp_path: pathlib.Path) -> None:
    """The core imports; the rest, and training, say in one sentence which extra is missing."""
    found = installed.run("without_extras.py", tmp_path)
    assert not any(found["core"].values()), found["core"]
    scipy, matplotlib = sentence("scipy", "results"), sentence("matplotlib", "results")
    for module, said in found["nothing"].items():
        assert said == (matplotlib if module.startswith("adqn_jax.envs") else scipy), module
    for module, said in found["scipy"].items():
        drawn = module.startswith("adqn_jax.envs") or module.endswith("figures")
        assert said == (matplotlib if drawn else ""), module
    assert found["train"] == [sentence("tqdm", "experiments"), scipy, matplotlib]
    assert found["left"] == []


def sentence(package: str, extra: str) -> str:
    """Return what says that a package is missing."""
    return (
        f"the package {package} is not installed: pip install 'adqn-jax[{extra}]' (in a checkout: "
        f"pip install -e '.[{extra}]')"
    )


def test_what_is_imported_is_declared() -> None:
    """What a module imports is a dependency of the core, or of the extra that it names."""
    brought_by = importlib.metadata.packages_distributions()
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        # This folder's __init__.py checks for the extra on behalf of all modules in it, and
        # envs/registry.py on behalf of those that adapt Gymnasium's environments.
        drawn = path.is_relative_to(ROOT / "envs" / "pictures")
        brings = "results" if drawn else "gymnasium" * ("gymnasium" in path.name)
        for package, extra in imports(ast.parse(path.read_text()), brings):
            distributions = brought_by.get(package, [package])
            assert {normal(name) for name in distributions} & declared(extra), (path, package)


def imports(node: ast.AST, extra: str | None) -> Iterator[tuple[str, str]]:
    """Find what a module imports, or a block `with extra(...)` anywhere in it, from elsewhere.

    Args:
      node: the module, or a part of it.
      extra: what brings the packages imported; "" for the core. None in a function, which may
        import what it has looked for before.

    Yields:
      A package, and the extra that should bring it.
    """
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names) if extra is not None:
                yield from ((name, extra) for name in foreign(*(alias.name for alias in names)))
            case ast.ImportFrom(module=str(name), level=0) if extra is not None:
                yield from ((name, extra) for name in foreign(name))
            case ast.FunctionDef():
                yield from imports(child, None)
            case ast.With(items=[ast.withitem(ast.Call(ast.Name("extra"), [ast.Constant(name)]))]):
                yield from imports(child, name)
            case _:
                yield from imports(child, extra)


def foreign(*modules: str) -> Iterator[str]:
    """Name the packages of modules that are neither ours nor Python's."""
    for module in modules:
        package = module.partition(".")[0]
        if package != "adqn_jax" and package not in sys.stdlib_module_names:
            yield package


def declared(extra: str) -> set[str]:
    """Name what the core and an extra depend on, and the extras that this one includes."""
    lines = list(PROJECT["dependencies"])
    if extra:
        lines += PROJECT["optional-dependencies"][extra]
    names = {normal(re.split(r"[\[<>=~! ]", line)[0]) for line in lines}
    for line in lines:
        if included := re.fullmatch(r"adqn-jax\[(.*)\]", line):
            names = names.union(*map(declared, included[1].split(",")))
    return names


def normal(name: str) -> str:
    """Spell a distribution's name as others do."""
    return re.sub(r"[-_.]+", "-", name).lower()
