"""Imports of gymnax what an environment needs: its zoo and its pictures come when they are used.

The packages of gymnax 1.0.1 import all of its environments, which compute with JAX meanwhile, and
these seaborn and matplotlib.pyplot, for methods that draw. So the packages are imported without
what their `__init__.py` does; the first use of a name that this would define does it. While that
happens, stand-ins take the places of what draws; the first method that draws imports the real ones.
"""

import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from typing import Any

_PACKAGES = ("gymnax", "gymnax.environments")
_DRAWING = (
    "matplotlib", "matplotlib.animation", "matplotlib.colors", "matplotlib.pyplot", "seaborn",
)  # fmt: skip


class _Later(types.ModuleType):
    """Stands for a module that is imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        """Find a name in the real module."""
        if name.startswith("__"):  # the import system's questions, not a use
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


class _Package(types.ModuleType):
    """A package whose modules can be imported; itself it is run when another name is asked for."""

    _run = False

    def __getattr__(self, name: str) -> Any:
        """Find a module of the package, or run it for whatever else it has."""
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        if importlib.util.find_spec(f"{self.__name__}.{name}") is not None:
            return importlib.import_module(f"{self.__name__}.{name}")
        spec = self.__spec__
        if self._run or spec is None or spec.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self._run = True
        with _without_pictures():
            spec.loader.exec_module(self)
        return getattr(self, name)


@contextlib.contextmanager
def _without_pictures() -> Iterator[None]:
    """Let stand-ins take the places of what draws, where it is not imported already."""
    absent = {name: _Later(name) for name in _DRAWING if name not in sys.modules}
    for name, module in absent.items():
        package, _, short = name.rpartition(".")
        if package in absent:
            setattr(absent[package], short, module)
    sys.modules.update(absent)
    try:
        yield
    finally:
        # Whoever imports them next gets the real ones; gymnax keeps its stand-ins.
        for name in absent:
            del sys.modules[name]


def _import() -> None:
    for name in _PACKAGES:
        if name in sys.modules:  # somebody has imported all of it
            return
        spec = importlib.util.find_spec(name)
        if spec is None:  # whoever imports it is told
            return
        package = _Package(name)
        package.__spec__, package.__loader__ = spec, spec.loader
        package.__file__, package.__path__ = spec.origin, spec.submodule_search_locations or []
        package.__package__ = name
        sys.modules[name] = package
        parent, _, short = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], short, package)


_import()
