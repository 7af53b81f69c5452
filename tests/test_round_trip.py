"""Text and bytes of graphs are read back exactly, for every op that there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from ncc.diagnostics import NccError
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.literal import FileSlice, Literal
from ncc.ir.op import OPS, Op, load_ops, op
from ncc.ir.ops.weight import Weight
from ncc.ir.schema import kinds
from ncc.ir.serialize import dump, load
from ncc.ir.text.parser import parse, parse_calls
from ncc.ir.text.printer import attribute_text, to_text
from ncc.ir.types import DType, Shape, TensorType, Type
from tests.ir_strategies import graphs, ops

REAL = tuple(load_ops().values())
exhaustive = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def probe() -> Iterator[type[Op]]:
    """An op with an attribute of every kind, which takes any operands."""

    @op("probe")
    class Probe(Op):
        shown: Literal
        count: int
        scale: float
        flag: bool
        label: str
        dtype: DType
        tensor: TensorType
        any: Type
        shape: Shape
        body: Graph
        pair: tuple[int, str]
        slice: FileSlice | None = None
        nested: tuple[tuple[float, ...], ...] = ((1.0,), ())
        maybe: tuple[int, ...] | None = None

        def infer(self, *operands: Type) -> tuple[Type, ...]:
            return (*operands, self.tensor)

    yield Probe
    del OPS["probe"]


def exact(op: Op) -> bytes:
    """What an op is, bit for bit."""
    return dump(Graph("g", (), [Node(op, (), (), ())], ()))


WITH_ATTRIBUTES = [
    cls
    for cls in REAL
    if kinds(cls) and Graph not in kinds(cls).values() and not issubclass(cls, Weight)
]


@pytest.mark.parametrize("cls", WITH_ATTRIBUTES, ids=lambda cls: cls.name)
def test_attributes_of_every_op(cls: type[Op]) -> None:
    known = kinds(cls)

    @settings(exhaustive, max_examples=5)
    @given(ops(cls))
    def check(made: Op) -> None:
        texts = (
            f"{name} = {attribute_text(kind, getattr(made, name))}" for name, kind in known.items()
        )
        ((name, options),) = parse_calls(f"{cls.name}({', '.join(texts)})")
        assert name == cls.name
        assert exact(cls(**options.values(known, name))) == exact(made)

    check()


def test_graphs_of_the_probe(probe: type[Op]) -> None:
    @exhaustive
    @given(graphs((probe,)))
    def check(graph: Graph) -> None:
        text = to_text(graph)
        assert to_text(parse(text)) == text
        data = dump(graph)
        assert dump(load(data)) == data
        assert dump(parse(text)) == data

    check()


@exhaustive
@given(graphs(tuple(cls for cls in REAL if cls is not Weight)))
def test_graphs_of_real_ops(graph: Graph) -> None:
    text = to_text(graph)
    data = dump(graph)
    assert to_text(parse(text)) == text
    assert dump(load(data)) == data
    assert dump(parse(text)) == data


def test_a_weight_keeps_its_slice() -> None:
    slice = FileSlice('folder/model "1".onnx', 4096, 24, "ab" * 32)
    builder = Builder()
    value = builder(Weight("w", TensorType(DType.f32, (2, 3)), slice))
    (node,) = parse(to_text(Graph("g", (), builder.nodes, [value]))).nodes
    assert isinstance(node.op, Weight)
    assert node.op == value.op
    assert node.op.slice is not None
    assert (node.op.slice.file, node.op.slice.offset) == (slice.file, slice.offset)


def test_a_long_chain_is_not_a_deep_one() -> None:
    x = Value(TensorType(DType.f32, (2,)), name="x")
    builder = Builder()
    value = x
    for _ in range(3000):
        value = builder(OPS["neg"](), value)
    graph = Graph("g", [x], builder.nodes, [value])
    text = to_text(graph)
    assert to_text(parse(text)) == text
    assert to_text(load(dump(graph))) == text


def test_a_text_that_is_nested_too_deep_is_refused() -> None:
    depth = 5000
    text = f"graph @g(%x: {'seq<' * depth}f32[]{'>' * depth}) {{ return %x }}"
    with pytest.raises(NccError, match="nested too deep"):
        parse(text)
