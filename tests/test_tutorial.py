"""The tutorial, docs/tutorial.ipynb: what is stored of it, and that its code runs."""

import ast
import pathlib
import re
from typing import Any

import nbformat
import pytest

FILE = pathlib.Path(__file__).parents[1] / "docs" / "tutorial.ipynb"
#: What to type to store its outputs anew.
REFRESH = "jupyter execute --inplace --NotebookClient.record_timing=False docs/tutorial.ipynb"


@pytest.fixture
def stored() -> Any:
    """The notebook as it is in the repository."""
    return nbformat.read(FILE, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    """Return the cells that are code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> list[str]:
    """Say of what kinds a cell's outputs are: what is printed, and figures."""
    of_stream = {output.name for output in cell.outputs if output.output_type == "stream"}
    shown = [output.data for output in cell.outputs if "data" in output]
    return [*sorted(of_stream), *("figure" if "image/png" in data else "text" for data in shown)]


def test_what_is_stored(stored: Any) -> None:
    """It ran from top to bottom, without an error or a warning; it is small and clean."""
    nbformat.validate(stored)
    cells = code_cells(stored)
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)], REFRESH
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert {kind for cell in cells for kind in kinds(cell)} == {"stdout", "figure"}
    assert FILE.stat().st_size < 250_000
    assert not re.search(r"/(home|root|tmp|Users)/", FILE.read_text())
    assert stored.metadata.kernelspec.name == "python3"
    assert not any(cell.metadata for cell in stored.cells)  # no times, which differ each time


def test_what_prints_and_draws_has_done_so(stored: Any) -> None:
    """A cell that was changed, and not run again, is told by the kind of what stands below it."""
    for cell in code_cells(stored):
        called = [n.func for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Call)]
        names = {f.id for f in called if isinstance(f, ast.Name)}
        drawn = "plt.show()" in cell.source and "def plot" not in cell.source
        drawn |= "plot(metrics" in cell.source.splitlines()[-1]
        expected = ["stdout"] * ("print" in names) + ["figure"] * drawn
        assert kinds(cell) == expected, cell.source


def test_links_lead_somewhere(stored: Any) -> None:
    """Pages that the tutorial names are there."""
    text = "\n".join(cell.source for cell in stored.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links
    assert [link for link in links if not (FILE.parent / link).is_file()] == []


def test_it_runs_from_top_to_bottom(stored: Any, tmp_path: pathlib.Path) -> None:
    """In a kernel of its own; what it shows is of the kinds that are stored."""
    from nbclient import NotebookClient

    before = [kinds(cell) for cell in code_cells(stored)]
    again = nbformat.from_dict(stored)
    client = NotebookClient(
        again, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises an error of a cell, with its traceback
    after = [[kind for kind in kinds(cell) if kind != "stderr"] for cell in code_cells(again)]
    assert after == before  # a slow machine may complain of compiling
    names = [cell.outputs for cell in code_cells(again) if "seed in range(10)" in cell.source]
    returns = ast.literal_eval(names[0][0].text)
    assert sum(returns) / len(returns) > 0.5  # it has learnt to ask the priest
