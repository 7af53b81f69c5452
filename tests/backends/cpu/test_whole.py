"""Weights of 8 bits in products of few rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import ncc
from ncc.ir.graph import Builder
from ncc.ir.text.parser import parse
from ncc.ir.whole import as_bytes

DEPTH, COLUMNS = 333, 299


def found(nodes: str) -> str:
    """The type of the integers of the last of `nodes`, constants over %w, or none."""
    graph = parse(f'graph @g() {{ %w = weight "w" : {nodes} }}')
    made = as_bytes(Builder(), graph.outputs[0])
    return "none" if made is None else str(made.type)


@pytest.mark.parametrize(
    ("nodes", "type"),
    [
        ("i8[4, 8] %1 = cast(%w) {to = bf16} return %1", "i8[4, 8]"),
        ("i8[4, 8] %1 = cast(%w) {to = i32} %2 = cast(%1) {to = f32} return %2", "i8[4, 8]"),
        (
            "u8[4, 8] %1 = cast(%w) {to = i32} %2 = constant 128 : i32[] %3 = sub(%1, %2)"
            " %4 = cast(%3) {to = bf16} %5 = transpose(%4) {perm = [1, 0]} return %5",
            "i8[8, 4]",
        ),
        (
            "u8[4, 8] %1 = cast(%w) {to = i32} %2 = constant 127 : i32[] %3 = sub(%1, %2)"
            " %4 = cast(%3) {to = bf16} return %4",
            "none",
        ),
        ("u8[4, 8] %1 = cast(%w) {to = bf16} return %1", "none"),
        ("i16[4, 8] %1 = cast(%w) {to = f32} return %1", "none"),
        ("f32[4, 8] %1 = cast(%w) {to = bf16} return %1", "none"),
        ("bool[4, 8] %1 = cast(%w) {to = bf16} return %1", "none"),
    ],
)
def test_integers_are_found_where_their_types_tell(nodes: str, type: str) -> None:
    assert found(nodes) == type


def product(rows: int, w: np.ndarray) -> ModelProto:
    """MatMulInteger of u8 [rows, depth] with a zero point of 131."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [rows, DEPTH])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [rows, COLUMNS])],
        [
            numpy_helper.from_array(w, "w"),
            numpy_helper.from_array(np.array(131, np.uint8), "zero"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("target", "few"), [("x86-64-v3", 8), ("x86-64-v4", 8), ("x86-64-v4+bf16", 9), ("native", 0)]
)
@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 9])
def test_products_of_few_rows_are_exact_and_read_bytes(
    rows: int, target: str, few: int, tmp_path: Path
) -> None:
    draw = np.random.default_rng(rows)
    w = draw.integers(-128, 128, (DEPTH, COLUMNS)).astype(np.int8)
    x = draw.integers(0, 256, (rows, DEPTH)).astype(np.uint8)
    path = tmp_path / "product.neff"
    ncc.compile(product(rows, w), target=target, host=False).save(path)
    found = ncc.load(path)(x)
    np.testing.assert_array_equal(found, (x.astype(np.int32) - 131) @ w.astype(np.int32))
    assert not few or (path.stat().st_size < 1.5 * w.nbytes) is (rows <= few)
