"""Where values lie: orders, zeros around them, whose memory they are computed in, and copies."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.plan.layout import Layout
from ncc.backends.cpu.plan.placing import assign
from ncc.backends.cpu.storage.orders import channels_last, order_of, order_to_reshape
from ncc.backends.cpu.storage.views import Memory, Space, View, dense_strides
from ncc.ir.graph import Graph, Value
from ncc.ir.types import DType
from ncc.passes.fuse import constant_values
from tests.backends.cpu.device_graphs import assert_runs, calls_of, prepared
from tests.machine_code import RUNNABLE

TARGET = RUNNABLE[-1]
CONV = "strides = [1, 1], low = [{0}, {0}], high = [{0}, {0}], dilations = [1, 1], groups = 1"


def conv(x: str, w: str, padding: int) -> str:
    return f"conv({x}, {w}) {{{CONV.format(padding)}}}"


def layout_of(text: str) -> tuple[Graph, Layout]:
    graph = prepared(text)
    return graph, assign(graph, constant_values(graph), TARGET)


def result(graph: Graph, position: int) -> Value:
    """A result of the kernel, view or placement number `position`."""
    return graph.nodes[position].results[0]


def touched(calls: list[Call], space: Space) -> set[Memory]:
    return {p.memory for call in calls for p in call.pointers if p.memory.space is space}


TWO_READERS = f"""
graph @g(%x: f32[1, 4, 6, 6], %a: f32[4, 4, 3, 3], %b: f32[4, 4, 5, 5]) {{
  %0 = neg(%x)
  %1 = {conv("%0", "%a", 1)}
  %2 = {conv("%0", "%b", 2)}
  %3 = add(%1, %2)
  return %3
}}"""


def test_convolutions_read_channels_last_with_the_most_zeros_that_one_needs() -> None:
    graph, layout = layout_of(TWO_READERS)
    assert layout.order[result(graph, 0)] == (0, 2, 3, 1)
    assert layout.halo[result(graph, 0)] == ((0, 0, 2, 2), (0, 0, 2, 2))
    assert_runs(TWO_READERS, TARGET, tolerance=1e-5)


PIXELS = f"""
graph @g(%x: f32[1, 6, 6, 4], %w: f32[4, 4, 3, 3]) {{
  %0 = neg(%x)
  %1 = transpose(%0) {{perm = [0, 3, 1, 2]}}
  %2 = {conv("%1", "%w", 1)}
  %3 = transpose(%2) {{perm = [0, 2, 3, 1]}}
  return %3
}}"""


def test_zeros_and_outputs_are_found_through_transposes() -> None:
    graph, layout = layout_of(PIXELS)
    assert layout.order[result(graph, 0)] == (0, 1, 2, 3)
    assert layout.halo[result(graph, 0)] == ((0, 1, 1, 0), (0, 1, 1, 0))
    assert layout.halo[result(graph, 1)] == ((0, 0, 1, 1), (0, 0, 1, 1))
    assert layout.direct == {result(graph, 2): 0}
    border, negate, *_, product = calls_of(PIXELS, TARGET)
    assert touched([border], Space.arena) == touched([negate], Space.arena)
    assert {pointer.memory.where for pointer in product.pointers if pointer.writes} == {2}
    assert_runs(PIXELS, TARGET, tolerance=1e-5)


JOINED = """
graph @g(%x: f32[2, 3, 5], %y: f32[2, 4, 5]) {
  %0 = exp(%x)
  %1 = neg(%y)
  %2 = concat(%0, %1) {axis = 1}
  return %2
}"""


def test_parts_are_computed_in_the_output_that_they_make() -> None:
    graph, layout = layout_of(JOINED)
    whole = result(graph, 2)
    assert layout.direct == {whole: 0}
    assert [layout.place[result(graph, i)].parent for i in (0, 1)] == [whole, whole]
    assert len(calls_of(JOINED, TARGET)) == 2
    assert_runs(JOINED, TARGET)


def test_a_part_that_is_put_twice_is_copied_once() -> None:
    text = JOINED.replace("%0, %1)", "%0, %1, %0)")
    assert len(calls_of(text, TARGET)) == 3
    assert_runs(text, TARGET)


THROUGH_VIEWS = """
graph @g(%x: f32[1, 6, 4, 5], %y: f32[1, 3, 2]) {
  %0 = exp(%x)
  %1 = neg(%y)
  %2 = transpose(%0) {perm = [0, 2, 3, 1]}
  %3 = reshape(%2) {shape = [1, 60, 2]}
  %4 = concat(%3, %1) {axis = 1}
  return %4
}"""


def test_a_part_is_computed_in_its_place_through_views() -> None:
    _, layout = layout_of(THROUGH_VIEWS)
    (place, _) = layout.place.values()
    assert [node.op.name for node in place.path] == ["transpose", "reshape"]
    assert len(calls_of(THROUGH_VIEWS, TARGET)) == 2
    assert_runs(THROUGH_VIEWS, TARGET)


PADDED_PART = f"""
graph @g(%x: f32[1, 4, 6, 6], %y: f32[1, 3, 6, 6], %a: f32[4, 4, 3, 3], %b: f32[5, 7, 1, 1]) {{
  %0 = {conv("%x", "%a", 1)}
  %1 = {conv("%0", "%a", 1)}
  %2 = neg(%y)
  %3 = concat(%0, %2) {{axis = 1}}
  %4 = {conv("%3", "%b", 0)}
  %5 = relu(%4)
  return %1, %5
}}"""


def test_the_zeros_of_a_part_lie_around_the_whole() -> None:
    graph, layout = layout_of(PADDED_PART)
    (whole,) = (node.result for node in graph.nodes if node.op.name == "concat")
    assert layout.halo[whole] == ((0, 0, 1, 1), (0, 0, 1, 1))
    assert len([place for place in layout.place.values() if place.parent is whole]) == 2
    assert_runs(PADDED_PART, TARGET, tolerance=1e-5)


FLAT_PART = f"""
graph @g(%x: f32[2, 6, 8, 4], %z: f32[7], %w: f32[8, 4, 3, 3]) {{
  %0 = neg(%x)
  %1 = transpose(%0) {{perm = [0, 3, 1, 2]}}
  %2 = {conv("%1", "%w", 1)}
  %3 = reshape(%0) {{shape = [384]}}
  %4 = concat(%3, %z) {{axis = 0}}
  return %2, %4
}}"""


def test_a_part_with_zeros_around_it_may_be_one_of_fewer_axes() -> None:
    assert_runs(FLAT_PART, TARGET, tolerance=1e-5)


SHUFFLED = """
graph @g(%x: f32[1, 5, 6, 36]) {
  %0 = neg(%x)
  %1 = reshape(%0) {shape = [1, 5, 6, 9, 2, 2]}
  %2 = transpose(%1) {perm = [0, 3, 1, 4, 2, 5]}
  %3 = reshape(%2) {shape = [1, 9, 10, 12]}
  %4 = reduce_sum(%3) {axes = [1]}
  return %4
}"""


def test_pixels_made_of_channels_keep_channels_last() -> None:
    for target in RUNNABLE:
        assert_runs(SHUFFLED, target)


DENSE_BLOCK = f"""
graph @g(%x: f32[1, 4, 6, 6], %a: f32[2, 4, 3, 3], %b: f32[3, 6, 3, 3], %c: f32[2, 9, 3, 3]) {{
  %0 = relu(%x)
  %1 = {conv("%0", "%a", 1)}
  %2 = concat(%0, %1) {{axis = 1}}
  %3 = {conv("%2", "%b", 1)}
  %4 = concat(%0, %1, %3) {{axis = 1}}
  %5 = {conv("%4", "%c", 1)}
  %6 = concat(%0, %1, %3, %5) {{axis = 1}}
  %7 = relu(%6)
  return %7
}}"""


def test_each_feature_of_a_dense_block_has_its_place_in_the_last_concat() -> None:
    graph, layout = layout_of(DENSE_BLOCK)
    first, second, last = (node.result for node in graph.nodes if node.op.name == "concat")
    assert [layout.place[value].parent for value in (first, second)] == [second, last]
    assert len(layout.place) == 6
    assert_runs(DENSE_BLOCK, TARGET, tolerance=1e-5)


def test_a_padding_is_the_border_of_what_is_padded() -> None:
    text = """
