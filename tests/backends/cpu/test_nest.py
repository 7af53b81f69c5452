"""Kernels without products, each shape that takes another way through loops, lanes and tiles."""

from __future__ import annotations

import pytest

from ncc.backends.cpu.loopir.aliasing import shareable
from ncc.backends.cpu.loopir.loops import For, Kind, walk
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import L2_BYTES
from tests.backends.cpu.device_graphs import assert_runs, calls_of
from tests.machine_code import RUNNABLE, each_target

BEST = RUNNABLE[-1]


def graph(parameters: str, *lines: str) -> str:
    """A graph of `parameters` whose last line gives its output."""
    numbered = [f"  %{index} = {line}" for index, line in enumerate(lines)]
    return "\n".join([f"graph @g({parameters}) {{", *numbered, f"  return %{len(lines) - 1}", "}"])


def transposed(shape: str, perm: str, dtype: str = "f32") -> str:
    return graph(f"%x: {dtype}[{shape}]", f"transpose(%x) {{perm = [{perm}]}}")


CROSSING = {
    "three planes to pixels": transposed("2, 3, 5, 37", "0, 2, 3, 1"),
    "four planes to pixels": transposed("1, 4, 3, 16", "0, 2, 3, 1", "bf16"),
    "pixels to three planes": transposed("2, 5, 37, 3", "0, 3, 1, 2"),
    "five planes to pixels": transposed("5, 33", "1, 0"),
    "a matrix of one tile": transposed("16, 16", "1, 0"),
    "a matrix of odd sizes": transposed("37, 45", "1, 0"),
    "bytes": transposed("19, 70", "1, 0", "i8"),
    "halves": transposed("19, 70", "1, 0", "f16"),
    "long integers": transposed("19, 21", "1, 0", "i64"),
    "booleans": transposed("19, 21", "1, 0", "bool"),
    "tiles in several groups": transposed("300, 20", "1, 0"),
    "rows shorter than the lanes": transposed("3, 2", "1, 0"),
    "axes in the middle": transposed("3, 18, 2, 20", "0, 3, 2, 1"),
    "rounded on the way": graph(
        "%x: f32[3, 7, 21]", "cast(%x) {to = bf16}", "transpose(%0) {perm = [1, 2, 0]}"
    ),
    "with an operand for each row": graph(
        "%x: f32[40, 24], %y: f32[24]", "add(%x, %y)", "transpose(%0) {perm = [1, 0]}"
    ),
    "rows looked up": graph(
        "%x: f32[9, 21], %i: i64[37]", "gather(%x, %i) {axis = 0}", "transpose(%0) {perm = [1, 0]}"
    ),
    "columns looked up": graph(
        "%x: f32[21, 9], %i: i64[37]", "gather(%x, %i) {axis = 1}", "transpose(%0) {perm = [1, 0]}"
    ),
}


@each_target
@pytest.mark.parametrize("text", CROSSING.values(), ids=CROSSING)
def test_layouts_cross(text: str, target: Target) -> None:
    assert_runs(text, target, tolerance=0)


STRIDED = {
    f"every {step} of a row from {first}": graph(
        f"%x: f32[3, {first + 16 * step + 3}]",
        f"slice(%x) {{starts = [0, {first}], sizes = [3, {count}], steps = [1, {step}]}}",
        "neg(%0)",
    )
    for step, first, count in ((2, 0, 17), (3, 1, 16), (4, 2, 5), (5, 0, 17), (2, 3, 1))
}


@each_target
@pytest.mark.parametrize("text", STRIDED.values(), ids=STRIDED)
def test_operands_with_gaps(text: str, target: Target) -> None:
    assert_runs(text, target, tolerance=0)


ROWS = {
    "softmax": graph(
        "%x: f32[6, 37]",
        "reduce_max(%x) {axes = [1]}",
        "sub(%x, %0)",
        "exp(%1)",
        "reduce_sum(%2) {axes = [1]}",
        "div(%2, %3)",
    ),
    "several rows at a time": graph(
        "%x: f32[96, 37]",
        "relu(%x)",
        "reduce_max(%0) {axes = [1]}",
        "sub(%0, %1)",
        "exp(%2)",
        "reduce_sum(%3) {axes = [1]}",
        "div(%3, %4)",
    ),
    "two planes at a time": graph("%x: f32[34, 5, 21]", "reduce_sum(%x) {axes = [1, 2]}"),
    "rows across the lanes": graph(
        "%x: f32[2, 50, 20]",
        "reduce_sum(%x) {axes = [1]}",
        "sub(%x, %0)",
        "mul(%1, %1)",
        "reduce_sum(%2) {axes = [1]}",
    ),
    "a long row": graph("%x: f32[2, 6000]", "reduce_sum(%x) {axes = [1]}"),
    "one row": graph("%x: f32[1000]", "reduce_sum(%x) {axes = [0]}"),
    "rows of nothing": graph("%x: f32[4, 0]", "reduce_sum(%x) {axes = [1]}"),
    "the whole of a tensor": graph("%x: f32[3, 5, 7]", "reduce_max(%x) {axes = [0, 1, 2]}"),
    "outer and inner axes": graph("%x: f32[3, 5, 20]", "reduce_sum(%x) {axes = [0, 2]}"),
}


