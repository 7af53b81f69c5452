"""Weights that are integers of a few bits, with a scale for each block of a column.

    %0 = dequantize(%x, %s, %z) : f32[8, 3, 32]        %x : u8[8, 3, 32], %s : f32[8, 3, 1]
    %1 = reshape(%0) {shape = [8, 96]} : f32[8, 96]
    %2 = transpose(%1) {perm = [1, 0]} : f32[96, 8]

are 3 blocks of 32 numbers in each of 8 columns. As integers they have 4 bits each rather than 32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ncc.ir.bounds import bounds
from ncc.ir.fold import number
from ncc.ir.graph import Builder, Node, Value
from ncc.ir.indexing import constant
from ncc.ir.ops.arithmetic import Mul, Sub
from ncc.ir.ops.broadcast_to import BroadcastTo
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.quantize import Dequantize
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import DType

NARROW = {DType.i4, DType.u4, DType.i8, DType.u8}
WIDTHS = (2, 4, 8)
"""Bits that integers may have."""
WORD = 16
"""Integers of the fewest bits that fill a word; blocks are whole words."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """(whole - points) * scales, where each number of the latter counts for a part of a column.

    `whole` is i8 [K, N] of integers that `bits` bits hold with a sign, the others are f32
    [blocks, N]; `points` is None for zeros.
    """

    whole: Value
    scales: Value
    points: Value | None
    bits: int

    @property
    def count(self) -> int:
        """Blocks in a column."""
        return self.scales.tensor.dims[0]

    @property
    def size(self) -> int:
        """Numbers in a block."""
        return self.whole.tensor.dims[0] // self.count


@dataclass(frozen=True, slots=True)
class _Parts:
    """Operands of a dequantization, each with two axes, of which `axis` has the blocks.

    A zero point may be a single number with other axes.
    """

    whole: Value
    scale: Value
    point: Value
    axis: int

    def moved(self, move: Callable[[Value], Value]) -> _Parts:
        """The same with the axes exchanged."""
        point = self.point if self.point.tensor.size == 1 else move(self.point)
        return _Parts(move(self.whole), move(self.scale), point, 1 - self.axis)


def blocks_of(build: Builder, weight: Value) -> Blocks | None:
    """The blocks of constant weights [K, N]; None where they are not known to be made of some."""
    if not weight.is_constant or weight.tensor.dtype is not DType.f32 or weight.tensor.rank != 2:
        return None
    found = _parts(build, weight)
    if found is None or found.axis != 0 or not weight.tensor.size:
        return None
    taken, bits = _width(found.whole)
    made = Blocks(
        _signed(build, found.whole, taken), found.scale, _points(build, found, taken), bits
    )
    return made if made.size % WORD == 0 else None


def _parts(build: Builder, weight: Value) -> _Parts | None:
    """What weights with two axes are dequantized from."""
    node = weight.node
    assert node is not None, "weights depend on no input"
    op = node.op
    match op:
        case Reshape():
            return _joined(build, weight, node.operands[0])
        case Dequantize():
            return _by_filter(build, weight, node)
        case Transpose():
            inner = _parts(build, node.operands[0])
            return inner and inner.moved(lambda value: build(op, value))
        case Mul() if node.operands[0].tensor.dims == weight.tensor.dims:
            return _scaled(build, *node.operands)
    return None


def _joined(build: Builder, weight: Value, apart: Value) -> _Parts | None:
    """The same for blocks that have an axis of their own."""
    dims = apart.tensor.dims
    if not isinstance(apart.op, Dequantize) or apart.node is None or len(dims) != 3:
        return None
    joined = ((dims[0] * dims[1], dims[2]), (dims[0], dims[1] * dims[2]))
    for axis, shape in enumerate(joined):
        units = (*dims[: axis + 1], 1, *dims[axis + 2 :])
        if weight.tensor.dims == shape and _has_units(apart.node, units):
            flat = (dims[0], dims[1] if axis else dims[2])
            return _reshaped(build, apart.node, shape, flat, axis)
    return None


def _by_filter(build: Builder, weight: Value, node: Node) -> _Parts | None:
    """The same for weights whose columns, or rows, are one block each."""
    dims = weight.tensor.dims
    for axis, units in enumerate(((1, dims[1]), (dims[0], 1))):
        if _has_units(node, units):
            return _reshaped(build, node, dims, units, axis)
    return None


def _has_units(node: Node, dims: tuple[int, ...]) -> bool:
    """Whether a dequantization has a scale for each of `dims`, and zero points likewise."""
    whole, scale, point = (value.tensor for value in node.operands)
    aligned = [(1,) * (len(dims) - x.rank) + x.dims for x in (scale, point)]
    every = whole.dims == node.result.tensor.dims and whole.dtype in NARROW
    return every and aligned[0] == dims and (point.size == 1 or aligned[1] == dims)


def _reshaped(
    build: Builder, node: Node, whole: tuple[int, ...], units: tuple[int, ...], axis: int
) -> _Parts:
    x, scale, point = node.operands
    if point.tensor.size > 1:
        point = build(Reshape(units), point)
    return _Parts(build(Reshape(whole), x), build(Reshape(units), scale), point, axis)


def _scaled(build: Builder, weight: Value, factor: Value) -> _Parts | None:
    """The same for weights times a number, or times one for all of a block."""
    inner = _parts(build, weight)
    dims = (1,) * (2 - factor.tensor.rank) + factor.tensor.dims
    if inner is None or dims[inner.axis] != 1:
        return None
    return replace(inner, scale=build(Mul(), inner.scale, factor))


def _width(whole: Value) -> tuple[int, int]:
    """What to take from integers, to have them in how many bits with a sign."""
    low, high = bounds(whole)
    for bits in WIDTHS:
        half = 1 << (bits - 1)
        taken = half if low >= 0 else 0
        if low - taken >= -half and high - taken < half:
            return taken, bits
    raise AssertionError(f"{whole.type} has more than 8 bits")


def _signed(build: Builder, whole: Value, taken: int) -> Value:
    wide = build(Cast(DType.i16), whole)
    return build(Cast(DType.i8), build(Sub(), wide, constant(build, taken, DType.i16)))


def _points(build: Builder, found: _Parts, taken: int) -> Value | None:
    """Zero points of integers of which `taken` was taken; None if they are zeros."""
    if number(found.point) == taken:
        return None
    wide = build(Cast(DType.f32), found.point)
    left = build(Sub(), wide, constant(build, taken, DType.f32))
    if left.tensor.size == 1:
        left = build(BroadcastTo(found.scale.tensor.shape), build(Reshape(()), left))
    return left
