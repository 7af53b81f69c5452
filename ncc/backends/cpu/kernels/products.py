"""Kernels with one contraction, matmul or convolution, and the elementwise nodes after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, Evaluator, Scope
from ncc.backends.cpu.kernels.row_sums import RowSums, Turn, split_results
from ncc.backends.cpu.kernels.space import Loop, Operand, aligned_strides, flat_positions, join_axes
from ncc.backends.cpu.loopir.loops import (
    Contract,
    Expr,
    For,
    Kind,
    Local,
    Role,
    Stmt,
    Var,
    const,
)
from ncc.backends.cpu.loopir.panels import Pack
from ncc.backends.cpu.storage.views import View, runs
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import LINE, choose, product_width
from ncc.diagnostics import Locs
from ncc.ir.graph import Graph, Node
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import sums_of
from ncc.ir.types import DType, TensorType

BATCHES = 8
"""Products side by side from which each is done by one core rather than by all."""
CHANNELS, FEW_CHANNELS = 4, 16
"""What a few channels, in an odd number, are made a multiple of for matrix registers."""


@dataclass(frozen=True, slots=True)
class Product:
    """A contraction without its right operand: the domain, and how the left one is walked.

    `kinds` says of each axis of `domain` whether it is a "batch", a "row" or the "column" axis;
    `strides` are those of the left operand along them. `reduction` holds (extent, stride) runs
    of the summed axes, the last with stride 1. `split` is (axis, groups) when that axis of the
    result stands for two of the domain.
    """

    domain: tuple[int, ...]
    kinds: tuple[Hashable, ...]
    left: View
    strides: tuple[int, ...]
    reduction: tuple[tuple[int, int], ...]
    split: tuple[int, int] | None = None

    @property
    def columns(self) -> int:
        """Columns of one product of the batch."""
        return self.domain[self.kinds.index("column")]

    @property
    def rows(self) -> tuple[int, int]:
        """The extents of the fastest row variable and of the one around it, as `left` lies."""
        walked = zip(self.domain, self.strides, self.kinds, strict=True)
        held = [(extent, stride) for extent, stride, kind in walked if kind == "row"]
        found = [1, 1, *(extent for extent, _ in runs(*zip(*held, strict=True)))]
        return found[-1], found[-2]

    @property
    def outer(self) -> int:
        """Elements of the summed axes but the run."""
        return math.prod(extent for extent, _ in self.reduction[:-1])

    @property
    def run(self) -> int:
        """Elements of the innermost summed axis."""
        return self.reduction[-1][0]

    def in_blocks(self, size: int) -> Product:
        """The same with blocks of `size` elements as runs."""
        assert len(self.reduction) == 1, "blocks are those of one run"
        return replace(self, reduction=((self.run // size, size), (size, 1)))

    @property
    def height(self) -> int:
        """All rows of one product of the batch."""
        walked = zip(self.domain, self.kinds, strict=True)
        return math.prod(extent for extent, kind in walked if kind == "row")

    def spread(self, view: View) -> View:
        """A view of (a broadcast part of) the result over the axes of the domain."""
        rank = len(self.domain) - (self.split is not None)
        full = view.broadcast([1] * (rank - len(view.shape)) + list(view.shape))
        if self.split is None:
            return full
        axis, groups = self.split
        return full.split(axis, (groups, full.shape[axis] // groups))


def factors_of(left: DType, right: DType) -> DType:
    """The type of the left elements as they are multiplied: f32 where the right are widened."""
    return left if left is right or left.is_int else DType.f32


def matmul_product(left: View, right: tuple[int, ...], result: tuple[int, ...]) -> Product:
    """`left` [..., M, K] times a right operand of shape `right` [..., K, N]."""
    rank = len(result)
    shared = (1,) * (rank - len(right)) + right
    kinds = ["batch" if shared[axis] > 1 else "row" for axis in range(rank - 2)]
    strides = left.broadcast([1] * (rank - len(left.shape)) + list(left.shape)).strides
    return Product(
        domain=result,
        kinds=(*kinds, "row", "column"),
        left=left,
        strides=(*strides[:-1], 0),
        reduction=_reduction(left.shape[-1:], left.strides[-1:]),
    )


def conv_product(op: Conv, left: View, weight: tuple[int, ...], result: tuple[int, ...]) -> Product:
    """`left` [N, C, ...] convolved with weights [O, C / groups, ...].

    Around `left` lie the zeros of the padding; its channels have stride 1. After them lie those
    that the weights have more, see `spare_channels`.
    """
    spare = weight[1] * op.groups - left.shape[1]
    padded = padded_view(left, (0, 0, *op.low), (0, spare, *op.high))
    spatial = padded.strides[2:]
    steps = tuple(s * by for s, by in zip(spatial, op.strides, strict=True))
    taps = tuple(s * by for s, by in zip(spatial, op.dilations, strict=True))
    batch, channel = padded.strides[:2]
    summed = (*weight[2:], weight[1]), (*taps, channel)
    if op.groups == 1:
        kinds: tuple[Hashable, ...] = ("row", "column", *["row"] * len(spatial))
        strides: tuple[int, ...] = (batch, 0, *steps)
        return Product(result, kinds, padded, strides, _reduction(*summed))
    grouped = (result[0], op.groups, result[1] // op.groups, *result[2:])
    return Product(
        domain=grouped,
        kinds=("row", "batch", "column", *["row"] * len(spatial)),
        left=padded,
        strides=(batch, channel * weight[1], 0, *steps),
        reduction=_reduction(*summed),
        split=(1, op.groups),
    )


def spare_channels(op: Conv, left: TensorType, target: Target) -> int:
    """Channels of zeros to put after those of an input, that a run of taps may fill registers."""
    channels = left.dims[1]
    width = product_width(left.dtype, target)
    suits = target.has_matrix_registers and width > 1 and op.groups == 1
    return -channels % CHANNELS if suits and channels < FEW_CHANNELS and channels % width else 0


def padded_view(view: View, low: Sequence[int], high: Sequence[int]) -> View:
    """`view` grown by the memory around it."""
    moved = sum(amount * s for amount, s in zip(low, view.strides, strict=True))
    grown = zip(view.shape, low, high, strict=True)
    return replace(view, shape=tuple(map(sum, grown)), offset=view.offset - moved)


def _reduction(shape: Sequence[int], strides: Sequence[int]) -> tuple[tuple[int, int], ...]:
    found = runs(shape, strides)
    if not found or found[-1][1] != 1:
        found.append((1, 1))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Packed:
    """The right operand in panels: `view` is [groups, elements of a group], flat."""

    view: View
    pack: Pack
    batch_strides: tuple[int, ...]
    """Groups between neighbours along each axis of the domain; 0 where the operand is shared."""
    strides: tuple[int, ...]
    """Elements between neighbours along each summed axis but the run."""
    start: int = 0
    """The element at which the sums of the first column begin."""
    warm: bool = False
    """Whether an earlier product has brought it to the second-level cache."""


def product_call(
    body: Graph,
    root: Node,
    product: Product,
    packed: Packed,
    inputs: Sequence[View | None],
    outputs: Sequence[View],
    target: Target,
    locs: Locs = (),
    flops: int = 0,
) -> Call:
    """The call of the kernel that multiplies and then evaluates the rest of `body`.

    `inputs` holds None for the operands of `root` that only it reads.
    """
    build = KernelBuilder()
    domain = product.domain
    left = Operand(*build.bind(product.left, Role.input), product.strides)
    right = Operand(*build.bind(packed.view, Role.input), _group_strides(packed))
    others = {
        value: _bound(build, product, view, Role.input)
        for value, view in zip(body.inputs, inputs, strict=True)
        if view is not None
    }
    bound = [_bound(build, product, view, Role.output) for view in outputs]
    results, totals = split_results(body, root, list(zip(body.outputs, bound, strict=True)))
    operands = [left, right, *others.values(), *bound]
    loops = join_axes(domain, product.kinds, operands, bound[0])
    if totals:
        loops.sort(key=lambda loop: loop.fastest == len(domain) - 1)
    evaluator = Evaluator(others, {}, build.names)
    sums = RowSums(body, totals, build, next((x for x in loops if x.kind == "column"), None))

    def contract(at: dict[Loop, Expr], parallel: bool) -> Stmt:
        rows = [loop for loop in loops if loop.kind == "row" and loop not in at]
        columns = [loop for loop in loops if loop.kind == "column"]
        m = [(build.names.var(), loop.extent) for loop in rows]
        n = build.names.var()
        scope = Scope(at)
        scope.at |= {loop: var for loop, (var, _) in zip(rows, m, strict=True)}
        scope.at |= dict.fromkeys(columns, n)
        k = [(build.names.var(), extent) for extent, _ in product.reduction]
        acc = Local(build.names("acc"), _sums(root))
        scope.known[root.result] = MATH.cast(acc, root.result.tensor.dtype)
        for value, operand in results:
            scope.stmts.append(operand.store(scope.at, evaluator.value(value, scope)))
        if totals:
            sums.add(evaluator, [scope], Turn(*m[-1]))
        extents = [1, 1, *(loop.extent for loop in rows)]
        total = product.outer * product.run
        nr = packed.pack.nr
        factors = factors_of(left.buffer.dtype, packed.view.dtype)
        tile = choose(
            extents[-1], product.columns, total, factors, target, outer=extents[-2], nr=nr
        )
        return Contract(
            m=tuple(m) or ((build.names.var(), 1),),
            n=n,
            columns=product.columns,
            k=tuple(k),
            a=left.load(_without(scope.at, n), *_walk(k, product)),
            b=right.load(at, const(packed.start), *_walk_packed(k, packed)),
            pack=packed.pack,
            acc=acc,
            body=tuple(scope.stmts),
            tile=tile.shape,
            parallel=parallel,
            warm=packed.warm,
            in_order=bool(totals),
        )

    call = build.finish((_over_batches(_around(loops, left), build, contract),), locs, flops)
    return replace(call, root=root)


def _around(loops: Sequence[Loop], left: Operand) -> list[Loop]:
    """The loops around a product: its batch, and the outer rows where neighbours share lines.

    Groups of few channels do: one after the other, each would bring lines of the whole image.
    Tiles of narrow factors may hold several of those rows, and keep them.
    """
    batches = [loop for loop in loops if loop.kind == "batch"]
    rows = [loop for loop in loops if loop.kind == "row"]
    apart = min((left.stride(loop) for loop in batches), default=0) * left.buffer.dtype.itemsize
    shared = 0 < apart < LINE and left.buffer.dtype is DType.f32
    return [*rows[:-1], *batches] if shared else batches


def _sums(root: Node) -> DType:
    """The type that products of the operands are summed in."""
    left, right = (value.tensor.dtype for value in root.operands)
    found = sums_of(left, right)
    assert found is not None, f"no product of {left.value} and {right.value}"
    return found


def _over_batches(batches: list[Loop], build: KernelBuilder, contract: Writer) -> Stmt:
    """The products of a batch: each by one core when they are many, else all cores on each."""
    count = math.prod(loop.extent for loop in batches)
    if not batches:
        return contract({}, True)
    position = build.names.var()
    alone = count >= BATCHES
    body = contract(flat_positions(batches, position), not alone)
    return For(position, count, (body,), Kind.parallel if alone else Kind.serial)


Writer = Callable[[dict[Loop, Expr], bool], Stmt]


def _bound(build: KernelBuilder, product: Product, view: View, role: Role) -> Operand:
    spread = product.spread(view)
    return Operand(*build.bind(spread, role), aligned_strides(spread, product.domain))


def _group_strides(packed: Packed) -> tuple[int, ...]:
    size = packed.view.shape[-1]
    return tuple(groups * size for groups in packed.batch_strides)


def _without(at: dict[Loop, Expr], n: Var) -> dict[Loop, Expr]:
    return {loop: index for loop, index in at.items() if index is not n}


def _walk(k: list[tuple[Var, int]], product: Product) -> list[Expr]:
    """The distance in the left operand to the taps."""
    pairs = zip(k, product.reduction, strict=True)
    return [var * stride for (var, _), (_, stride) in pairs]


def _walk_packed(k: list[tuple[Var, int]], packed: Packed) -> list[Expr]:
    """The distance in a panel to the rows of the outer summed axes."""
    return [var * stride for (var, _), stride in zip(k, packed.strides, strict=False)]
