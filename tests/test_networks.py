"""The benchmark networks are the published ones, compute something, and never change by chance."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from inputs import seeded_inputs
from networks import NETWORKS, write

PARAMETERS = {
    "resnet50": 25_557_032,
    "mobilenetv2": 3_504_872,
    "bert-base": 109_482_240,
    "minilm": 22_713_216,
    "vit-b16": 86_567_656,
    "yolov4": 64_363_101,
}
"""As published with the trained weights; statistics of batch norms are not counted."""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_published_number_of_parameters(name: str) -> None:
    weights = NETWORKS[name]().model().graph.initializer
    counts = [math.prod(w.dims) for w in weights if "running_" not in w.name]
    assert sum(counts) == PARAMETERS[name]


@pytest.mark.parametrize("name", ["mobilenetv2", "minilm"])
def test_outputs_are_finite_varied_and_depend_on_the_input(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path)
    session = onnxruntime.InferenceSession(str(path))
    first, second = (session.run(None, seeded_inputs(path, {"batch": 1}, seed)) for seed in (0, 1))
    for one, other in zip(first, second, strict=True):
        assert 0.1 < one.std() < 10
        assert np.abs(one - other).max() > 0.1 * one.std()


def test_a_network_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = write("mobilenetv2", tmp_path).read_bytes()
    assert write("mobilenetv2", tmp_path).read_bytes() == first


def test_inputs_bind_symbols_and_keep_to_what_each_input_may_hold(tmp_path: Path) -> None:
    inputs = seeded_inputs(write("minilm", tmp_path), {"batch": 2})
    assert {name: array.shape for name, array in inputs.items()} == {
        "input_ids": (2, 128),
        "attention_mask": (2, 128),
        "token_type_ids": (2, 128),
    }
    assert inputs["input_ids"].max() > 1
    assert inputs["attention_mask"].sum() == 2 * 96
