"""Time kernels without products on one core: `python bench/nests.py [--target T] [NAME ...]`.

Prints for each kind of kernel the GB/s of the elements that must be read and written, beside those
of a copy of as many bytes that takes turns with it, and its arithmetic. What a kind reads and
writes is in the core's caches as far as it fits, and starts on cache lines.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from native import load, median_time
from ncc.backends.cpu.emit.kernel import emit_kernel
from ncc.backends.cpu.kernels.builder import Call, Pointer
from ncc.backends.cpu.lower import lower
from ncc.backends.cpu.plan.memory import plan
from ncc.backends.cpu.storage.views import Space
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target, resolve
from ncc.backends.interface import NATIVE
from ncc.compiler import PHASES, run_phases
from ncc.ir.graph import Graph, Value
from ncc.ir.op import load_ops
from ncc.ir.ops.segment import Segment
from ncc.ir.text.parser import parse
from ncc.options import AutoCast, Options

TABLE = 4096
"""Rows of a table, by which it is known."""
ROUNDS = 7
SECONDS = 0.01

WINDOW = "strides = [{0}, {0}], low = [{1}, {1}], high = [{1}, {1}], dilations = [1, 1]"
KINDS: dict[str, tuple[str, Sequence[str]]] = {
    "add, f32, 0.5 MB": ("%x: f32[128, 384], %y: f32[128, 384]", ["add(%x, %y)"]),
    "add, f32, 24 MB": ("%x: f32[2048, 1024], %y: f32[2048, 1024]", ["add(%x, %y)"]),
    "round an image": ("%x: f32[3, 416, 416]", ["cast(%x) {to = bf16}"]),
    "image, channels last": ("%x: f32[3, 416, 416]", ["transpose(%x) {perm = [1, 2, 0]}"]),
    "255 channels first": ("%x: f32[52, 52, 255]", ["transpose(%x) {perm = [2, 0, 1]}"]),
    "heads apart, bf16": ("%x: bf16[128, 12, 64]", ["transpose(%x) {perm = [1, 2, 0]}"]),
    "heads apart, f32": ("%x: f32[128, 12, 64]", ["transpose(%x) {perm = [1, 2, 0]}"]),
    "softmax of 128": ("%x: f32[1536, 128]", ["softmax(%x) {axis = 1}"]),
    "layer norm of 768": (
        "%x: f32[128, 768], %s: f32[768], %b: f32[768]",
        ["layer_norm(%x, %s, %b) {axis = 1, epsilon = 1e-5}"],
    ),
    "instance norm, 64 planes": (
        "%x: f32[1, 64, 200, 200], %s: f32[64], %b: f32[64]",
        ["group_norm(%x, %s, %b) {groups = 64, epsilon = 1e-5}"],
    ),
    "mean of planes": ("%x: f32[49, 2048]", ["reduce_sum(%x) {axes = [0]}"]),
    "sum of a million": ("%x: f32[1048576]", ["reduce_sum(%x) {axes = [0]}"]),
    "maxima 3x3, step 2": (
        "%x: bf16[112, 112, 64]",
        [
            "reshape(%x) {shape = [1, 112, 112, 64]}",
            "transpose(%0) {perm = [0, 3, 1, 2]}",
            f"max_pool(%1) {{kernel = [3, 3], {WINDOW.format(2, 1)}}}",
            "transpose(%2) {perm = [0, 2, 3, 1]}",
        ],
    ),
    "depthwise 3x3, bf16": (
        "%x: bf16[1, 56, 56, 144]",
        [
            "transpose(%x) {perm = [0, 3, 1, 2]}",
            "constant 0.5 : bf16[]",
            "broadcast_to(%1) {shape = [144, 1, 3, 3]}",
            f"conv(%0, %2) {{groups = 144, {WINDOW.format(1, 0)}}}",
            "transpose(%3) {perm = [0, 2, 3, 1]}",
        ],
    ),
    "twice the size, nearest": (
        "%x: bf16[26, 26, 128]",
        [
            "reshape(%x) {shape = [26, 1, 26, 1, 128]}",
            "broadcast_to(%0) {shape = [26, 2, 26, 2, 128]}",
            "reshape(%1) {shape = [52, 52, 128]}",
        ],
    ),
    "rows of a table": (f"%x: f32[{TABLE}, 768], %i: i64[128]", ["gather(%x, %i) {axis = 0}"]),
    "sigmoid": ("%x: f32[128, 3072]", ["sigmoid(%x)"]),
    "mish": ("%x: f32[128, 3072]", ["mish(%x)"]),
    "gelu": ("%x: f32[128, 3072]", ["gelu(%x)"]),
}


def main() -> None:
    arguments = parser().parse_args()
    target = resolve(arguments.target)
    load_ops()
    sys.stdout.write(f"{target.name}, one core\n\n")
    columns = f"{'calls':>5} {'MB':>6} {'us':>8} {'GB/s':>7} {'copy':>7} {'share':>6}"
    sys.stdout.write(f"{'':28} {columns}\n")
    for name, (parameters, lines) in KINDS.items():
        if any(part in name for part in arguments.names):
            report(name, graph(parameters, lines, target), target)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Time kernels without products on one core.")
    made.add_argument("names", nargs="*", default=[""], help="parts of the names of kinds")
    made.add_argument("--target", default=NATIVE)
    return made


def graph(parameters: str, lines: Sequence[str], target: Target) -> Graph:
    """The kernels of a graph whose last line gives its output."""
    numbered = "\n".join(f"%{index} = {line}" for index, line in enumerate(lines))
    text = f"graph @g({parameters}) {{\n{numbered}\nreturn %{len(lines) - 1}\n}}"
    placed = run_phases(parse(text), Options(auto_cast=AutoCast.none), target, list(PHASES))
    (body,) = (node.op.body for node in placed.nodes if isinstance(node.op, Segment))
    return body


def report(name: str, body: Graph, target: Target) -> None:
    """Time the kernels of `body` in turns with a copy, and print both."""
    nbytes = sum(map(moved, body.inputs)) + sum(value.tensor.nbytes for value in body.outputs)
    table = WeightTable()
    calls = lower(body, target, table)
    run, copy = prepare(name, body, calls, table, target), copy_of(nbytes // 2)
    rounds = [
        (median_time(run, seconds=SECONDS), median_time(copy, seconds=SECONDS))
        for _ in range(ROUNDS)
    ]
    spent, copied = (statistics.median(column) for column in zip(*rounds, strict=True))
    sys.stdout.write(
        f"{name:28} {len(calls):5} {nbytes / 1e6:6.2f} {spent * 1e6:8.1f} "
        f"{nbytes / spent / 1e9:7.1f} {nbytes / copied / 1e9:7.1f} {copied / spent:6.1%}\n"
    )
    sys.stdout.flush()


def moved(value: Value) -> int:
    """Bytes that must be read of an input: all, but of a table that is gathered from none."""
    return 0 if value.tensor.dims[:1] == (TABLE,) else value.tensor.nbytes


def copy_of(nbytes: int) -> Callable[[], None]:
    """A copy of so many bytes, which are in the caches as far as they fit."""
    source, target = aligned(bytes(nbytes)), aligned(bytes(nbytes))
    return lambda: np.copyto(target, source)


def prepare(
    kind: str, body: Graph, calls: Sequence[Call], table: WeightTable, target: Target
) -> Callable[[], None]:
    """A function that runs `calls` one after the other on seeded inputs."""
    arena = aligned(bytes(plan(calls).nbytes))
    weights = aligned(b"".join(map(bytes, table.chunks())))
    rng = np.random.default_rng(0)
    arrays = [
        aligned((20 * rng.random(value.tensor.dims)).astype(value.tensor.dtype.numpy).tobytes())
        for value in [*body.inputs, *body.outputs]
    ]

    def address(pointer: Pointer) -> int:
        memory = pointer.memory
        if memory.space is Space.io:
            return int(arrays[memory.where].ctypes.data) + pointer.offset
        held = weights if memory.space is Space.weights else arena
        return int(held.ctypes.data) + memory.where + pointer.offset

    bound = []
    for index, call in enumerate(calls):
        name = f"nest_{''.join(filter(str.isalnum, kind))}_{index}"
        text = emit_kernel(call.kernel, target, name)
        function = load(text, name, len(call.pointers) + 2, target)
        bound.append((function, [*map(address, call.pointers), 0, 1]))

    def run(*held: object) -> None:
        for function, passed in bound:
            function(*passed)

    return partial(run, arena, weights, arrays)


def aligned(data: bytes) -> npt.NDArray[np.uint8]:
    """The bytes in memory that starts on a cache line."""
    memory = np.zeros(len(data) + 64, np.uint8)
    start = -memory.ctypes.data % 64
    found = memory[start : start + len(data)]
    found[:] = np.frombuffer(data, np.uint8)
    return found


if __name__ == "__main__":
    main()
