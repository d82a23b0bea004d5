"""Optional dependencies: what is missing, and the extra of the package that brings it."""

import contextlib
import importlib.util
from collections.abc import Iterator


class MissingExtraError(ImportError, ValueError):
    """A package that an extra brings is not installed; the message is a sentence for the user."""


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Import packages of an extra in this block.

    Raises:
      MissingExtraError: when one of them is not installed, naming it and the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise _missing(str(error.name), name) from error


def need(module: str, name: str) -> None:
    """Look whether a module could be imported, without the time that importing it takes.

    Raises:
      MissingExtraError: when it could not, naming it and the extra.
    """
    if importlib.util.find_spec(module) is None:
        raise _missing(module, name)


def _missing(module: str, name: str) -> MissingExtraError:
    return MissingExtraError(
        f"the package {module} is not installed: pip install 'adqn-jax[{name}]' (in a checkout: "
        f"pip install -e '.[{name}]')"
    )