@each_target
@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS)
def test_rows(text: str, target: Target) -> None:
    assert_runs(text, target, tolerance=1e-5)


PARTS = {
    "a sum": graph("%x: f32[66560]", "abs(%x)", "reduce_sum(%0) {axes = [0]}"),
    "narrow floats": graph("%x: bf16[66560]", "abs(%x)", "reduce_sum(%0) {axes = [0]}"),
    "integers wrap": graph("%x: i8[70000]", "reduce_sum(%x) {axes = [0]}"),
    "without the axis": graph(
        "%x: f32[2, 400, 90]", "reduce_max(%x) {axes = [1, 2], keepdims = false}"
    ),
    "of what is computed, also from other parts": graph(
        "%x: f32[3, 400, 90], %y: f32[90]",
        "reduce_max(%x) {axes = [1, 2]}",
        "sub(%x, %0)",
        "mul(%1, %y)",
        "abs(%2)",
        "reduce_sum(%3) {axes = [1, 2]}",
        "div(%3, %4)",
    ),
    "of no even parts": graph("%x: f32[65537]", "reduce_max(%x) {axes = [0]}"),
    "planes of few channels": graph(
        "%x: bf16[1, 33, 16, 20]",
        "transpose(%x) {perm = [0, 3, 1, 2]}",
        "reduce_sum(%0) {axes = [2, 3]}",
    ),
    "planes of what is stored as well": graph(
        "%x: f32[2, 32, 17, 6]",
        "exp(%x)",
        "transpose(%0) {perm = [0, 3, 1, 2]}",
        "reduce_sum(%1) {axes = [2, 3]}",
        "relu(%2)",
        "broadcast_to(%3) {shape = [2, 6, 32, 17]}",
        "concat(%1, %4) {axis = 1}",
    ),
}


@each_target
@pytest.mark.parametrize("text", PARTS.values(), ids=PARTS)
def test_long_reductions(text: str, target: Target) -> None:
    assert_runs(text, target, tolerance=1e-5)


def test_parts_of_a_reduction_are_shared_among_the_cores() -> None:
    calls = calls_of(PARTS["a sum"], BEST)
    first = calls[0].kernel.body[0]
    assert len(calls) == 2
    assert isinstance(first, For)
    assert first.kind is Kind.parallel


def test_planes_are_reduced_by_rows() -> None:
    rows, planes = calls_of(PARTS["planes of few channels"], BEST)
    assert {pointer.memory for pointer in rows.pointers} & {p.memory for p in planes.pointers}
    assert rows.kernel.params[-1].size == 33 * 20


def test_an_exponential_is_computed_once() -> None:
    (call,) = calls_of(ROWS["softmax"], BEST)
    assert len(call.kernel.scratch) == 1


def test_rows_that_are_computed_at_a_time_may_be_overwritten() -> None:
    calls = calls_of(ROWS["several rows at a time"], BEST)
    assert (0, 1) in shareable(calls[-1].kernel)


ROUNDED_TOO = """graph @g(%x: f32[96, 37]) {
  %0 = reduce_sum(%x) {axes = [1]}
  %1 = sub(%x, %0)
  %2 = cast(%1) {to = bf16}
  return %1, %2
}"""


@each_target
def test_what_is_also_stored_rounded_may_be_overwritten(target: Target) -> None:
    assert_runs(ROUNDED_TOO, target, tolerance=1e-2)
    (call,) = calls_of(ROUNDED_TOO, target)
    assert (0, 1) in shareable(call.kernel)


def test_a_table_is_read_beside_what_is_gathered_from_it() -> None:
    text = graph(
        "%x: f32[8, 20], %i: i64[8]",
        "constant 7 : i64[]",
        "min(%i, %0)",
        "constant 0 : i64[]",
        "max(%1, %2)",
        "gather(%x, %3) {axis = 0}",
        "add(%4, %x)",
    )
    assert_runs(text, BEST, tolerance=1e-6)


