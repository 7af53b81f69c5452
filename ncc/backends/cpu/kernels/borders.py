"""The constant around a padded value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH
from ncc.backends.cpu.kernels.space import Loop, Operand, join_axes
from ncc.backends.cpu.loopir.loops import Const, Expr, For, Kind, Role, Stmt
from ncc.backends.cpu.storage.views import View
from ncc.diagnostics import Locs

RUN = 16
"""Elements in a run of memory up to which its border is not worth skipping the rest."""


def fill_border(
    whole: View, low: Sequence[int], high: Sequence[int], value: float, locs: Locs
) -> Call:
    """Write `value` into the first `low` and last `high` elements of each axis of `whole`."""
    return _fill(whole, _slabs(whole, low, high), value, locs)


def prepare_border(
    whole: View, low: Sequence[int], high: Sequence[int], value: float, locs: Locs
) -> Call:
    """As `fill_border`, before anything lies inside: it may be overwritten as well."""
    runs = [axis for axis, stride in enumerate(whole.strides) if stride == 1]
    if any((low[axis] or high[axis]) and whole.shape[axis] <= RUN for axis in runs):
        call = _fill(whole, [whole], value, locs)
        return replace(call, pointers=tuple(replace(p, clears=True) for p in call.pointers))
    return fill_border(whole, low, high, value, locs)


def _fill(whole: View, slabs: Iterable[View], value: float, locs: Locs) -> Call:
    build = KernelBuilder()
    buffer, base = build.bind(whole, Role.output)
    stmts: list[Stmt] = []
    number = np.asarray(value).astype(whole.dtype.compute.numpy).item()
    element = MATH.cast(Const(number, whole.dtype.compute), whole.dtype)
    for slab in slabs:
        operand = Operand(buffer, base + slab.offset - whole.offset, slab.strides)
        loops = join_axes(slab.shape, ["all"] * len(slab.shape), [operand], operand)
        variables = [build.names.var() for _ in loops]
        at: dict[Loop, Expr] = dict(zip(loops, variables, strict=True))
        body: Stmt = operand.store(at, element)
        kind = Kind.vector
        for loop, var in reversed(list(zip(loops, variables, strict=True))):
            body, kind = For(var, loop.extent, (body,), kind), Kind.serial
        stmts.append(body)
    return build.finish(tuple(stmts), locs)


def _slabs(whole: View, low: Sequence[int], high: Sequence[int]) -> Iterator[View]:
    """Views that cover the border once: later axes are full in the slabs of earlier ones."""
    starts, sizes = [0] * len(low), list(whole.shape)
    ones = [1] * len(low)
    for axis, (before, after) in enumerate(zip(low, high, strict=True)):
        for start, amount in ((0, before), (whole.shape[axis] - after, after)):
            if amount and all(sizes):
                at, extent = [*starts], [*sizes]
                at[axis], extent[axis] = start, amount
                yield whole.sliced(at, extent, ones)
        starts[axis], sizes[axis] = before, whole.shape[axis] - before - after
