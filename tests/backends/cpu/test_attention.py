"""Attention as one kernel, against the interpreter on the same graph."""

from __future__ import annotations

import numpy as np
import pytest

from ncc.backends.cpu.loopir.interpret import run_loops
from ncc.backends.cpu.loopir.loops import Contract, Kernel, walk
from ncc.backends.cpu.loopir.text.parser import parse as parse_kernel
from ncc.backends.cpu.loopir.text.printer import to_text
from ncc.backends.cpu.loopir.verify import verify_kernel
from ncc.backends.cpu.plan.memory import plan
from ncc.backends.cpu.target import TARGETS, Target
from ncc.ir.op import Array
from tests.backends.cpu.device_graphs import assert_runs, calls_of
from tests.machine_code import RUNNABLE, each_target

EXACT = 1e-5
ROUNDED = 2.0**-7
"""A weight may be rounded to either neighbour where its sum was added in another order."""


def attention(
    parameters: str,
    *scores: str,
    rank: int = 3,
    weights: str = "cast(%p) {to = f32}",
    result: str = "matmul(%w, %v)",
    ends: tuple[str, ...] = (),
) -> str:
    """A graph: `scores` name the last of them %s; rows of %s become %p, and %w of those."""
    axes = f"{{axes = [{rank - 1}]}}"
    lines = [
        *scores,
        f"%max = reduce_max(%s) {axes}",
        "%below = sub(%s, %max)",
        "%powers = exp(%below)",
        f"%total = reduce_sum(%powers) {axes}",
        "%part = reciprocal(%total)",
        "%p = mul(%powers, %part)",
        f"%w = {weights}",
        f"%y = {result}",
        *ends,
    ]
    body = "\n".join(f"  {line}" for line in lines)
    return f"graph @g({parameters}) {{\n{body}\n  return %y\n}}"


def operands(
    batch: str, rows: int, keys: int, depth: int, columns: int, kinds: tuple[str, str]
) -> str:
    """%q, %k and %v of matrices side by side, keys already across."""
    first, second = kinds
    return (
        f"%q: {first}[{batch}, {rows}, {depth}], %k: {first}[{batch}, {depth}, {keys}], "
        f"%v: {second}[{batch}, {keys}, {columns}]"
    )


def narrow(parameters: str, *scores: str) -> str:
    """The same with weights of bf16, and a result of f32."""
    product = "matmul(%w, %v) {result = f32}"
    return attention(parameters, *scores, weights="cast(%p) {to = bf16}", result=product)


F32 = ("f32", "f32")
BF16 = ("bf16", "bf16")
MIXED = ("f32", "bf16")
PLAIN = "%s = matmul(%q, %k)"
WIDE = "%s = matmul(%q, %k) {result = f32}"

