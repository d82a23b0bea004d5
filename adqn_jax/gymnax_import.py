"""Imports gymnax without what only its pictures need: the first second of every program.

Modules of gymnax 1.0.1 import seaborn and matplotlib.pyplot for methods that draw. While gymnax is
imported, stand-ins take their places; the first method that draws imports the real ones.
"""

import importlib
import sys
import types
from typing import Any

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


def _import() -> None:
    absent = {name: _Later(name) for name in _DRAWING if name not in sys.modules}
    for name, module in absent.items():
        package, _, short = name.rpartition(".")
        if package in absent:
            setattr(absent[package], short, module)
    sys.modules.update(absent)
    try:
        importlib.import_module("gymnax")
    finally:
        # Whoever imports them next gets the real ones; gymnax keeps its stand-ins.
        for name in absent:
            del sys.modules[name]


_import()
