"""The name `envs`, as this folder is called where the root of a checkout is on Python's path.

`import envs` and `import envs.carflag` then give the very modules of `adqn_jax.envs`, so that there
is one class of every name, whichever way it was imported.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any

_SHORT, _OURS = "envs", "adqn_jax.envs"


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `envs.X`, where `envs` is ours; loading it puts `adqn_jax.envs.X` in its place."""

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        ours = sys.modules.get(_SHORT) is sys.modules[_OURS]
        if ours and name.startswith(f"{_SHORT}."):
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        name = module.__name__  # Python takes what stands here afterwards
        sys.modules[name] = importlib.import_module(_OURS + name.removeprefix(_SHORT))


def install() -> None:
    """Let `envs`, which is being imported, and all below it be `adqn_jax.envs`."""
    sys.modules[_SHORT] = sys.modules[_OURS]
    sys.meta_path.insert(0, _Alias())
