"""A fault of the documentation ends the build of the site."""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
NEEDED = ("adqn_jax", "envs", "experiments", "docs")
ODD = '''def odd() -> None:
    """Documents an argument that is not there.

    Args:
      x: none.
    """'''
#: What is added to a file, and what the build says of it.
FAULTS = {
    "docs/conventions.md": {
        "[a](nothing.md)": "contains a link 'nothing.md', but the target is not found",
        "[b](metrics.md#nowhere)": "does not contain an anchor '#nowhere'",
        "[c](../adqn_jax/gone.py)": "contains a link 'source/adqn_jax/gone.py.md', but the target",
    },
    "docs/lost.md": {"# Lost": 'not included in the "nav" configuration'},
    "adqn_jax/versions.py": {
        "def bare() -> None: ...": "adqn_jax.versions.bare is public and has no docstring",
        ODD: "Parameter 'x' does not appear in the function signature",
    },
}


def test_faults_end_the_build(tmp_path: pathlib.Path) -> None:
    """Broken links, pages that nothing leads to, and public names without a docstring."""
    for name in NEEDED:
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in (*ROOT.glob("*.md"), ROOT / "mkdocs.yml"):
        shutil.copy(path, tmp_path)
    for name, added in FAULTS.items():
        with (tmp_path / name).open("a") as file:
            file.write("\n\n" + "\n\n".join(added) + "\n")
    build = [sys.executable, "-m", "mkdocs", "build"]
    ended = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    told = [sign for added in FAULTS.values() for sign in added.values()]
    assert [sign for sign in told if sign not in ended.stderr] == []
