"""Weights from scores, some rows at a time: what stands between the products of an attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.builder import KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, Evaluator, Scope, widen
from ncc.backends.cpu.kernels.kept import dear_and_shared
from ncc.backends.cpu.kernels.nest import MAX_SCRATCH, NEAR, ROWS
from ncc.backends.cpu.kernels.space import Loop, Operand
from ncc.backends.cpu.kernels.sweep import reduction, sweep
from ncc.backends.cpu.loopir.loops import Const, Expr
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.reduce import Reduce
from ncc.passes.attention import Attention, made_of_cut


def rows_at_a_time(keys: int, rows: int) -> int:
    """How many rows wait for their sums together, as in a nest."""
    return max(1, min(ROWS, NEAR // keys, rows))


@dataclass(frozen=True, slots=True)
class _Line:
    """One of the rows that are computed at a time."""

    place: Scope
    evaluator: Evaluator


class RowWriter:
    """Writes rows of weights along the loop `key`, from rows of the cut of the scores.

    `operands` are the inputs of the body, `rooms` the places of scores and weights in scratch.
    """

    def __init__(
        self,
        attention: Attention,
        body: Graph,
        key: Loop,
        operands: Mapping[Value, Operand],
        rooms: tuple[Operand, Operand],
        build: KernelBuilder,
    ) -> None:
        self._attention = attention
        self._key = key
        self._scores, self._weights = rooms
        self._build = build
        nodes = made_of_cut(attention, body.nodes)
        self._reduces = [node for node in nodes if isinstance(node.op, Reduce)]
        self._whole = frozenset(_whole_rows(nodes))
        graph = Graph("rows", (), nodes, (attention.weights,))
        self._shared = list(dear_and_shared(graph, self._reduces, self._whole | {attention.cut}))
        self._operands = operands

    def write(self, places: Sequence[Scope]) -> None:
        """Append to the block of `places` the weights of their rows, which share the reductions."""
        lines = [_Line(place, self._evaluator(place, len(places))) for place in places]
        for node in self._reduces:
            self._reduce(node, lines)
        for line in lines:
            self._store(line)

    def _evaluator(self, place: Scope, lines: int) -> Evaluator:
        kept = self._kept(MAX_SCRATCH // lines)
        return Evaluator(
            self._operands, {}, self._build.names, row=place, rows=self._whole, kept=kept
        )

    def _kept(self, room: int) -> dict[Value, Operand]:
        """Scratch for rows of values, from one sweep to the next."""
        strides = [0] * len(self._scores.strides)
        strides[self._key.fastest] = 1
        kept: dict[Value, Operand] = {}
        for value in self._shared:
            dtype = value.tensor.dtype
            room -= self._key.extent * dtype.itemsize
            if room < 0:
                break
            kept[value] = Operand(self._build.allocate(dtype, self._key.extent), 0, strides)
        return kept

    def _reduce(self, node: Node, lines: Sequence[_Line]) -> None:
        """A sweep that leaves each of the combined rows in a local."""
        op, dtype = node.op, node.result.tensor.dtype
        assert isinstance(op, Reduce)
        initial = Const(op.initial(dtype.compute), dtype.compute)

        def terms(inner: Sequence[Scope]) -> list[Expr]:
            pairs = zip(lines, inner, strict=True)
            return [widen(self._value(node.operands[0], line, at)) for line, at in pairs]

        places, names = [line.place for line in lines], self._build.names
        totals = reduction(places, [self._key], self._key, names, op.combine, initial, terms)
        for line, total in zip(lines, totals, strict=True):
            line.evaluator.end_sweep()
            line.place.known[node.result] = MATH.cast(total, dtype)

    def _store(self, line: _Line) -> None:
        """A sweep for the weights."""

        def write(inner: Scope) -> None:
            found = self._value(self._attention.weights, line, inner)
            inner.stmts.append(self._weights.store(inner.at, found))

        sweep(line.place, [self._key], self._key, self._build.names, write)

    def _value(self, value: Value, line: _Line, at: Scope) -> Expr:
        at.known.setdefault(self._attention.cut, self._scores.load(at.at))
        return line.evaluator.value(value, at)


def _whole_rows(nodes: Sequence[Node]) -> Iterator[Value]:
    """What is the same for all keys."""
    for node in nodes:
        for value in (*node.operands, *node.results):
            if value.tensor.dims[-1:] in ((), (1,)):
                yield value
