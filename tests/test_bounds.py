"""Bounds of integers: what their ops tell, and those of the type where a sum may wrap around."""

from __future__ import annotations

import pytest

from ncc.ir.bounds import bounds
from ncc.ir.op import load_ops
from ncc.ir.text.parser import parse

I32 = (-(2**31), 2**31 - 1)
GIVEN = "%x: u8[2, 3, 4], %w: i8[2, 4, 5], %y: i32[2, 3, 5]"


@pytest.fixture(scope="module", autouse=True)
def _ops() -> None:
    load_ops()


@pytest.mark.parametrize(
    ("nodes", "range"),
    [
        ("%0 = cast(%x) {to = i32}", (0, 255)),
        ("%0 = cast(%y) {to = u8}", (0, 255)),
        ("%0 = matmul(%x, %w)", (4 * 255 * -128, 4 * 255 * 127)),
        (
            "%1 = cast(%x) {to = i32} %2 = constant [3, -4, 0, 1] : i32[4] %0 = sub(%1, %2)",
            (-3, 259),
        ),
        ("%1 = cast(%w) {to = i32} %0 = mul(%1, %1)", (-128 * 127, 128 * 128)),
        ("%1 = cast(%w) {to = i32} %0 = neg(%1)", (-127, 128)),
        ("%1 = cast(%w) {to = i32} %0 = reduce_sum(%1) {axes = [1]}", (-512, 508)),
        ("%1 = matmul(%x, %w) %0 = add(%1, %y)", I32),
        ("%0 = mul(%w, %w)", (-128, 127)),
        ("%1 = transpose(%w) {perm = [2, 0, 1]} %2 = constant 15 : i8[] %0 = and(%1, %2)", (0, 15)),
        ("%0 = and(%w, %w)", (-128, 127)),
        ("%1 = cast(%y) {to = f32} %0 = cast(%1) {to = i32}", I32),
    ],
)
def test_ops_tell(nodes: str, range: tuple[int, int]) -> None:
    graph = parse(f"graph @g({GIVEN}) {{ {nodes} return %0 }}")
    assert bounds(graph.outputs[0]) == range
