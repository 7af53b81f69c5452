"""Properties of ops: broadcasting, slicing, layouts, exact conversions, extremes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import BroadcastableShapes, mutually_broadcastable_shapes

from ncc.diagnostics import NccError
from ncc.ir.graph import Builder, Value
from ncc.ir.op import Op
from ncc.ir.ops.arithmetic import Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import holds
from ncc.ir.ops.dynamic_fill import counted
from ncc.ir.ops.dynamic_slice import DynamicPad, DynamicSlice, PadMode, clamped
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.gather_elements import GatherElements
from ncc.ir.ops.gather_nd import GatherND
from ncc.ir.ops.random import Multinomial, RandomNormal, RandomUniform
from ncc.ir.ops.reduce import ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum
from ncc.ir.ops.scatter import ScatterElements, ScatterND
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.topk import DynamicTopK
from ncc.ir.scalar import cast, limits
from ncc.ir.types import DType, TensorType

Array = npt.NDArray[np.generic]


def f32(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    return np.asarray(values, np.float32)


def counting(*shape: int) -> npt.NDArray[np.float32]:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@given(mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=4))
def test_elements_are_broadcast_like_numpy(shapes: BroadcastableShapes) -> None:
    a, b = (counting(*shape) for shape in shapes.input_shapes)
    types = [TensorType(DType.f32, shape) for shape in shapes.input_shapes]
    assert Sub().infer(*types).shape == shapes.result_shape
    np.testing.assert_array_equal(Sub().eval(a, b), a - b)


@given(
    st.lists(st.integers(1, 4), max_size=4).flatmap(
        lambda shape: st.tuples(
            st.just(shape), st.tuples(*(st.sampled_from([1, size]) for size in shape))
        )
    )
)
def test_broadcast_to_is_that_of_numpy(shapes: tuple[list[int], tuple[int, ...]]) -> None:
    whole, own = shapes
    x = counting(*own)
    np.testing.assert_array_equal(BroadcastTo(tuple(whole)).eval(x), np.broadcast_to(x, whole))


BOUND = st.integers(-9, 9)


@given(BOUND, BOUND, st.integers(1, 4), st.integers(0, 7))
def test_a_slice_upwards_is_that_of_python(start: int, end: int, step: int, size: int) -> None:
    first, count = clamped(start, end, step, size)
    x = np.arange(size)
    np.testing.assert_array_equal(Slice((first,), (count,), (step,)).eval(x), x[start:end:step])


@given(BOUND, BOUND, st.integers(-4, -1), st.integers(1, 7))
def test_a_slice_downwards_starts_inside(start: int, end: int, step: int, size: int) -> None:
    first, count = clamped(start, end, step, size)
    x = np.arange(size)
    stop = end if end >= -size else None
    wanted = x[max(start, -size) : stop : step]
    np.testing.assert_array_equal(Slice((first,), (count,), (step,)).eval(x), wanted)


SMALL = [dtype for dtype in DType if dtype.itemsize <= 2 and dtype is not DType.string]
NUMERIC = [dtype for dtype in DType if dtype is not DType.string]


def every_value(dtype: DType) -> Array:
    """All values of a type of at most 16 bits."""
    if dtype in {DType.i4, DType.u4, DType.bool}:
        low, high = (0, 1) if dtype is DType.bool else map(int, limits(dtype))
        return np.arange(low, high + 1).astype(dtype.numpy)
    bits = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    return bits.view(dtype.numpy)


def as_f64(values: Array) -> Array:
    return cast(values, DType.f64)


@pytest.mark.parametrize("narrow", SMALL, ids=lambda dtype: dtype.value)
def test_a_type_holds_another_when_no_value_changes(narrow: DType) -> None:
    values = every_value(narrow)
    for wide in NUMERIC:
        there = cast(values, wide)
        exact = np.array_equal(as_f64(values), as_f64(there), equal_nan=True)
        assert holds(wide, narrow) == exact, f"{wide.value} and {narrow.value}"


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        (DType.f64, DType.f32, True),
        (DType.f64, DType.i32, True),
        (DType.f64, DType.i64, False),
        (DType.f32, DType.i32, False),
        (DType.i64, DType.u32, True),
        (DType.i64, DType.u64, False),
        (DType.f32, DType.tf32, True),
        (DType.tf32, DType.f32, False),
        (DType.string, DType.bool, False),
    ],
)
def test_wide_types_hold(wide: DType, narrow: DType, expected: bool) -> None:
    assert holds(wide, narrow) is expected


def test_reductions_keep_nan_and_know_nothing() -> None:
    nan = float("nan")
    x = f32([[1.0, nan], [2.0, 3.0]])
    np.testing.assert_array_equal(ReduceMax((1,), False).eval(x), f32([nan, 3.0]))
    np.testing.assert_array_equal(ReduceMin((1,), False).eval(x), f32([nan, 2.0]))
    none = np.zeros((1, 0), np.int8)
    assert ReduceMax((1,), False).eval(none).tolist() == [-128]
    assert ReduceMin((1,), False).eval(none).tolist() == [127]
    assert ReduceProd((1,), False).eval(none).tolist() == [1]
    no_floats = np.zeros((2, 0), np.float32)
    np.testing.assert_array_equal(ReduceMean((1,), False).eval(no_floats), f32([nan, nan]))


def test_integer_sums_wrap_and_integer_means_truncate() -> None:
    x = np.array([[100, 100], [-3, -4]], np.int8)
    np.testing.assert_array_equal(ReduceSum((1,), False).eval(x), np.array([-56, -7], np.int8))
    wide = x.astype(np.int32)
    np.testing.assert_array_equal(ReduceMean((1,), False).eval(wide), np.array([100, -3], np.int32))


OUTSIDE: list[tuple[Op, tuple[Array, ...]]] = [
    (Gather(0), (f32([1, 2]), np.array([2]))),
    (Gather(0), (f32([1, 2]), np.array(-1))),
    (GatherElements(1), (f32([[1, 2]]), np.array([[3]]))),
    (GatherND(), (f32([[1, 2]]), np.array([[0, 2]]))),
    (ScatterElements(0), (f32([1, 2]), np.array([2]), f32([5]))),
    (ScatterND(), (f32([[1, 2]]), np.array([[1, 0]]), f32([5]))),
]


@pytest.mark.parametrize(("op", "operands"), OUTSIDE, ids=lambda item: getattr(item, "name", ""))
def test_an_index_outside_is_refused(op: Op, operands: tuple[Array, ...]) -> None:
    with pytest.raises(NccError) as caught:
        op.eval(*operands)
    assert caught.value.code == "index"


ONE = np.array([1])
REFUSED: list[tuple[Op, tuple[Array, ...], str]] = [
    (DynamicTopK(0), (f32([1, 2]), np.array([3])), "topk of 3 out of 2 elements"),
    (DynamicSlice((0,)), (f32([1, 2]), ONE, ONE, 0 * ONE), "a slice with step 0"),
    (DynamicSlice(), (f32([1, 2]), ONE, ONE, ONE, ONE), "axis 1 of a tensor of 1 axes"),
    (DynamicPad(), (f32([1]), np.array([1, 1]), f32(0), 2 * ONE), "axis 2 of a tensor of 1 axes"),
]


@pytest.mark.parametrize(("op", "operands", "message"), REFUSED)
def test_operands_that_the_data_makes_wrong(
    op: Op, operands: tuple[Array, ...], message: str
) -> None:
    with pytest.raises(NccError, match=message):
        op.eval(*operands)


def test_a_range_without_steps_is_refused() -> None:
    with pytest.raises(NccError, match="a range with step 0"):
        counted(np.array(1), np.array(2), np.array(0))


@pytest.mark.parametrize("mode", [PadMode.edge, PadMode.reflect, PadMode.wrap])
def test_a_border_that_the_data_decides(mode: PadMode) -> None:
    x = counting(2, 4)
    got = DynamicPad((1,), mode).eval(x, np.array([-1, 2]), f32(0))
    np.testing.assert_array_equal(got, np.pad(x[:, 1:], [(0, 0), (0, 2)], mode.value))


def test_random_numbers_differ_unless_seeded() -> None:
    type = TensorType(DType.f32, (100,))
    for kind in (RandomUniform, RandomNormal):
        np.testing.assert_array_equal(kind(type, seed=3.5).eval(), kind(type, seed=3.5).eval())
        assert not np.array_equal(kind(type).eval(), kind(type).eval())
    inside = RandomUniform(type, 2.0, 3.0).eval()
    assert 2 <= inside.min() <= inside.max() <= 3


def test_multinomial_draws_by_weight() -> None:
    logits = np.log(f32([[1e-30, 1, 1e-30], [0.5, 1e-30, 0.5]]))
    drawn = Multinomial(50, DType.i64, seed=1.0).eval(logits)
    assert drawn.shape == (2, 50)
    assert set(drawn[0].tolist()) == {1}
    assert set(drawn[1].tolist()) == {0, 2}


def test_a_decomposed_gather_reads_the_flat_operand() -> None:
    x = Value(TensorType(DType.f32, (2, 3)))
    indices = Value(TensorType(DType.i64, (2, 1)))
    build = Builder()
    made = GatherElements(1).decompose(build, x, indices)
    assert made is not None
    assert made.type == TensorType(DType.f32, (2, 1))
    assert {node.op.name for node in build.nodes} >= {"gather", "iota"}
