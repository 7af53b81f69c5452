"""Sums along rows made by the kernel that makes the rows, against what the graph means."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.emit.contraction.contract import tiles_of
from ncc.backends.cpu.emit.function import FunctionEmitter
from ncc.backends.cpu.loopir.loops import Contract, walk
from ncc.backends.cpu.target import TARGETS, Target
from ncc.ir.ops.fused import Fused
from tests.backends.cpu.device_graphs import assert_runs, calls_of, prepared
from tests.guarded import Edge
from tests.machine_code import RUNNABLE, each_target
from tests.suite.engines import MachineCode
from tests.text_cases import random_inputs

BEST = RUNNABLE[-1]
PADDED = "strides = [1, 1], low = [1, 1], high = [1, 1], dilations = [1, 1]"
PLAIN = "strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1]"
HALVED = "strides = [2, 2], low = [1, 1], high = [0, 1], dilations = [1, 1]"
VIDEO = "strides = [1, 1, 1], low = [1, 1, 1], high = [1, 1, 1], dilations = [1, 1, 1]"


def summed(x: str, w: str, attributes: str, dtype: str = "f32") -> str:
    """A convolution, the sums of its rows, and what it makes."""
    kept = "" if dtype == "f32" else ", result = f32"
    last = x.count(",")
    return f"""
graph @g(%x: {dtype}[{x}], %w: {dtype}[{w}]) {{
  %0 = conv(%x, %w) {{{attributes}{kept}}}
  %1 = relu(%0)
  %2 = reduce_sum(%1) {{axes = [{last}], keepdims = true}}
  return %1, %2
}}"""


def spread(x: str, w: str, attributes: str, length: int, dtype: str = "f32") -> str:
    """A convolution with the mean of each row, and the squared distances from it."""
    kept = "" if dtype == "f32" else ", result = f32"
    return f"""
graph @g(%x: {dtype}[{x}], %w: {dtype}[{w}]) {{
  %0 = conv(%x, %w) {{{attributes}{kept}}}
  %1 = reduce_sum(%0) {{axes = [3], keepdims = true}}
  %2 = constant {1 / length} : f32[]
  %3 = mul(%1, %2)
  %4 = sub(%0, %3)
  %5 = mul(%4, %4)
  %6 = reduce_sum(%5) {{axes = [3], keepdims = true}}
  return %0, %3, %6
}}"""


CASES = {
    "a tile holds rows": summed("1, 8, 18, 16", "24, 8, 3, 3", PADDED),
    "rows hold tiles": summed("1, 8, 17, 97", "40, 8, 1, 1", PLAIN),
    "narrow factors": summed("2, 32, 19, 71", "33, 32, 3, 3", PADDED, "bf16"),
    "narrow, one tile": summed("1, 32, 19, 28", "64, 32, 1, 1", PLAIN, "bf16"),
    "groups": summed("1, 32, 16, 37", "32, 16, 3, 3", PADDED + ", groups = 2"),
    "video": summed("1, 4, 4, 7, 19", "16, 4, 3, 3, 3", VIDEO),
    "channels": summed("1, 40, 23, 29", "40, 1, 3, 3", PADDED + ", groups = 40"),
    "channels, halved": summed("2, 16, 37, 53", "16, 1, 3, 3", HALVED + ", groups = 16"),
    "spread": spread("1, 8, 18, 37", "24, 8, 3, 3", PADDED, 37),
    "spread, narrow": spread("2, 32, 19, 71", "33, 32, 3, 3", PADDED, 71, "bf16"),
    "spread, channels": spread("2, 17, 20, 31", "17, 1, 3, 3", PADDED + ", groups = 17", 31),
}


EVERYWHERE = ("rows hold tiles", "channels, halved", "spread, narrow")


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_sums_are_those_of_the_rows(text: str) -> None:
    assert_runs(text, BEST, tolerance=1e-5)


@each_target
@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_target_sums_rows(name: str, target: Target) -> None:
    assert_runs(CASES[name], target, tolerance=1e-5)


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_one_kernel_makes_them(text: str) -> None:
    kernels = [node for node in prepared(text).nodes if isinstance(node.op, Fused)]
    assert len(kernels) == 1
    assert sum(call.flops > 0 for call in calls_of(text, BEST)) == 1


@pytest.mark.parametrize(("length", "kernels"), [(15, 2), (16, 1), (1024, 1), (1025, 2)])
def test_sums_of_short_and_long_rows_are_made_apart(length: int, kernels: int) -> None:
    nodes = prepared(summed(f"1, 4, 16, {length}", "16, 4, 1, 1", PLAIN)).nodes
    assert sum(isinstance(node.op, Fused) for node in nodes) == kernels


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_the_number_of_cores_changes_nothing(text: str) -> None:
    body = prepared(text)
    inputs, code = random_inputs(body), MachineCode(body, BEST)
    wanted = code.run(inputs, Edge.last, cores=1)
    for cores in (2, 3, 5):
        for one, other in zip(wanted, code.run(inputs, Edge.last, cores), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("length", "together"), [(16, 1), (32, 1), (97, 4)])
def test_cores_share_tiles_that_hold_whole_rows(length: int, together: int) -> None:
    target = TARGETS["x86-64-v4+amx"]
    text = summed(f"1, 64, 64, {length}", "32, 64, 3, 3", PADDED, "bf16")
    (kernel,) = (call.kernel for call in calls_of(text, target) if call.flops > 0)
    (stmt,) = (stmt for stmt in walk(kernel.body) if isinstance(stmt, Contract))
    assert tiles_of(FunctionEmitter(kernel, target), stmt).together == together


def test_a_distant_mean_leaves_the_distances() -> None:
    text = """
graph @g(%x: f32[1, 16, 16, 40], %w: f32[16, 16, 1, 1], %b: f32[16, 1, 1]) {
  %0 = conv(%x, %w) {strides = [1, 1], low = [0, 0], high = [0, 0], dilations = [1, 1]}
  %1 = add(%0, %b)
  %2 = reduce_sum(%1) {axes = [3], keepdims = true}
  %3 = constant 0.025 : f32[]
  %4 = mul(%2, %3)
  %5 = sub(%1, %4)
  %6 = mul(%5, %5)
  %7 = reduce_sum(%6) {axes = [3], keepdims = true}
  return %7
}"""
    body = prepared(text)
    x, w, _ = random_inputs(body)
    far, near = (np.full((16, 1, 1), mean, np.float32) for mean in (4096.0, 0.0))
    code = MachineCode(body, BEST)
    (moved,), (still,) = (code.run([x, w, b], Edge.last) for b in (far, near))
    np.testing.assert_allclose(moved, still, rtol=0, atol=1e-3 * float(np.abs(still).max()))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_in_its_row(value: float) -> None:
    body = prepared(CASES["spread"])
    x, w = random_inputs(body)
    x[0, 3, 9, 20] = value
    _, mean, square = MachineCode(body, BEST).run([x, w], Edge.last)
    spoilt = ~np.isfinite(square).all((0, 1, 3))
    np.testing.assert_array_equal(spoilt, ~np.isfinite(mean).all((0, 1, 3)))
    np.testing.assert_array_equal(np.flatnonzero(spoilt), [8, 9, 10])
