"""What made a file is named as far as it can be known."""

import pathlib
import re

import jax
import pytest

from adqn_jax import versions


def test_what_is_there() -> None:
    """Versions of packages, and how many devices of what kind."""
    made_with = versions.made_with()
    assert made_with["jax"] == jax.__version__
    assert made_with["device"].startswith(f"{len(jax.local_devices())} x ")
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", made_with["commit"])


def test_without_git(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program of that name, no repository, or an empty one: the commit is unknown."""
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        assert versions.made_with()["commit"] == "unknown"
    monkeypatch.setattr(versions, "_ROOT", tmp_path)
    assert versions.made_with()["commit"] == "unknown"
    (tmp_path / ".git").mkdir()  # git finds nothing in it
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert versions.made_with()["commit"] == "unknown"


def test_a_package_that_is_not_installed() -> None:
    """It says so in the place of a version."""
    named = versions.versions("jax", "no-such-package")
    assert named == {"jax": jax.__version__, "no-such-package": named["no-such-package"]}
    assert named["no-such-package"].startswith("not installed")