def depthwise(channels: int, size: int, taps: int, attributes: str) -> str:
    return graph(
        f"%x: f32[2, {channels}, {size}, {size}], %w: f32[{channels}, 1, {taps}, {taps}]",
        f"conv(%x, %w) {{{attributes}, groups = {channels}}}",
        "relu(%0)",
    )


def window(strides: int, padding: int, dilations: int = 1) -> str:
    pairs = {"strides": strides, "low": padding, "high": padding, "dilations": dilations}
    return ", ".join(f"{name} = [{value}, {value}]" for name, value in pairs.items())


DEPTHWISE = {
    "one tile": depthwise(16, 5, 3, window(1, 1)),
    "a tile that starts early": depthwise(20, 13, 3, window(1, 1)),
    "strides": depthwise(33, 19, 3, window(2, 1)),
    "dilations": depthwise(8, 11, 3, window(1, 2, 2)),
    "many taps": depthwise(16, 12, 7, window(1, 3)),
    "one result": depthwise(16, 3, 3, window(1, 0)),
    "few channels": depthwise(3, 17, 3, window(1, 1)),
    "wide": depthwise(160, 7, 5, window(1, 2)),
    "bytes": graph(
        "%x: u8[2, 6, 7, 9], %w: i8[6, 1, 3, 3]", f"conv(%x, %w) {{{window(1, 1)}, groups = 6}}"
    ),
}


@each_target
@pytest.mark.parametrize("text", DEPTHWISE.values(), ids=DEPTHWISE)
def test_depthwise_convolutions(text: str, target: Target) -> None:
    assert_runs(text, target, tolerance=1e-5)


VIDEO = graph(
    "%x: f32[2, 31, 31, 4, 40], %w: f32[40, 1, 3, 3, 3]",
    "transpose(%x) {perm = [0, 4, 3, 1, 2]}",
    "relu(%0)",
    "conv(%1, %w) {strides = [1, 2, 1], low = [1, 1, 1], high = [1, 1, 1], "
    "dilations = [1, 1, 1], groups = 40}",
    "relu(%2)",
)


@each_target
def test_large_frames_are_taken_a_few_rows_at_a_time(target: Target) -> None:
    frames = calls_of(VIDEO, target)[-2].kernel.params[0]
    assert 3 * 4 * frames.size // (2 * 6) > L2_BYTES // 2
    assert_runs(VIDEO, target, tolerance=1e-5)


def test_a_residual_may_be_what_the_window_reads() -> None:
    text = graph(
        "%y: f32[1, 16, 9, 9], %w: f32[16, 1, 3, 3]",
        "neg(%y)",
        f"conv(%0, %w) {{{window(1, 1)}, groups = 16}}",
        "add(%1, %0)",
    )
    assert_runs(text, BEST, tolerance=1e-5)


def pooled(op: str, size: int, attributes: str, taps: int = 3) -> str:
    return graph(
        f"%x: f32[2, 18, {size}, {size}]", f"{op}(%x) {{kernel = [{taps}, {taps}], {attributes}}}"
    )


POOLING = {
    "inside": pooled("max_pool", 19, window(2, 0)),
    "with edges": pooled("max_pool", 19, window(1, 1)),
    "apart and with edges": pooled("max_pool", 19, window(1, 2, 2)),
    "large": pooled("max_pool", 13, window(1, 4), taps=9),
    "large with strides": pooled("max_pool", 20, window(3, 2), taps=5),
    "the mean inside": pooled("average_pool", 19, f"{window(2, 0)}, count_include_pad = false"),
    "the mean of what is there": pooled(
        "average_pool", 19, f"{window(2, 1)}, count_include_pad = false"
    ),
    "the mean with zeros": pooled("average_pool", 19, f"{window(2, 1)}, count_include_pad = true"),
    "the mean of what is there, apart": pooled(
        "average_pool", 11, f"{window(1, 2, 2)}, count_include_pad = false"
    ),
}


@each_target
@pytest.mark.parametrize("text", POOLING.values(), ids=POOLING)
def test_pooling(text: str, target: Target) -> None:
    assert_runs(text, target, tolerance=1e-5)


@pytest.mark.parametrize(
    "text",
    [CROSSING["tiles in several groups"], ROWS["softmax"], DEPTHWISE["wide"], POOLING["inside"]],
    ids=["crossing", "rows", "depthwise", "pooling"],
)
def test_every_kernel_is_shared_among_the_cores(text: str) -> None:
    kernel = calls_of(text, BEST)[-1].kernel
    outermost = next(stmt for stmt in walk(kernel.body) if isinstance(stmt, For))
    assert outermost.kind is Kind.parallel
