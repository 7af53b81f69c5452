"""Kernels without products: elementwise chains, gathers, rows with reductions.

A nest runs over the domain, the shape of the largest value in the body. Axes that a reduction
sums are `row` axes; the others are `outer`. Each reduction is one sweep over the row; what
depends on whole rows only is computed once a row; the results are written in a last sweep. One
loop is run in vector lanes, whichever suits the strides; when it is an outer one, each lane has
a row of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ncc.backends.cpu.kernels.builder import Call, KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, Evaluator, Scope, widen
from ncc.backends.cpu.kernels.kept import dear_and_shared
from ncc.backends.cpu.kernels.schedule import (
    PARALLEL,
    Tile,
    crossing,
    equal_parts,
    loops_over,
    take_shared,
    vector_loop,
)
from ncc.backends.cpu.kernels.space import Loop, Operand, aligned_strides, flat_positions, shared
from ncc.backends.cpu.kernels.sweep import reduction, sweep
from ncc.backends.cpu.kernels.window_nest import window_nest, window_of
from ncc.backends.cpu.loopir.loops import (
    Const,
    Expr,
    For,
    Kind,
    Role,
    Stmt,
    Store,
    apply,
    const,
)
from ncc.backends.cpu.storage.views import View
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tiles import LINE
from ncc.diagnostics import Locs
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.ops.reduce import Reduce

CHUNK = 1024
"""Elements that one iteration of a split vector loop handles at least."""
MAX_SCRATCH = 128 * 1024
"""Bytes of a row's values that are kept between sweeps: they should stay in the cache."""
ROWS = 4
"""Rows that are computed at a time: one alone waits for the sums of its lanes."""
NEAR = 4096
"""Elements of those rows at most: they should stay in the nearest cache."""
TURNS = 16
"""Times that as many rows are left, for the cores to share; half as many across the lanes."""


def is_nest(node: Node) -> bool:
    """Whether a node is a kernel without products and windows."""
    found = (Conv, MatMul, MaxPool, AveragePool)
    return isinstance(node.op, Fused) and not any(
        isinstance(inner.op, found) for inner in node.op.body.nodes
    )


def nest(
    body: Graph,
    inputs: Sequence[View],
    outputs: Sequence[View],
    target: Target,
    locs: Locs = (),
    flops: int = 0,
    *,
    zeros: int = 0,
) -> Call:
    """The call of the kernel that computes `body` from `inputs` into `outputs`.

    After each run of results in memory it stores `zeros` elements that are 0.
    """
    window = next(filter(None, map(window_of, body.nodes)), None)
    if window is not None:
        return window_nest(body, window, inputs, outputs, target, locs, flops)
    writer = _Nest(body, inputs, outputs, target.lanes, zeros)
    return writer.build.finish(writer.write(), locs, flops)


@dataclass(frozen=True, slots=True)
class _Line:
    """One of the rows that are computed at a time."""

    place: Scope
    evaluator: Evaluator


