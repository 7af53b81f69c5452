"""Kernels around a window: pooling and convolutions of one channel each, and what follows them.

A patch of neighbouring results is computed in registers. They share what they load: each filter
element, and the operand's elements under several windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.depthwise import Depthwise
from ncc.backends.cpu.kernels.evaluate import Evaluator, Scope
from ncc.backends.cpu.kernels.patch import best_patch
from ncc.backends.cpu.kernels.pooling import Maximum, Mean
from ncc.backends.cpu.kernels.row_sums import RowSums, split_results
from ncc.backends.cpu.kernels.schedule import (
    PARALLEL,
    equal_parts,
    loops_over,
    take_shared,
    vector_loop,
)
from ncc.backends.cpu.kernels.space import Loop, Operand, aligned_strides, flat_positions, shared
from ncc.backends.cpu.kernels.windows import Window
from ncc.backends.cpu.loopir.loops import Expr, For, Kind, Role, Stmt
from ncc.backends.cpu.storage.views import View
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import L2_BYTES
from ncc.diagnostics import Locs
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.max_pool import MaxPool

SPLIT = 64
"""Channels that a core gets at least."""


def window_of(node: Node) -> Window | None:
    """How to compute the node if it has a window."""
    match node.op:
        case MaxPool():
            return Maximum(node, node.op)
        case AveragePool():
            return Mean(node, node.op)
        case Conv():
            return Depthwise(node, node.op)
    return None


def window_nest(
    body: Graph,
    window: Window,
    inputs: Sequence[View],
    outputs: Sequence[View],
    target: Target,
    locs: Locs = (),
    flops: int = 0,
) -> Call:
    """The call of the kernel that computes `body`, whose root is that of `window`."""
    writer = _WindowNest(body, window, inputs, outputs, target)
    return writer.build.finish((writer.write(),), locs, flops)


class _WindowNest:
    def __init__(
        self,
        body: Graph,
        window: Window,
        inputs: Sequence[View],
        outputs: Sequence[View],
        target: Target,
    ) -> None:
        self.build = KernelBuilder()
        self.body = body
        self.window = window
        self.target = target
        self.domain = window.node.result.tensor.dims
        views = dict(zip(body.inputs, inputs, strict=True))
        self._bind_window(views)
        self.inputs = self._bind_others(views)
        bound = [self._bound(view, Role.output) for view in outputs]
        pairs = list(zip(body.outputs, bound, strict=True))
        self.outputs, self.totals = split_results(body, window.node, pairs)
        self.operands = [*self.inputs.values(), *window.operands, *bound]

    def _bind_window(self, views: Mapping[Value, View]) -> None:
        operands = self.window.node.operands
        seen = [self.window.view(index, views[value]) for index, value in enumerate(operands)]
        self.window.bind([self.build.bind(view, Role.input) for view in seen], seen)

    def _bind_others(self, views: Mapping[Value, View]) -> dict[Value, Operand]:
        nodes = [node for node in self.body.nodes if node is not self.window.node]
        read = dict.fromkeys(value for node in nodes for value in node.operands if value in views)
        return {value: self._bound(views[value], Role.input) for value in read}

    def _bound(self, view: View, role: Role) -> Operand:
        return Operand(*self.build.bind(view, role), aligned_strides(view, self.domain))

    def write(self) -> Stmt:
        """The statement of the kernel."""
        space = range(2, len(self.domain))
        kinds = [axis if axis in space else "outer" for axis in range(len(self.domain))]
        loops = loops_over(self.domain, kinds, self.operands)
        row = self._row(loops)
        free = [loop for loop in loops if loop not in row]
        vector = vector_loop(free, self.operands, self.target.lanes)
        outer = [*(loop for loop in free if loop is not vector), *row]
        outer = self._frames_inside(outer) if self._sees_many_frames() else outer
        along = {loop.axes[0] - 2: loop for loop in outer if loop.axes[0] in space}
        self.patch = best_patch(self.window, along, _most_results(self.target))
        lines = range(self.patch.lines if row else 0)
        self.sums = [RowSums(self.body, self.totals, self.build, vector) for _ in lines]
        outer = [self.patch.turns(loop) for loop in outer]
        inside = [outer.pop() for _ in row]
        taken = take_shared(outer)
        outer += inside
        count = math.prod(loop.extent for loop in taken)
        lanes = self.target.lanes
        parts = 1
        if vector is not None:
            parts = equal_parts(vector.extent, lanes, -(-PARALLEL // count), SPLIT)
        position = self.build.names.var()
        at = flat_positions(taken, position // (parts or 1))
        body = self._nested(
            Scope(self.patch.entered(at)),
            outer,
            vector,
            (position % (parts or 1), parts or 1),
        )
        count *= parts or 1
        return shared(position, count, body)

    def _row(self, loops: Sequence[Loop]) -> list[Loop]:
        """The loop along rows where there are sums of them: each core takes whole rows."""
        last = len(self.domain) - 1
        return [loop for loop in loops if self.totals and loop.axes == (last,)]

    def _sees_many_frames(self) -> bool:
        """Whether a window reaches over more of a video than stays in the cache."""
        if len(self.domain) < 5 or self.window.kernel[0] == 1:
            return False
        source = self.window.operands[0]
        frame = abs(source.strides[2]) // self.window.strides[0] * source.buffer.dtype.itemsize
        return self.window.kernel[0] * frame > L2_BYTES // 2

    def _frames_inside(self, outer: list[Loop]) -> list[Loop]:
        """`outer` with frames inside the loop over rows: a few rows of all of them stay near."""
        frames = [loop for loop in outer if loop.axes == (2,)]
        others = [loop for loop in outer if loop.axes != (2,)]
        after = sum(loop.axes[0] in (0, 1, 3) for loop in others)
        return [*others[:after], *frames, *others[after:]]

    def _nested(
        self,
        scope: Scope,
        outer: list[Loop],
        vector: Loop | None,
        part: tuple[Expr, int],
    ) -> tuple[Stmt, ...]:
        var = self.build.names.var()
        if outer:
            inner = Scope(self.patch.entered({outer[0]: var}), scope)
            return (For(var, outer[0].extent, self._nested(inner, outer[1:], vector, part)),)
        if vector is None:
            return self._results(scope)
        extent = vector.extent // part[1]
        inner = Scope({vector: part[0] * extent + var}, scope)
        return (For(var, extent, self._results(inner), Kind.vector),)

    def _results(self, scope: Scope) -> tuple[Stmt, ...]:
        """All results of one tile."""
        evaluator = Evaluator(self.inputs, {}, self.build.names)
        places = self.patch.places(scope)
        found = self.window.write(places, self.build.names)
        for place, element in zip(places, found, strict=True):
            place.scope.known[self.window.node.result] = element
            for value, operand in self.outputs:
                stored = evaluator.value(value, place.scope)
                scope.stmts.append(operand.store(place.scope.at, stored))
        lines = self.patch.by_line(places) if self.sums else []
        for sums, line in zip(self.sums, lines, strict=True):
            sums.add(evaluator, [place.scope for place in line], self.patch.turn(scope))
        return tuple(scope.stmts)


def _most_results(target: Target) -> int:
    """Results in a patch, each in a register of its own."""
    return target.registers * 3 // 8
