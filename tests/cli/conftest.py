"""Bundles that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command_line import (
    DIGITS,
    compiled,
    ncc,
    product_model,
    random_input,
    relu_model,
    two_inputs_model,
)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the network in examples/."""
    path = tmp_path_factory.mktemp("digits") / "digits.neff"
    result = ncc("compile", DIGITS, "-o", path, "--dim", "batch=1")
    assert result.code == 0, result.err
    return path


@pytest.fixture(scope="session")
def relu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of relu for x: f32[2, 3]."""
    return compiled(relu_model(tmp_path_factory.mktemp("relu") / "relu.onnx"))


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with three inputs, two outputs and a host segment."""
    return compiled(two_inputs_model(tmp_path_factory.mktemp("mixed") / "mixed.onnx"))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with 16 MB of weights, so that writing its bundle takes a while."""
    return product_model(tmp_path_factory.mktemp("large") / "m.onnx", random_input((2000, 2000)))
