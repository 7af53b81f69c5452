"""Sums along the rows of a kernel's results, carried in scratch from one result to the next.

Squared distances are summed from the first element of a row, then moved to its mean (T. F. Chan,
G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, 1983): that element is
one of the row, so what cancels is at most as many times the result as the row has elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.builder import KernelBuilder
from ncc.backends.cpu.kernels.evaluate import MATH, Evaluator, Scope, fma, widen
from ncc.backends.cpu.kernels.space import Loop, Names, Operand
from ncc.backends.cpu.loopir.loops import (
    Buffer,
    Const,
    Expr,
    Let,
    Load,
    Local,
    Store,
    apply,
    const,
)
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.ops.average_pool import AveragePool
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.max_pool import MaxPool
from ncc.ir.types import DType
from ncc.passes.row_sums import is_row_sum, spread_of

Results = list[tuple[Value, Operand]]

LENGTHS = range(16, 1025)
"""Elements of rows whose sums are worth it, and whose tiles find room for theirs on the stack."""
CHANNELS = range(16, 1025)
"""How many fill vectors, and find room in scratch."""
ROWS = 16
"""Rows from which there are enough of them to share."""


def sums_rows(root: Node, node: Node) -> bool:
    """Whether the kernel around `root` can make `node`, which sums rows of what it computes.

    A row is that of one core.
    """
    if not isinstance(root.op, Conv | MaxPool | AveragePool):
        return False
    batch, channels, *lines, length = root.result.tensor.dims
    return (
        is_row_sum(node)
        and node.result.tensor.dtype is DType.f32
        and length in LENGTHS
        and channels in CHANNELS
        and batch * math.prod(lines) >= ROWS
    )


def split_results(body: Graph, root: Node, pairs: Results) -> tuple[Results, Results]:
    """The results that are of the shape of the root, and those that whole rows decide."""
    of_rows = {value for node in body.nodes if is_row_sum(node) for value in node.results}
    for node in body.nodes:
        if not of_rows.isdisjoint(node.operands):
            of_rows.update(node.results)
    whole = [pair for pair in pairs if pair[0] in of_rows]
    return [pair for pair in pairs if pair[0] not in of_rows], whole


@dataclass(frozen=True, slots=True)
class Turn:
    """Which step along a row is made: number `index` of `count`.

    Where the last step starts early, results were met before that lie before an index along a
    loop: `new` is both.
    """

    index: Expr
    count: int
    new: tuple[Loop, Expr] | None = None

    @property
    def has_begun(self) -> Expr:
        """Whether there was a step before this one."""
        return const(0) < self.index

    @property
    def ends(self) -> Expr:
        """Whether this step is the last."""
        return apply("eq", self.index, const(self.count - 1))

    def only_new(self, term: Expr, place: Scope) -> Expr:
        """`term` of the result at `place`; 0 if it was met before."""
        if self.new is None:
            return term
        loop, first = self.new
        return apply("where", place.at[loop] >= first, term, 0)


class RowSums:
    """The sums of one row for each position along `inner`, the loop inside that over the row."""

    def __init__(
        self, body: Graph, results: Results, build: KernelBuilder, inner: Loop | None
    ) -> None:
        self.results = results
        self.inner = inner
        self.names = build.names
        spreads = list(filter(None, map(spread_of, body.nodes)))
        self.squares = {spread.total: spread.square for spread in spreads}
        sums = [node for node in body.nodes if results and is_row_sum(node)]
        self.totals = [node for node in sums if node not in self.squares.values()]
        size = inner.extent if inner else 1
        self.room = {
            node: [
                build.allocate(node.result.tensor.dtype.compute, size)
                for _ in range(3 if node in self.squares else 1)
            ]
            for node in self.totals
        }

    def add(self, evaluator: Evaluator, places: Sequence[Scope], turn: Turn) -> None:
        """Add the results at `places`, neighbours in one row; at its end store what it decides."""
        scope = places[0]
        whole = scope.beside({})
        at = scope.at[self.inner] if self.inner else const(0)
        for node in self.totals:
            x = node.operands[0]
            terms = [widen(evaluator.value(x, place)) for place in places]
            step = _Step(scope, self.room[node], at, turn, self.names)
            if node in self.squares:
                count = Const(x.tensor.dims[-1], terms[0].dtype)
                total, square = step.moments(terms, places, count)
                whole.known[self.squares[node].result] = square
            else:
                total = step.total(terms, places)
            whole.known[node.result] = MATH.cast(total, node.result.tensor.dtype)
        for value, operand in self.results:
            index = operand.index(scope.at)
            scope.stmts.append(
                Store(operand.buffer, index, evaluator.value(value, whole), turn.ends)
            )


class _Step:
    """One step of the sums of a row: what was carried is loaded, and stored with terms added."""

    def __init__(
        self, scope: Scope, room: list[Buffer], at: Expr, turn: Turn, names: Names
    ) -> None:
        self.scope, self.room, self.at, self.turn, self.names = scope, room, at, turn, names

    def total(self, terms: Sequence[Expr], places: Sequence[Scope]) -> Expr:
        """The sum up to here."""
        pairs = zip(terms, places, strict=True)
        first, *others = (self.turn.only_new(term, place) for term, place in pairs)
        for term in others:
            first = first + term
        return self._carried(0, self._before(0) + first)

    def moments(
        self, terms: Sequence[Expr], places: Sequence[Scope], count: Const
    ) -> tuple[Expr, Expr]:
        """The sum, and that of squared distances from the mean, if the row ends here."""
        pivot = self._carried(0, self._before(0, terms[0]))
        total, square = self._before(1), self._before(2)
        for term, place in zip(terms, places, strict=True):
            distance = self._named(self.turn.only_new(term - pivot, place))
            total = total + distance
            square = fma(distance, distance, square)
        total, square = self._carried(1, total), self._carried(2, square)
        moved = apply("max", square - total * total / count, 0)
        return pivot * count + total, moved

    def _before(self, number: int, otherwise: Expr | int = 0) -> Expr:
        carried = Load(self.room[number], self.at)
        return apply("where", self.turn.has_begun, carried, otherwise)

    def _carried(self, number: int, value: Expr) -> Expr:
        named = self._named(value)
        self.scope.stmts.append(Store(self.room[number], self.at, named))
        return named

    def _named(self, value: Expr) -> Local:
        local = Local(self.names("s"), value.dtype)
        self.scope.stmts.append(Let(local, value))
        return local
