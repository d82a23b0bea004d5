"""What is around the code: workflows, templates, the citation, versions and Pythons agree."""

import pathlib
import re
import tomllib
from typing import Any

import pytest
import yaml

import adqn_jax

ROOT = pathlib.Path(__file__).parents[1]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: The Pythons that we have lock files of, the oldest first.
PYTHONS = sorted(
    (re.findall(r"\d+\.\d+", path.name)[0] for path in (ROOT / "locks").glob("python-*.txt")),
    key=lambda version: int(version.partition(".")[2]),
)


def read(path: pathlib.Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text())


def jobs() -> list[dict[str, Any]]:
    """Return each job of each workflow at each point of its matrix, whose values are filled in."""
    found = []
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            points = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
            found += [filled(job, point) for point in points]
    return found


def filled(part: Any, point: dict[str, str]) -> Any:
    """Fill the values of a point of a matrix into what is written of a job."""
    match part:
        case dict():
            return {name: filled(value, point) for name, value in part.items()}
        case list():
            return [filled(value, point) for value in part]
        case str():
            return re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda match: point[match[1]], part)
    return part


def test_workflows_call_make() -> None:
    """What a workflow runs is a make target; together they run all that a release needs."""
    called = set()
    for job in jobs():
        for step in job["steps"]:
            if "run" in step:
                made = re.fullmatch(r"make ([\w-]+)", step["run"])
                assert made, step["run"]
                called.add(made[1])
    assert called == {"test", "test-all", "torture", "wheel", "docs"}
    assert called <= TARGETS


def test_workflows_take_the_pythons_we_support() -> None:
    """The oldest and the newest, and each is set up as the matrix says."""
    used = set()
    for job in jobs():
        (python,) = (s["with"] for s in job["steps"] if "setup-python" in s.get("uses", ""))
        used.add(python["python-version"])
    assert used == {PYTHONS[0], PYTHONS[-1]}
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    named = [line for line in PROJECT["classifiers"] if re.search(r":: 3\.\d", line)]
    assert named == [f"Programming Language :: Python :: {version}" for version in PYTHONS]


def test_the_oldest_jax_is_the_oldest_allowed() -> None:
    """One of the jobs installs the least that pyproject.toml asks of jax."""
    (least,) = re.findall(r"^jax>=([\d.]+)", "\n".join(PROJECT["dependencies"]), re.MULTILINE)
    pinned = dict(re.findall(r"^(\w+)==(.*)$", (ROOT / "locks" / "oldest.txt").read_text(), re.M))
    assert pinned == dict.fromkeys(("jax", "jaxlib"), f"{least}.0")
    assert "locks/oldest.txt" in [job.get("env", {}).get("PIP_CONSTRAINT") for job in jobs()]


def test_pre_commit_is_make_lint() -> None:
    """A commit is held to what CI asks, and to nothing else."""
    (repo,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [hook["entry"] for hook in repo["hooks"]] == ["make lint"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms(path: pathlib.Path) -> None:
    """Each field has a name of its own and a label."""
    form = read(path)
    fields = form.get("body", [])
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert path.name == "config.yml" or form["description"]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/getting-started.md"])
def test_pages_name_targets_that_exist(page: str) -> None:
    """Every `make target` that a page tells one to run is there."""
    text = (ROOT / page).read_text()
    named = set(re.findall(r"(?:^ {4}|`)make(?: [A-Z0-9]+=\S+)* ([a-z][\w-]*)", text, re.MULTILINE))
    assert named
    assert named <= TARGETS


def test_the_citation_is_of_this_version() -> None:
    """CITATION.cff can be read, and has our version and license."""
    citation = read(ROOT / "CITATION.cff")
    assert citation["version"] == adqn_jax.__version__
    assert citation["license"] == PROJECT["license"]
    assert {reference["url"] for reference in citation["references"]} == set(
        PROJECT["urls"].values()
    )
    assert f"## {adqn_jax.__version__}" in (ROOT / "CHANGELOG.md").read_text()