class _Nest:
    def __init__(
        self,
        body: Graph,
        inputs: Sequence[View],
        outputs: Sequence[View],
        lanes: int,
        zeros: int,
    ) -> None:
        self.build = KernelBuilder()
        self.body = body
        self.lanes = lanes
        self.names = self.build.names
        self.reduces = [node for node in body.nodes if isinstance(node.op, Reduce)]
        self.domain = _domain(body, outputs)
        self.row_axes = {axis for node in self.reduces for axis in _reduced_axes(node, self.domain)}
        views = dict(zip(body.inputs, inputs, strict=True))
        self.inputs: dict[Value, Operand] = {}
        self.tables: dict[Node, tuple[Operand, Operand]] = {}
        self._bind_inputs(views)
        self.zeros = zeros
        self.outputs = [
            Operand(*self.build.bind(view, Role.output, zeros), aligned_strides(view, self.domain))
            for view in outputs
        ]
        kinds = ["row" if axis in self.row_axes else "outer" for axis in range(len(self.domain))]
        self.tile: Tile | None = None
        self.loops = loops_over(self.domain, kinds, self._operands())

    def _bind_inputs(self, views: dict[Value, View]) -> None:
        read = set(self.body.outputs)
        for node in self.body.nodes:
            if isinstance(node.op, Gather):
                self.tables[node] = self._gather(node, node.op, views)
            else:
                read.update(node.operands)
        for value, view in views.items():
            if value in read:
                strides = aligned_strides(view, self.domain)
                self.inputs[value] = self._operand(view, strides, Role.input)

    def _operand(self, view: View, strides: Sequence[int], role: Role) -> Operand:
        return Operand(*self.build.bind(view, role), strides)

    def _gather(self, node: Node, op: Gather, views: dict[Value, View]) -> tuple[Operand, Operand]:
        """Operands of a gather: the table (its gathered axis last) and the indices."""
        table, indices = (views[value] for value in node.operands)
        held, axis, rank = table.strides, op.axis, len(indices.shape)
        after = len(held) - axis - 1
        over_table = (*held[:axis], *[0] * rank, *held[axis + 1 :], held[axis])
        over_indices = (*[0] * axis, *indices.strides, *[0] * after)
        return (
            self._operand(table, over_table, Role.input),
            self._operand(indices, over_indices, Role.input),
        )

    def _operands(self) -> list[Operand]:
        tables = [operand for pair in self.tables.values() for operand in pair]
        return [*self.inputs.values(), *tables, *self.outputs]

    def write(self) -> tuple[Stmt, ...]:
        """The statements of the kernel."""
        if not any(operand.buffer.size for operand in self.outputs):
            return ()
        rows = [loop for loop in self.loops if loop.kind == "row"]
        outer = [loop for loop in self.loops if loop.kind != "row"]
        vector = self._vector_loop()
        if self.tile is not None:
            outer[outer.index(self.tile.loop)] = self.tile.turns
        if vector in outer:
            outer.remove(vector)
            outer.sort(key=self._stays_in_lines)
            outer = self._several(outer, rows, TURNS // 2) if self._only_reduces(rows) else outer
        elif vector is not None:
            rows.remove(vector)
            rows.append(vector)
            outer = self._several(outer, rows, TURNS)
        return self._shared(outer, rows, vector)

    def _vector_loop(self) -> Loop | None:
        """The loop for the lanes; where inputs and outputs lie across each other, with a tile."""
        if not self.reduces:
            tables = [table for table, _ in self.tables.values()]
            inputs = [*self.inputs.values(), *tables]
            picked = [indices for _, indices in self.tables.values()]
            if pair := crossing(self.loops, inputs, self.outputs, self.lanes, picked):
                vector, self.tile = pair
                return vector
        return vector_loop(self.loops, self._operands(), self.lanes)

    def _only_reduces(self, rows: list[Loop]) -> bool:
        """Whether the kernel is one reduction that stores no whole rows."""
        whole = any(operand.stride(loop) for operand in self.outputs for loop in rows)
        return len(self.reduces) == 1 and not whole

    def _several(self, outer: list[Loop], rows: list[Loop], least: int) -> list[Loop]:
        """The loops around several short rows at a time, if `least` turns are left."""
        length = math.prod(loop.extent for loop in rows)
        turns = math.prod(loop.extent for loop in outer)
        for width in range(ROWS, 1, -1):
            fits = length * width <= NEAR and turns >= width * least
            if outer and outer[-1].extent % width == 0 and fits:
                self.tile = Tile(outer[-1], width)
                return [*outer[:-1], self.tile.turns]
        return outer

    def _stays_in_lines(self, loop: Loop) -> bool:
        """Whether a loop around the lanes touches lines of memory again: it is best inside."""
        operands = self._operands()
        sizes = (abs(o.stride(loop)) * o.buffer.dtype.itemsize for o in operands)
        return self.tile is None and any(0 < size < LINE for size in sizes)

    def _entered(self, at: Mapping[Loop, Expr]) -> Mapping[Loop, Expr]:
        return at if self.tile is None else self.tile.entered(at)

    def _shared(self, outer: list[Loop], rows: list[Loop], vector: Loop | None) -> tuple[Stmt, ...]:
        """The first outer loops, and parts of an outer vector loop, shared among the cores."""
        taken = take_shared(outer)
        count = math.prod(loop.extent for loop in taken)
        parts = 1
        if vector is not None and vector not in rows and count < PARALLEL:
            parts = equal_parts(vector.extent, self.lanes, PARALLEL, CHUNK)
        position = self.names.var()
        scope = Scope(self._entered(flat_positions(taken, position // parts)))
        body = self._nested(scope, outer, rows, vector, (position % parts, parts))
        return (shared(position, count * parts, body),)

    def _nested(
        self,
        scope: Scope,
        outer: list[Loop],
        rows: list[Loop],
        vector: Loop | None,
        part: tuple[Expr, int],
    ) -> tuple[Stmt, ...]:
        """The other outer loops, then the vector loop if it is one of them, then the row."""
        var = self.names.var()
        if outer:
            inner = Scope(self._entered({outer[0]: var}), scope)
            return (For(var, outer[0].extent, self._nested(inner, outer[1:], rows, vector, part)),)
        if vector is None or vector in rows:
            return self._row(Scope({}, scope), rows, vector)
        extent = vector.extent // part[1]
        inner = Scope({vector: part[0] * extent + var}, scope)
        if self.tile is not None and self.tile.repeat > 1:
            body = self._repeated(inner, self.tile)
        else:
            body = self._row(inner, rows, None)
        return (For(var, extent, body, Kind.vector),)

    def _repeated(self, scope: Scope, tile: Tile) -> tuple[Stmt, ...]:
        """Several tiles one after the other."""
        turn = self.names.var()
        inner = Scope({tile.loop: scope.at[tile.loop] + turn * tile.width}, scope)
        return (For(turn, tile.repeat, self._row(inner, [], None)),)

    def _row(self, scope: Scope, rows: list[Loop], vector: Loop | None) -> tuple[Stmt, ...]:
        """One sweep for each reduction, then one for the results.

        Rows that are computed at a time share the sweeps for reductions.
        """
        places = [scope] if self.tile is None else self.tile.places(scope)
        lines = [_Line(place, self._evaluator(place, rows, vector)) for place in places]
        for node in self.reduces:
            self._reduce(node, lines, rows, vector)
        whole: list[tuple[Value, Operand]] = []
        for value, operand in self._results():
            if any(operand.stride(loop) for loop in rows):
                whole.append((value, operand))
                continue
            for line in lines:
                found = line.evaluator.value(value, line.place)
                scope.stmts.append(operand.store(line.place.at, found))
            scope.stmts += self._zeros_after(operand, places[-1])
        for line in lines if whole else ():
            self._write(line, whole, rows, vector)
        return tuple(scope.stmts)

    def _results(self) -> list[tuple[Value, Operand]]:
        """Results as they are stored: last those of the size of an input, to take its memory.

        One that is stored before another is computed would overwrite what that one reads.
        """

        def size(operand: Operand) -> tuple[int, int]:
            return operand.buffer.size, operand.buffer.dtype.itemsize

        taken = {size(operand) for operand in self.inputs.values()}
        pairs = zip(self.body.outputs, self.outputs, strict=True)
        return sorted(pairs, key=lambda pair: size(pair[1]) in taken)

    def _evaluator(self, place: Scope, rows: list[Loop], vector: Loop | None) -> Evaluator:
        return Evaluator(
            self.inputs,
            self.tables,
            self.names,
            row=place if rows else None,
            rows=self._row_values(),
            kept=self._kept(rows) if vector else {},
        )

    def _row_values(self) -> frozenset[Value]:
        values = [*self.body.inputs, *(v for node in self.body.nodes for v in node.results)]
        return frozenset(value for value in values if self._is_row_value(value))

    def _is_row_value(self, value: Value) -> bool:
        shape = value.tensor.dims
        aligned = (1,) * (len(self.domain) - len(shape)) + shape
        return len(shape) <= len(self.domain) and all(aligned[a] == 1 for a in self.row_axes)

    def _kept(self, rows: list[Loop]) -> dict[Value, Operand]:
        """Room for what several sweeps need and is dear to compute again."""
        strides = [0] * len(self.domain)
        extent = 1
        for loop in reversed(rows):
            strides[loop.fastest] = extent
            extent *= loop.extent
        kept: dict[Value, Operand] = {}
        room = MAX_SCRATCH
        for value in dear_and_shared(self.body, self.reduces, self._row_values()):
            room -= extent * value.tensor.dtype.itemsize
            if room < 0:
                break
            buffer = self.build.allocate(value.tensor.dtype, extent)
            kept[value] = Operand(buffer, 0, strides)
        return kept

    def _reduce(
        self, node: Node, lines: Sequence[_Line], rows: list[Loop], vector: Loop | None
    ) -> None:
        """A sweep that leaves each of the combined rows in a local."""
        op = node.op
        assert isinstance(op, Reduce)
        dtype = node.result.tensor.dtype
        initial = Const(op.initial(dtype.compute), dtype.compute)

        def terms(inner: Sequence[Scope]) -> list[Expr]:
            pairs = zip(lines, inner, strict=True)
            return [widen(line.evaluator.value(node.operands[0], at)) for line, at in pairs]

        places = [line.place for line in lines]
        totals = reduction(places, rows, vector, self.names, op.combine, initial, terms)
        for line, total in zip(lines, totals, strict=True):
            line.evaluator.end_sweep()
            line.place.known[node.result] = MATH.cast(total, dtype)

    def _write(
        self,
        line: _Line,
        whole: Sequence[tuple[Value, Operand]],
        rows: list[Loop],
        vector: Loop | None,
    ) -> None:
        """A sweep for the results that are as long as the row."""

        def write(inner: Scope) -> None:
            for value, operand in whole:
                found = line.evaluator.value(value, inner)
                inner.stmts.append(operand.store(inner.at, found))

        sweep(line.place, rows, vector, self.names, write)
        end = line.place.beside({loop: const(loop.extent - 1) for loop in rows})
        for _, operand in whole:
            line.place.stmts += self._zeros_after(operand, end)

    def _zeros_after(self, operand: Operand, place: Scope) -> Iterator[Stmt]:
        """Stores of the zeros after a run of results, at the last of them."""
        along = next((loop for loop in self.loops if operand.stride(loop) == 1), None)
        last = None if along is None else apply("eq", place.at[along], const(along.extent - 1))
        if self.tile is not None and self.tile.loop is along and self.tile.turns.extent == 1:
            last = None
        zero = MATH.cast(Const(0, operand.buffer.dtype.compute), operand.buffer.dtype)
        for distance in range(1, self.zeros + 1):
            index = operand.index(place.at, const(distance))
            yield Store(operand.buffer, index, zero, last)


def _domain(body: Graph, outputs: Sequence[View]) -> tuple[int, ...]:
    """The shape that every aligned value of the body broadcasts to."""
    shapes = [view.shape for view in outputs]
    shapes += [value.tensor.dims for node in body.nodes for value in node.results]
    shapes += [node.operands[0].tensor.dims for node in body.nodes if isinstance(node.op, Reduce)]
    return np.broadcast_shapes(*shapes)


def _reduced_axes(node: Node, domain: tuple[int, ...]) -> Iterator[int]:
    """The axes of `domain` that a reduction sums."""
    assert isinstance(node.op, Reduce)
    missing = len(domain) - node.operands[0].tensor.rank
    return (missing + axis for axis in node.op.axes)