CASES = {
    "rows, keys and columns that fill registers": (
        attention(operands("4", 64, 64, 32, 32, F32), PLAIN),
        EXACT,
    ),
    "primes": (attention(operands("3", 37, 41, 13, 11, F32), PLAIN), EXACT),
    "five rows": (attention(operands("5", 5, 9, 4, 3, F32), PLAIN), EXACT),
    "five rows of one matrix": (attention(operands("1", 5, 2, 1, 2, F32), PLAIN), EXACT),
    "two columns": (attention(operands("2", 7, 33, 8, 2, F32), PLAIN), EXACT),
    "f64": (attention(operands("2", 9, 17, 5, 6, ("f64", "f64")), PLAIN, weights="neg(%p)"), EXACT),
    "bf16": (narrow(operands("3", 64, 64, 32, 32, BF16), WIDE), ROUNDED),
    "bf16, primes": (narrow(operands("9", 37, 197, 64, 67, BF16), WIDE), ROUNDED),
    "bf16, odd sums": (narrow(operands("2", 5, 7, 33, 9, BF16), WIDE), ROUNDED),
    "bf16, five rows": (narrow(operands("2", 5, 70, 64, 32, BF16), WIDE), ROUNDED),
    "scores of f32, weights of bf16": (
        narrow(operands("12", 50, 50, 32, 32, MIXED), PLAIN),
        ROUNDED,
    ),
    "one matrix that cores share": (
        attention(operands("1", 133, 40, 16, 8, F32), PLAIN),
        EXACT,
    ),
    "matrices without a batch": (
        attention("%q: f32[40, 16], %k: f32[16, 24], %v: f32[24, 8]", PLAIN, rank=2),
        EXACT,
    ),
    "a scale, a mask of rows and one of matrices": (
        attention(
            operands("4", 21, 19, 8, 16, F32)
            + ", %m: f32[21, 19], %n: f32[4, 1, 19], %h: f32[4, 1, 1]",
            "%0 = matmul(%q, %k)",
            "%1 = mul(%0, %h)",
            "%2 = add(%1, %m)",
            "%s = add(%2, %n)",
        ),
        EXACT,
    ),
    "heads beside each other, and the result as well": (
        attention(
            "%x: bf16[2, 19, 3, 16], %y: bf16[2, 23, 3, 16], %z: bf16[2, 23, 3, 8]",
            "%q = transpose(%x) {perm = [0, 2, 1, 3]}",
            "%k = transpose(%y) {perm = [0, 2, 3, 1]}",
            "%v = transpose(%z) {perm = [0, 2, 1, 3]}",
            WIDE,
            rank=4,
            weights="cast(%p) {to = bf16}",
            result="matmul(%w, %v)",
            ends=("%t = transpose(%o) {perm = [0, 2, 1, 3]}",),
        )
        .replace("%y = matmul", "%o = matmul")
        .replace("return %y", "return %t"),
        ROUNDED,
    ),
    "heads that share keys and values": (
        attention(
            "%q: f32[2, 3, 4, 10, 8], %k: f32[2, 3, 1, 8, 12], %v: f32[2, 3, 1, 12, 6]",
            PLAIN,
            rank=5,
        ),
        EXACT,
    ),
    "queries that lie across": (
        attention(
            "%x: f32[3, 8, 20], %k: f32[3, 8, 30], %v: f32[3, 30, 8]",
            "%q = transpose(%x) {perm = [0, 2, 1]}",
            PLAIN,
        ),
        EXACT,
    ),
    "queries far from each other": (
        attention(
            "%x: f32[19, 300], %k: f32[2, 16, 23], %v: f32[2, 23, 8]",
            "%0 = slice(%x) {starts = [0, 7], sizes = [19, 32], steps = [1, 1]}",
            "%1 = reshape(%0) {shape = [19, 2, 16]}",
            "%q = transpose(%1) {perm = [1, 0, 2]}",
            PLAIN,
        ),
        EXACT,
    ),
    "what follows is in the kernel": (
        attention(
            operands("3", 20, 20, 8, 20, F32) + ", %b: f32[20], %r: f32[3, 20, 20]",
            "%0 = matmul(%q, %k)",
            "%s = add(%0, %r)",
            result="matmul(%w, %v)",
            ends=("%1 = add(%y, %b)", "%2 = add(%1, %r)", "%3 = relu(%2)"),
        ).replace("return %y", "return %3"),
        EXACT,
    ),
    "windows that a mask counts on an axis of their own": (
        attention(
            operands("6, 2", 9, 9, 8, 8, F32) + ", %m: f32[3, 1, 9, 9], %b: f32[2, 9, 9]",
            "%0 = matmul(%q, %k)",
            "%1 = add(%0, %b)",
            "%2 = reshape(%1) {shape = [2, 3, 2, 9, 9]}",
            "%3 = add(%2, %m)",
            "%s = reshape(%3) {shape = [6, 2, 9, 9]}",
            rank=4,
            result="matmul(%w, %v)",
            ends=("%t = transpose(%y) {perm = [0, 2, 1, 3]}",),
        ).replace("return %y", "return %t"),
        EXACT,
    ),
    "weights that are scaled after they are summed": (
        attention(
            operands("2", 9, 21, 8, 8, F32) + ", %g: f32[2, 9, 1]",
            PLAIN,
            weights="mul(%p, %g)",
        ),
        EXACT,
    ),
    "more keys than registers hold sums": (
        narrow(operands("1", 12, 1100, 16, 16, BF16), WIDE),
        ROUNDED,
    ),
}