graph @g(%x: f32[3, 4]) {
  %0 = exp(%x)
  %1 = pad(%0) {low = [1, 0], high = [0, 2], value = 1.5}
  %2 = transpose(%1) {perm = [1, 0]}
  return %1, %2
}"""
    assert_runs(text, TARGET)


REPEATED = """
graph @g(%x: f32[1, 8, 3, 3], %y: f32[1, 8, 6, 6]) {
  %0 = exp(%x)
  %1 = reshape(%0) {shape = [1, 8, 3, 1, 3, 1]}
  %2 = broadcast_to(%1) {shape = [1, 8, 3, 2, 3, 2]}
  %3 = reshape(%2) {shape = [1, 8, 6, 6]}
  %4 = add(%3, %y)
  return %4
}"""


def test_an_elementwise_kernel_runs_over_the_axes_before_a_reshape() -> None:
    assert len(calls_of(REPEATED, TARGET)) == 2
    assert_runs(REPEATED, TARGET)


def test_the_copy_of_a_view_is_made_in_the_output() -> None:
    text = REPEATED.replace("return %4", "return %3, %4")
    assert len(calls_of(text, TARGET)) == 3
    assert_runs(text, TARGET)


BLOCKS_TO_CHANNELS = """
graph @g(%x: f32[1, 3, 10, 44]) {
  %0 = reshape(%x) {shape = [1, 3, 5, 2, 22, 2]}
  %1 = transpose(%0) {perm = [0, 3, 5, 1, 2, 4]}
  %2 = reshape(%1) {shape = [1, 12, 5, 22]}
  return %2
}"""


def test_a_reshape_into_an_output_takes_one_copy() -> None:
    assert len(calls_of(BLOCKS_TO_CHANNELS, TARGET)) == 1
    for target in RUNNABLE:
        assert_runs(BLOCKS_TO_CHANNELS, target, tolerance=0)


def test_the_copy_of_a_view_is_made_in_its_place() -> None:
    text = REPEATED.replace("add(%3, %y)", "concat(%3, %y) {axis = 1}")
    assert len(calls_of(text, TARGET)) == 3
    assert_runs(text, TARGET)


# Orders.


def view(shape: tuple[int, ...], strides: tuple[int, ...]) -> View:
    return View(Memory(Space.arena, 0), DType.f32, shape, strides)


def test_channels_come_last() -> None:
    assert channels_last(4) == (0, 2, 3, 1)
    assert channels_last(3) == (0, 2, 1)


def test_the_order_of_a_view_is_that_of_its_strides() -> None:
    assert order_of(view((2, 3, 4), (1, 8, 2))) == (1, 2, 0)
    assert order_of(view((2, 1, 4), (1, 0, 2))) == (2, 1, 0)


@pytest.mark.parametrize(
    ("shape", "order", "result", "expected"),
    [
        ((1, 8, 3, 2, 3, 2), (0, 2, 4, 3, 5, 1), (1, 8, 6, 6), (0, 2, 3, 4, 5, 1)),
        ((1, 8, 9, 2, 10, 2), (0, 2, 4, 1, 3, 5), (1, 8, 18, 20), (0, 2, 3, 4, 5, 1)),
        ((1, 3, 9, 2, 10, 2), (0, 2, 4, 1, 3, 5), (1, 3, 18, 20), (0, 1, 2, 3, 4, 5)),
        ((2, 12, 64), (0, 2, 1), (24, 64), (2, 0, 1)),
        ((4, 6), (1, 0), (24,), (0, 1)),
        ((4, 6), (1, 0), (2, 2, 6), (1, 0)),
    ],
)
def test_a_copy_lies_like_its_operand_as_far_as_the_reshape_allows(
    shape: tuple[int, ...],
    order: tuple[int, ...],
    result: tuple[int, ...],
    expected: tuple[int, ...],
) -> None:
    held = view(shape, dense_strides(shape, order))
    found = order_to_reshape(held, result)
    assert found == expected
    assert view(shape, dense_strides(shape, found)).reshaped(result) is not None


# Views.


def elements(seen: View, memory: np.ndarray) -> np.ndarray:
    strides = [stride * memory.itemsize for stride in seen.strides]
    return np.lib.stride_tricks.as_strided(memory[seen.offset :], seen.shape, strides)


def test_views_are_what_numpy_makes_of_the_same_memory() -> None:
    memory = np.arange(2 * 3 * 4)
    whole = view((2, 3, 4), dense_strides((2, 3, 4)))
    array = memory.reshape(2, 3, 4)
    moved, turned = whole.transposed((2, 0, 1)), array.transpose(2, 0, 1)
    np.testing.assert_array_equal(elements(moved, memory), turned)
    cut = moved.sliced((3, 0, 1), (2, 2, 2), (-2, 1, 1))
    np.testing.assert_array_equal(elements(cut, memory), turned[3::-2, :, 1:])
    assert (cut.low, cut.span) == (cut.offset - 2, 1 + 2 + 12 + 4)
    spread = whole.sliced((0, 1, 0), (2, 1, 4), (1, 1, 1)).broadcast((5, 2, 3, 4))
    expected = np.broadcast_to(array[:, 1:2], (5, 2, 3, 4))
    np.testing.assert_array_equal(elements(spread, memory), expected)
    np.testing.assert_array_equal(
        elements(whole.split(2, (2, 2)), memory), array.reshape(2, 3, 2, 2)
    )


@pytest.mark.parametrize(
    ("shape", "order", "result", "viewed"),
    [
        ((2, 3, 4), (0, 1, 2), (6, 4), True),
        ((2, 3, 4), (0, 1, 2), (2, 2, 6), True),
        ((2, 3, 4), (2, 0, 1), (6, 4), True),
        ((2, 3, 4), (0, 2, 1), (2, 12), False),
        ((2, 3, 4), (0, 2, 1), (2, 1, 3, 2, 2), True),
        ((0, 3), (0, 1), (3, 0, 5), True),
    ],
)
def test_a_reshape_is_a_view_where_strides_allow(
    shape: tuple[int, ...], order: tuple[int, ...], result: tuple[int, ...], viewed: bool
) -> None:
    whole = view(shape, dense_strides(shape, order))
    seen = whole.reshaped(result)
    assert (seen is not None) is viewed
    if seen is not None and seen.size:
        memory = np.arange(whole.size)
        np.testing.assert_array_equal(
            elements(seen, memory), elements(whole, memory).reshape(result)
        )


def test_density_is_told_by_strides() -> None:
    assert view((2, 1, 4), (4, 9, 1)).is_dense()
    assert view((2, 3), (1, 2)).is_dense((1, 0))
    assert not view((2, 3), (1, 2)).is_dense()
    assert not view((2, 3), (4, 1)).is_dense()
