"""Options, strictness and fixtures of the whole suite."""

import pathlib

import pytest

GOLDEN = pathlib.Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the recordings come from another folder."""
    parser.addoption(
        "--golden-dir",
        type=pathlib.Path,
        default=GOLDEN,
        help=f"folder with the recordings to compare with (default {GOLDEN})",
    )


@pytest.fixture(scope="session")
def golden_dir(request: pytest.FixtureRequest) -> pathlib.Path:
    """The folder of the recordings."""
    folder: pathlib.Path = request.config.getoption("--golden-dir")
    if not folder.is_dir():
        pytest.exit(f"--golden-dir: {folder} is not a folder", returncode=2)
    return folder
