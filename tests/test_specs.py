"""The verifier and the specs find what does not belong."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.ir.graph import Graph, Node, Value
from ncc.ir.op import OPS
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.transpose import Transpose
from ncc.ir.text.parser import parse
from ncc.ir.types import DType, TensorType
from ncc.ir.verify import Spec, conform, verify
from ncc.passes.specs import BOUND, on_device, precise

PRODUCT = """graph @g(%x: f32[2, 3], %w: f32[3, 4]) {{
  %0 = cast(%x) {{to = {0}}}
  %1 = cast(%w) {{to = {0}}}
  %2 = matmul(%0, %1)    @ "/fc"
  return %2
}}"""
SYMBOLIC = "graph @g(%x: f32[n, 3]) {\n  %0 = neg(%x)\n  return %0\n}"
OPEN = "graph @g(%x: f32[3]) {\n  %0 = nonzero(%x)\n  return %0\n}"


def refused(graph: Graph, spec: Spec | None = None) -> str:
    with pytest.raises(AssertionError) as caught:
        verify(graph) if spec is None else conform(graph, spec)
    return str(caught.value)


def test_a_symbol_is_not_bound() -> None:
    assert "neg after import: f32[n, 3] has an unbound symbol" in refused(parse(SYMBOLIC), BOUND)
    conform(parse(SYMBOLIC.replace("n,", "?,")), BOUND)


def test_an_open_size_is_not_for_the_device() -> None:
    spec = on_device(lambda node: None)
    assert "i64[1, ?] has no size before it runs" in refused(parse(OPEN), spec)
    conform(parse(PRODUCT.format("f32")), spec)


def test_a_node_that_the_backend_refuses() -> None:
    spec = on_device(lambda node: "no code for casts" if node.op.name == "cast" else None)
    message = refused(parse(PRODUCT.format("f32")), spec)
    assert message == "@g: cast after place: no code for casts"


def test_a_product_in_f32_is_not_rounded() -> None:
    wide = parse(PRODUCT.format("f32"))
    message = refused(wide, precise(DType.bf16, lambda node: False))
    assert message == "@g: matmul after precision: multiplies f32[2, 3], not bf16"
    conform(wide, precise(DType.bf16, lambda node: node.locs[0].node == "/fc"))
    conform(parse(PRODUCT.format("bf16")), precise(DType.bf16, lambda node: False))


MATRIX = TensorType(DType.f32, (2, 3))


def test_a_value_before_its_definition() -> None:
    node = Node(OPS["neg"](), (Value(MATRIX),), (MATRIX,), ())
    assert refused(Graph("g", (), [node], node.results)) == (
        "@g: neg reads a value before it is defined"
    )


def test_a_result_that_is_never_defined() -> None:
    assert refused(Graph("g", (), (), [Value(MATRIX)])).startswith("@g returns a value that")


def test_a_node_that_stands_twice() -> None:
    x = Value(MATRIX, name="x")
    node = Node(OPS["neg"](), (x,), (MATRIX,), ())
    assert refused(Graph("g", [x], [node, node], node.results)) == ("@g: neg defines a value again")


def test_a_type_that_is_not_inferred() -> None:
    x = Value(MATRIX, name="x")
    node = Node(OPS["neg"](), (x,), (TensorType(DType.f32, (3,)),), ())
    assert "its op says" in refused(Graph("g", [x], [node], node.results))


def test_an_attribute_of_another_kind() -> None:
    x = Value(MATRIX, name="x")
    perm = tuple(np.array([1, 0]))
    node = Node(Transpose(perm), (x,), (TensorType(DType.f32, (3, 2)),), ())
    assert "has perm = (np.int64(1), np.int64(0))" in refused(Graph("g", [x], [node], ()))


def test_names_that_are_not_unique() -> None:
    x, y = Value(MATRIX, name="x"), Value(MATRIX, name="x")
    assert refused(Graph("g", [x, y], (), ())) == "@g: two inputs share a name"
    assert refused(Graph("g", [x], (), [x, x], ["a", "a"])) == "@g: two outputs share a name"


def test_a_nested_graph_is_verified() -> None:
    x = Value(MATRIX, name="x")
    inner = Graph("inner", [Value(MATRIX, name="a")], (), [Value(MATRIX)])
    node = Node(Fused(inner), (x,), (MATRIX,), ())
    assert refused(Graph("g", [x], [node], ())).startswith("@inner returns a value")
