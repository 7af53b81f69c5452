"""Random attributes, types, locations and graphs, drawn from what ops declare."""

from __future__ import annotations

import struct
from enum import Enum
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ncc.diagnostics import Loc, NccError
from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.literal import Literal
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Add
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.constant import Constant
from ncc.ir.schema import AnyType, Each, Kind, Many, Maybe, Record, Size, arity, kinds
from ncc.ir.types import (
    UNKNOWN,
    Dim,
    DType,
    OptionalType,
    SequenceType,
    TensorType,
    dim_add,
    dim_mul,
    symbol,
)

Draw = st.DrawFn
names = st.one_of(st.sampled_from(["x", "n", "in", "graph", "a b", "", "0", "naïve"]), st.text())
locs = st.lists(st.builds(Loc, names, names, names), max_size=3).map(tuple)
bits = st.integers(0, 2**64 - 1)
floats = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 0.1, float("inf"), float("-inf"), float("nan")]),
    bits.map(lambda pattern: float(struct.unpack("d", struct.pack("Q", pattern))[0])),
)
integers = st.one_of(st.integers(-3, 5), st.integers(-(2**63), 2**63 - 1))


@st.composite
def sizes(draw: Draw) -> Dim:
    """A number, an affine expression, or unknown."""
    total: Dim = draw(st.integers(0, 2**40))
    if draw(st.booleans()):
        return draw(st.sampled_from([total, UNKNOWN]))
    for name in draw(st.lists(names, min_size=1, max_size=3)):
        total = dim_add(total, dim_mul(draw(st.integers(-3, 3)), symbol(name)))
    return total


tensors = st.one_of(
    st.sampled_from([TensorType(DType.f32, dims) for dims in ((), (3,), (2, 3), (1, 4, 5, 5))]),
    st.builds(TensorType, st.sampled_from(DType), st.lists(sizes(), max_size=3).map(tuple)),
)
types = st.recursive(
    tensors,
    lambda inner: st.one_of(st.builds(SequenceType, inner), st.builds(OptionalType, inner)),
    max_leaves=3,
)


@st.composite
def literals(draw: Draw) -> Literal:
    """A tensor of any element type with any bits."""
    dtype = draw(st.sampled_from(DType))
    dims = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    type = TensorType(dtype, dims)
    if dtype is DType.string:
        array = np.array(draw(st.lists(names, min_size=type.size, max_size=type.size)), object)
    elif dtype is DType.bool or dtype in (DType.i4, DType.u4):
        low = -8 if dtype is DType.i4 else 0
        high = {DType.bool: 1, DType.i4: 7}.get(dtype, 15)
        items = st.lists(st.integers(low, high), min_size=type.size, max_size=type.size)
        array = np.array(draw(items)).astype(dtype.numpy)
    else:
        data = draw(st.binary(min_size=type.nbytes, max_size=type.nbytes))
        array = np.frombuffer(data, dtype.numpy)
    return Literal(type, Literal.of(array.reshape(dims)).data)


def attributes(kind: Kind) -> st.SearchStrategy[Any]:
    """Values of a kind."""
    match kind:
        case Many(item):
            return st.lists(attributes(item), max_size=4).map(tuple)
        case Each(items):
            return st.tuples(*map(attributes, items))
        case Maybe(item):
            return st.none() | attributes(item)
        case Record(cls):
            return st.builds(cls, **{name: attributes(k) for name, k in kinds(cls).items()})
        case _:
            return st.sampled_from(kind) if issubclass(kind, Enum) else PLAIN[kind]


def ops(cls: type[Op]) -> st.SearchStrategy[Op]:
    """Ops of a class with any attributes, whether or not any operands fit them."""
    return st.builds(cls, **{name: attributes(kind) for name, kind in kinds(cls).items()})


@st.composite
def graphs(draw: Draw, classes: tuple[type[Op], ...]) -> Graph:
    """A graph of ops of `classes`: those whose type rule takes the operands drawn for them."""
    inputs = [
        Value(draw(types), name=name)
        for name in draw(st.lists(names, unique=True, min_size=1, max_size=3))
    ]
    build = Builder()
    values = list(inputs)
    for cls in draw(st.lists(st.sampled_from(classes), min_size=1, max_size=8)):
        takes = arity(cls)
        most = takes.least + 2 if takes.most is None else takes.most
        count = draw(st.integers(takes.least, most))
        if count and not values:
            continue
        operands = [draw(st.sampled_from(values)) for _ in range(count)]
        values += _node(build, draw(ops(cls)), operands, draw(locs))
    outputs = draw(st.lists(st.sampled_from(values), max_size=3)) if values else []
    written = draw(st.lists(names, min_size=len(outputs), max_size=len(outputs)))
    return Graph(draw(names), inputs, build.nodes, outputs, written)


def _node(build: Builder, op: Op, operands: list[Value], found: Any) -> list[Value]:
    """The results of a new node; none when its operands do not fit."""
    mark = len(build.nodes)
    if any(not isinstance(value.type, TensorType) for value in operands):
        return []
    try:
        return list(build.node(op, *operands, locs=found).results)
    except (NccError, AssertionError):  # an op may assert what importers see to
        del build.nodes[mark:]
        return []


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: integers,
    float: floats,
    bool: st.booleans(),
    str: names,
    Size: sizes(),
    TensorType: tensors,
    AnyType: types,
    Literal: literals(),
    Graph: st.deferred(lambda: graphs((Add, Cast, Constant))),
}
