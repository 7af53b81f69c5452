"""Shared fixtures: `--bless`, and where the real trained models are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bless",
        action="store_true",
        help="rewrite the expected part of text tests to what was computed",
    )


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether text tests rewrite their expectations instead of checking them."""
    return bool(request.config.getoption("--bless"))


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of real trained models: NCC_MODELS, else beside the checkout, else skip."""
    folder = Path(os.environ.get("NCC_MODELS") or ROOT.parent / "shared" / "models")
    if not (folder / "index.json").is_file():
        pytest.skip(f"no trained models in {folder}: set NCC_MODELS to the folder of index.json")
    return folder


@pytest.fixture(scope="session")
def model(models: Path) -> Callable[[str], Path]:
    """A function from a file named in index.json to its path; skips where it is absent."""

    def locate(file: str) -> Path:
        path = models / file
        if not path.is_file():
            pytest.skip(f"{file} is not among the trained models")
        return path

    return locate
