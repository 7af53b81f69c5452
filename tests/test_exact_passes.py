"""Passes that only rearrange keep every number, on random graphs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncc.ir.graph import Builder, Graph, Value
from ncc.ir.interpret import interpret
from ncc.ir.literal import Literal
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Abs, Add, Mul, Neg, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.concat import Concat
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.pad import Pad
from ncc.ir.ops.reduce import ReduceMax
from ncc.ir.ops.relu import Relu
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType, TensorType
from ncc.ir.verify import verify
from ncc.passes import read_steps, run_passes
from tests.text_cases import random_inputs

Draw = st.DrawFn
FLOATS = (DType.f32, DType.f32, DType.f16, DType.bf16)
SHAPES = ((), (1,), (4,), (2, 3), (3, 2), (1, 3), (2, 1, 3), (2, 3, 2))
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 0.1, math.inf])


@st.composite
def one_operand(draw: Draw, build: Builder, x: Value) -> Value:
    """Any op on `x` alone."""
    dims = x.tensor.dims
    axis = draw(st.integers(0, max(len(dims) - 1, 0)))
    perm = tuple(draw(st.permutations(range(len(dims)))))
    amounts = st.tuples(*(st.integers(0, 2) for _ in dims))
    starts = tuple(draw(st.integers(0, size - 1)) for size in dims)
    sizes = tuple(draw(st.integers(1, size - a)) for a, size in zip(starts, dims, strict=True))
    choices: list[Op] = [
        Neg(),
        Abs(),
        Relu(),
        Cast(draw(st.sampled_from(FLOATS))),
        Clip(-1.0, draw(st.sampled_from([0.1, 1.0, 6.0]))),
        Transpose(perm),
        Reshape(draw(st.sampled_from([(x.tensor.size,), (1, *dims), (*dims, 1), dims[::-1]]))),
        Slice(starts, sizes, (1,) * len(dims)),
        Pad(draw(amounts), draw(amounts), draw(NUMBERS)),
        BroadcastTo(draw(st.sampled_from([dims, (2, *dims)]))),
    ]
    if dims:
        choices.append(ReduceMax((axis,), draw(st.booleans())))
    return build(draw(st.sampled_from(choices)), x)


@st.composite
def two_operands(draw: Draw, build: Builder, x: Value, values: list[Value]) -> Value:
    """Any op on `x` and another value or a constant."""
    dims, dtype = x.tensor.dims, x.tensor.dtype
    like = [value for value in values if value.type == x.type]
    number = np.array(draw(NUMBERS)).astype(dtype.numpy)
    shape = draw(st.sampled_from([(), (1,), dims]))
    constant = build(Constant(Literal.of(np.full(shape, number, dtype.numpy))))
    kind = draw(st.sampled_from(["elementwise", "concat", "gather", "matmul"]))
    if kind == "concat" and dims:
        axis = draw(st.integers(0, len(dims) - 1))
        return build(Concat(axis), x, draw(st.sampled_from(like)))
    if kind == "gather" and dims:
        axis = draw(st.integers(0, len(dims) - 1))
        rows = draw(st.lists(st.integers(0, dims[axis] - 1), min_size=1, max_size=3))
        return build(Gather(axis), x, build(Constant(Literal.of(np.array(rows)))))
    if kind == "matmul" and len(dims) == 2:
        return build(MatMul(DType.f32), x, build(Transpose((1, 0)), x))
    op = draw(st.sampled_from([Add(), Sub(), Mul(), Max(), Min()]))
    operands = [x, draw(st.sampled_from([*like, constant]))]
    return build(op, *draw(st.permutations(operands)))


@st.composite
def graphs(draw: Draw) -> Graph:
    """A graph of ops that move, choose, round and add, all of static shape."""
    types = [TensorType(draw(st.sampled_from(FLOATS)), draw(st.sampled_from(SHAPES)))]
    inputs = [Value(type, name=f"x{i}") for i, type in enumerate([*types, *types])]
    build = Builder()
    values: list[Value] = list(inputs)
    for _ in range(draw(st.integers(2, 12))):
        x = draw(st.sampled_from(values[-3:]))
        if x.tensor.size > 500:
            continue
        single = draw(st.integers(0, 2))
        made = one_operand(build, x) if single else two_operands(build, x, values)
        values.append(draw(made))
    outputs = [values[-1], draw(st.sampled_from(values))]
    return Graph("g", inputs, build.nodes, outputs)


EXACT = ["canonicalize", "cse", "dce", "fold", "widen_late", "narrow_storage", "order"]
ALL = "canonicalize, fold, cse, widen_late, narrow_storage, canonicalize, cse, dce, order"


@pytest.mark.parametrize("passes", [*EXACT, ALL])
def test_the_numbers_stay(passes: str) -> None:
    steps = read_steps(passes)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(graphs())
    def check(graph: Graph) -> None:
        after = run_passes(graph, steps)
        verify(after)
        inputs = random_inputs(graph)
        pairs = zip(interpret(graph, inputs), interpret(after, inputs), strict=True)
        for old, new in pairs:
            assert (old.dtype, old.shape) == (new.dtype, new.shape)
            np.testing.assert_array_equal(old.astype(np.float64), new.astype(np.float64))

    check()
