"""Convolutions in parts, where some results see padding alone through some of the taps.

    results 0..11 under 3 taps that are 8 apart, with 8 zeros on each side of 12 elements
becomes
    results 0..3 under taps 1 and 2, results 4..7 under tap 1, results 8..11 under taps 0 and 1

So it is with large dilations and with the short axes of videos. The parts share the panels of the
whole, and each of them is a call of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.kernels.products import Packed, Product, product_call
from ncc.backends.cpu.storage.views import View
from ncc.backends.cpu.target import Target
from ncc.diagnostics import Locs
from ncc.ir.graph import Graph, Node
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.reduce import Reduce
from ncc.ir.types import DType

COLD, COLD_MATRIX = 32, 200
"""Rows for which multiplying by a panel takes as long as bringing it; with matrix registers."""
GAIN = 0.95
"""The share of the time that parts may take at most to be worth their calls."""
LEAST = 1 << 24
"""Multiplications of a convolution whose parts are worth calls of their own."""


@dataclass(frozen=True, slots=True)
class Span:
    """`count` results along an axis, from `start` on, that see `taps` taps, from `tap` on."""

    start: int
    count: int
    tap: int
    taps: int


Part = tuple[Span, ...]
"""A span along each spatial axis."""


def product_calls(
    body: Graph,
    root: Node,
    product: Product,
    packed: Packed,
    inputs: Sequence[View | None],
    outputs: Sequence[View],
    target: Target,
    locs: Locs = (),
    flops: int = 0,
) -> list[Call]:
    """The call of `product_call`, or one for each part; parts are left to the cost model."""
    cuts = not any(isinstance(node.op, Reduce) for node in body.nodes)
    parts = _parts(root, root.op, product, target) if isinstance(root.op, Conv) and cuts else []
    if len(parts) < 2:
        return [product_call(body, root, product, packed, inputs, outputs, target, locs, flops)]
    whole = math.prod(root.result.tensor.dims[2:] + root.operands[1].tensor.dims[2:])
    return [
        replace(
            product_call(
                body,
                root,
                _product_of(product, part, root),
                _packed_of(packed, product, part, root),
                [view and _seen(view, part) for view in inputs],
                [_seen(view, part) for view in outputs],
                target,
                locs,
                flops * _work(part) // whole,
            ),
            root=None,
        )
        for part in parts
    ]


def _parts(root: Node, op: Conv, product: Product, target: Target) -> list[Part]:
    """The parts that take the least time; none if the whole takes about as little."""
    x, w = (value.tensor for value in root.operands)
    sizes, kernel, results = x.dims[2:], w.dims[2:], root.result.tensor.dims[2:]
    if root.result.tensor.size * math.prod(w.dims[1:]) < LEAST:
        return []
    narrow = x.dtype is DType.bf16 and target.has_matrix_registers
    cold = COLD_MATRIX if narrow else COLD

    def time(parts: Sequence[Part]) -> int:
        return sum(x.dims[0] * _work(part) + cold * _taps(part) for part in parts)

    whole = tuple(Span(0, count, 0, taps) for count, taps in zip(results, kernel, strict=True))
    ways = [[whole]]
    for axis, size in enumerate(sizes):
        if _tap_axis(product, axis, root) is not None:
            spans = _spans(op, axis, size, kernel[axis], results[axis])
            ways += [
                [(*part[:axis], span, *part[axis + 1 :]) for part in parts for span in spans]
                for parts in ways
            ]
    best = min(ways, key=time)
    return best if time(best) <= GAIN * time([whole]) else []


def _taps(part: Part) -> int:
    """The taps that each result of a part sees."""
    return math.prod(span.taps for span in part)


def _work(part: Part) -> int:
    """Results of a plane times the taps that each sees."""
    return _taps(part) * math.prod(span.count for span in part)


def _spans(op: Conv, axis: int, size: int, kernel: int, results: int) -> list[Span]:
    """Runs of results that see the same taps; all of them where one sees none."""
    low, step, apart = (n[axis] for n in (op.low, op.strides, op.dilations))
    edges = {0, results}
    for tap in range(kernel):
        before = low - tap * apart
        edges |= {-(-before // step), (size - 1 + before) // step + 1}
    places = sorted(edge for edge in edges if 0 <= edge <= results)
    found = []
    for start, end in itertools.pairwise(places):
        first = start * step - low
        tap = max(0, -(first // apart))
        found.append(
            Span(start, end - start, tap, min(kernel, (size - 1 - first) // apart + 1) - tap)
        )
    seen = all(span.taps > 0 for span in found)
    return found if seen else [Span(0, results, 0, kernel)]


def _tap_axis(product: Product, axis: int, root: Node) -> int | None:
    """Which of the outer summed axes are the taps along a spatial axis; None if it is no such."""
    taps = root.operands[1].tensor.dims[2 + axis]
    assert isinstance(root.op, Conv)
    run = taps, product.left.strides[2 + axis] * root.op.dilations[axis]
    outer = product.reduction[:-1]
    return outer.index(run) if run in outer else None


def _cut_taps(product: Product, part: Part, root: Node) -> Iterator[tuple[int, Span]]:
    """The outer summed axes that a part cuts, and the span along each."""
    for axis, span in enumerate(part):
        index = _tap_axis(product, axis, root)
        if index is not None:
            yield index, span


def _product_of(product: Product, part: Part, root: Node) -> Product:
    """The product of a part."""
    first = len(product.domain) - len(part)
    op, left = root.op, product.left
    assert isinstance(op, Conv)
    moved = 0
    for axis, span in enumerate(part):
        step = product.strides[first + axis] * span.start
        moved += step + left.strides[2 + axis] * op.dilations[axis] * span.tap
    reduction = list(product.reduction)
    for index, span in _cut_taps(product, part, root):
        reduction[index] = span.taps, reduction[index][1]
    shape = (
        (span.count - 1) * by + (span.taps - 1) * apart + 1
        for span, by, apart in zip(part, op.strides, op.dilations, strict=True)
    )
    return replace(
        product,
        domain=(*product.domain[:first], *(span.count for span in part)),
        left=replace(left, shape=(*left.shape[:2], *shape), offset=left.offset + moved),
        reduction=tuple(reduction),
    )


def _packed_of(packed: Packed, product: Product, part: Part, root: Node) -> Packed:
    """The panels of the whole, from the first tap of a part on."""
    cut = _cut_taps(product, part, root)
    return replace(packed, start=sum(packed.strides[index] * span.tap for index, span in cut))


def _seen(view: View, part: Part) -> View:
    """What a part reads or writes of a view that is broadcast over the results."""
    first, shape = [0] * len(view.shape), list(view.shape)
    for axis, span in zip(range(len(shape))[::-1], reversed(part), strict=False):
        if shape[axis] > 1:
            first[axis], shape[axis] = span.start, span.count
    return view.sliced(first, shape, [1] * len(first))
