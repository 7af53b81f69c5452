"""Models give for a few samples at a time what they give for all at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import ncc
from ncc.backends.cpu import backend
from ncc.ir.graph import Graph
from ncc.passes.split_batch import split_batch
from tests.random_models import random_case
from tests.suite.case import Array, run_reference

CHANNELS = 4


def split_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have batches split whatever their size, and whatever is read again."""

    def split(graph: Graph, **_: object) -> Graph:
        return split_batch(graph, hides=lambda node: 1 << 30, cache=16)

    monkeypatch.setattr(backend, "split_batch", split)


def network(batch: int) -> onnx.ModelProto:
    """Padded convolutions with a shortcut and an input without samples, then a softmax over all."""
    rng = np.random.default_rng(batch)
    weights = {
        name: rng.standard_normal(shape).astype(np.float32) * np.float32(0.1)
        for name, shape in {
            "first": (CHANNELS, 2, 3, 3),
            "second": (CHANNELS, CHANNELS, 3, 3),
            "dense": (CHANNELS * 9, 5),
        }.items()
    }
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], pads=[1, 1, 1, 1], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], pads=[1, 1, 1, 1], name="second"),
        helper.make_node("Add", ["c", "b"], ["d"]),
        helper.make_node("Add", ["d", "shift"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "dense"], ["g"], name="dense"),
        helper.make_node("Softmax", ["g"], ["y"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [batch, 2, 3, 3]),
            helper.make_tensor_value_info("shift", onnx.TensorProto.FLOAT, [CHANNELS, 1, 1]),
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [batch, 5])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def results(model: onnx.ModelProto, inputs: Mapping[str, Array], path: Path) -> list[Array]:
    """What a model gives, on one core as on three."""
    ncc.compile(model, auto_cast="none").save(path)
    with ncc.load(path) as loaded:
        one, three = (list(loaded.run(inputs, cores=cores).values()) for cores in (1, 3))
    for left, right in zip(one, three, strict=True):
        np.testing.assert_array_equal(left, right)
    return one


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 16, 17, 40])
def test_groups_of_any_batch_give_what_the_whole_gives(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(batch)
    rng = np.random.default_rng(0)
    inputs: dict[str, Array] = {
        "x": rng.standard_normal((batch, 2, 3, 3)).astype(np.float32),
        "shift": rng.standard_normal((CHANNELS, 1, 1)).astype(np.float32),
    }
    whole = results(model, inputs, tmp_path / "whole.neff")
    split_eagerly(monkeypatch)
    groups = results(model, inputs, tmp_path / "groups.neff")
    for left, right in zip(groups, whole, strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-6)


def calls(model: onnx.ModelProto) -> int:
    found: int = ncc.compile(model, auto_cast="none").report["calls"]
    return found


def test_a_batch_is_split_and_a_single_sample_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = calls(network(1)), calls(network(4))
    split_eagerly(monkeypatch)
    assert calls(network(1)) == whole[0]
    assert calls(network(4)) > whole[1]


@pytest.mark.parametrize("seed", range(40))
def test_a_random_model_in_groups_equals_onnxruntime(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split_eagerly(monkeypatch)
    case = random_case(seed)
    found = results(case.model, case.inputs, tmp_path / "case.neff")
    for ours, theirs in zip(found, run_reference(case), strict=True):
        bound = 1e-4 * float(np.max(np.abs(theirs))) + 1e-6
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound)
