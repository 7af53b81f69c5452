"""Products of few rows with computed matrices, which read them where they lie."""

from __future__ import annotations

import pytest

from ncc.backends.cpu.loopir.loops import Contract, walk
from ncc.backends.cpu.target import TARGETS, Target
from ncc.passes.few_rows import FEW
from tests.backends.cpu.device_graphs import assert_runs, calls_of
from tests.machine_code import each_target


def product(left: str, right: str) -> str:
    return f"graph @g(%x: {left}, %y: {right}) {{\n %z = matmul(%x, %y)\n return %z\n}}"


STEP = """graph @g(%q: f32[6, 1, 64], %k: f32[6, 35, 64], %v: f32[6, 35, 64]) {
  %t = transpose(%k) {perm = [0, 2, 1]}
  %s = matmul(%q, %t)
  %max = reduce_max(%s) {axes = [2], keepdims = true}
  %less = sub(%s, %max)
  %p = exp(%less)
  %z = matmul(%p, %v)
  return %z
}"""

CASES = {
    "one row": product("f32[1, 17]", "f32[17, 33]"),
    "one column": product("f32[5, 2, 40]", "f32[5, 40, 1]"),
    "one term": product("f32[3, 4, 1]", "f32[3, 1, 7]"),
    "a long sum of one": product("f32[1, 1, 65536]", "f32[1, 65536, 1]"),
    "rows of a batch that share a matrix": product("f32[2, 4, 1, 8]", "f32[2, 1, 8, 19]"),
    "matrices of a batch that share a row": product("f32[2, 9]", "f32[3, 5, 9, 4]"),
    "rows of all of a batch": product("f32[3, 1, 9]", "f32[9, 16]"),
    "nothing of a batch": product("f32[0, 1, 9]", "f32[0, 9, 16]"),
    "a step of a decoder": STEP,
    "a step in bf16": STEP.replace("f32", "bf16"),
    "a step in f16": STEP.replace("f32", "f16"),
    "f64": product("f64[2, 3, 11]", "f64[2, 11, 13]"),
    "bytes": product("u8[2, 33]", "i8[33, 19]"),
}


@each_target
@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_it_equals_the_interpreter(text: str, target: Target) -> None:
    rounded = any(dtype in text for dtype in ("bf16", " f16"))
    assert_runs(text, target, 2e-2 if rounded else 1e-5)


@pytest.mark.parametrize(
    ("left", "right", "packed"),
    [
        (f"f32[{FEW}, 8]", "f32[8, 9]", False),
        (f"f32[{FEW + 1}, 8]", "f32[8, 9]", True),
        (f"f32[2, {FEW}, 1, 8]", "f32[2, 1, 8, 9]", False),
        (f"f32[2, {FEW}, 1, 8]", "f32[8, 9]", True),
    ],
)
def test_panels_are_for_more_rows(left: str, right: str, packed: bool) -> None:
    calls = calls_of(product(left, right), TARGETS["x86-64-v3"])
    statements = [stmt for call in calls for stmt in walk(call.kernel.body)]
    assert any(isinstance(stmt, Contract) for stmt in statements) == packed


def test_a_constant_is_in_panels_for_any_number_of_rows() -> None:
    text = """graph @g(%x: f32[1, 8]) {
      %w = weight "w" : f32[8, 9]
      %z = matmul(%x, %w)
      return %z
    }"""
    (call,) = calls_of(text, TARGETS["x86-64-v3"])
    assert any(isinstance(stmt, Contract) for stmt in walk(call.kernel.body))
