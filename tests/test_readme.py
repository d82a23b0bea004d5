"""The README's example runs as printed."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_embedding_example(capsys: pytest.CaptureFixture[str]) -> None:
    """It is one block of Python, and prints the shape it says."""
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(example, str(README), "exec"), {})
    assert capsys.readouterr().out == "(4, 2)\n"