def kernel_of(text: str, target: Target) -> Kernel:
    """The only kernel with two products, which stands last."""
    *others, call = calls_of(text, target)
    assert all(products(other.kernel) == 0 for other in others), "the group is formed"
    assert products(call.kernel) == 2, "the group is formed"
    return call.kernel


def products(kernel: Kernel) -> int:
    return sum(isinstance(stmt, Contract) for stmt in walk(kernel.body))


@each_target
@pytest.mark.parametrize(("text", "tolerance"), CASES.values(), ids=CASES)
def test_it_equals_the_interpreter(text: str, tolerance: float, target: Target) -> None:
    verify_kernel(kernel_of(text, target))
    assert_runs(text, target, tolerance)


SMALL = attention(
    operands("2", 11, 7, 4, 3, F32) + ", %m: f32[11, 7]",
    "%0 = matmul(%q, %k)",
    "%s = add(%0, %m)",
)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_its_loops_mean_the_same(target: Target) -> None:
    kernel = kernel_of(SMALL, target)
    (read,) = parse_kernel(to_text(kernel))
    assert to_text(read) == to_text(kernel)
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(buffer.size, np.float32) for buffer in kernel.params]
    queries, keys, values, mask, result = arrays
    run_loops(kernel, arrays)
    scores = queries.reshape(2, 11, 4) @ unpacked(keys, 2, 4, 7) + mask.reshape(11, 7)
    powers = np.exp(scores - scores.max(2, keepdims=True))
    weights = powers / powers.sum(2, keepdims=True)
    wanted = weights @ unpacked(values, 2, 7, 3)
    np.testing.assert_allclose(result.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-6)


def unpacked(panels: Array, groups: int, rows: int, columns: int) -> Array:
    """Matrices of few columns from panels of one element a step."""
    return panels.reshape(groups, rows, -1)[:, :, :columns]


SPECIAL = ("nan", "inf", "-inf", "3.0e38", "-3.0e38")


@each_target
@pytest.mark.parametrize("number", SPECIAL)
def test_rows_without_numbers_are_as_the_interpreter_has_them(number: str, target: Target) -> None:
    text = attention(
        operands("2", 8, 24, 8, 8, F32) + ", %m: bool[8, 24], %n: bool[8, 1]",
        "%0 = matmul(%q, %k)",
        f"%1 = constant {number} : f32[]",
        "%2 = and(%m, %n)",
        "%s = where(%2, %1, %0)",
    )
    kernel_of(text, target)
    assert_runs(text, target, EXACT)


LONG = attention(operands("1", 40, 9000, 16, 16, F32), PLAIN)


def test_rows_that_are_too_long_for_a_core_are_kept_in_memory() -> None:
    assert [products(call.kernel) for call in calls_of(LONG, RUNNABLE[-1])] == [0, 1, 0, 0, 1]


@pytest.mark.parametrize(("depth", "copied"), [(512, True), (16384, False)])
def test_queries_are_copied_where_a_core_has_room(depth: int, copied: bool) -> None:
    kernel = kernel_of(attention(operands("2", 32, 24, depth, 8, F32), PLAIN), RUNNABLE[0])
    verify_kernel(kernel)
    assert any(buffer.size >= depth for buffer in kernel.scratch) is copied


def test_scores_are_never_in_memory() -> None:
    calls = calls_of(attention(operands("4", 256, 256, 16, 16, F32), PLAIN), RUNNABLE[-1])
    assert plan(calls).nbytes <= 2 * 4 * 256 * 16 * 4


@pytest.mark.parametrize(("rows", "block"), [(128, 64), (197, 40), (49, 49), (64, 64), (130, 44)])
def test_rows_are_cut_so_that_they_fill_tiles(rows: int, block: int) -> None:
    kernel = kernel_of(narrow(operands("12", rows, 64, 64, 32, BF16), WIDE), RUNNABLE[-1])
    contracts = [stmt for stmt in walk(kernel.body) if isinstance(stmt, Contract)]
    assert [contract.m[-1][1] for contract in contracts] == [block, block]
