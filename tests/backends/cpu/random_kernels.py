"""Random kernels whose results are exact: small whole numbers, so that sums may be reordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from ncc.backends.cpu.loopir.loops import (
    Assign,
    Buffer,
    Const,
    Convert,
    Expr,
    For,
    Kernel,
    Kind,
    Let,
    Load,
    Local,
    Role,
    Stmt,
    Store,
    Var,
    apply,
    const,
)
from ncc.backends.cpu.loopir.uses import Reads, Sources
from ncc.ir.types import DType

Array = npt.NDArray[Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

STORED = (DType.f32, DType.bf16, DType.f16, DType.i8, DType.u8, DType.i32, DType.i64, DType.bool)
COMPUTED = (DType.f32, DType.i32)
BINARY = ("add", "sub", "mul", "min", "max")
LARGEST = 3
"""Of the whole numbers in the inputs; products of a few stay exact in f32 and i32."""


@dataclass(frozen=True)
class Sample:
    """A kernel with arrays for its parameters; outputs hold a pattern."""

    kernel: Kernel
    arrays: tuple[Array, ...]

    def fresh(self) -> list[Array]:
        """Copies of the arrays, to run on."""
        return [array.copy() for array in self.arrays]


@dataclass(frozen=True)
class Place:
    """The loops around a statement, and the locals that it may read."""

    loops: tuple[tuple[Var, int], ...] = ()
    locals: tuple[Local, ...] = ()
    changing: tuple[Local, ...] = ()
    """The locals that may be assigned."""
    in_vector: bool = False

    def inside(self, var: Var, extent: int, kind: Kind) -> Place:
        loops = (*self.loops, (var, extent))
        if kind is Kind.vector:
            return replace(self, loops=loops, changing=(), in_vector=True)
        return replace(self, loops=loops)

    def knowing(self, local: Local) -> Place:
        return replace(self, locals=(*self.locals, local), changing=(*self.changing, local))

    def has(self, sources: Sources) -> bool:
        """Whether everything that an expression reads is known here."""
        variables = [var for var, _ in self.loops]
        return all(isinstance(s, Buffer) or s in variables or s in self.locals for s in sources)

    @property
    def positions(self) -> tuple[Expr, int]:
        """A number that differs in each iteration, and one more than the largest."""
        flat: Expr = const(0)
        count = 1
        for var, extent in self.loops:
            flat, count = flat * extent + var, count * extent
        return flat, count


class Writer:
    """Draws one kernel."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._params: list[Buffer] = []
        self._scratch: list[Buffer] = []
        self._indices: dict[Buffer, int] = {}
        self._written: list[Expr] = []
        self._reads = Reads()
        self._names = 0

    def sample(self) -> Sample:
        body = self._block(Place(), depth=0)
        kernel = Kernel("random", tuple(self._params), tuple(self._scratch), body)
        rng = np.random.default_rng(self._draw(st.integers(0, 1 << 16)))
        return Sample(kernel, tuple(self._array(buffer, rng) for buffer in self._params))

    def _array(self, buffer: Buffer, rng: np.random.Generator) -> Array:
        if buffer in self._indices:
            return rng.integers(0, self._indices[buffer], buffer.size).astype(buffer.dtype.numpy)
        least = 0 if buffer.dtype in (DType.bool, DType.u8) else -LARGEST
        most = 1 if buffer.dtype is DType.bool else LARGEST
        return rng.integers(least, most + 1, buffer.size).astype(buffer.dtype.numpy)

    def _name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}{self._names}"

    def _one_of(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def _buffer(self, dtype: DType, size: int, role: Role) -> Buffer:
        buffer = Buffer(self._name(role.value), dtype, size, role)
        (self._scratch if role is Role.scratch else self._params).append(buffer)
        return buffer

    # Statements.

    def _block(self, place: Place, depth: int) -> tuple[Stmt, ...]:
        if depth == 0:
            return (self._loop(place, depth, self._one_of(Kind.parallel, Kind.serial)),)
        stmts: list[Stmt] = []
        for _ in range(self._draw(st.integers(0, 2))):
            local = Local(self._name("t"), self._one_of(*COMPUTED))
            stmts.append(Let(local, self._expr(place, local.dtype, 2)))
            place = place.knowing(local)
        if depth < 3 and self._draw(st.booleans()):
            kinds = [Kind.serial, Kind.unrolled] if place.in_vector else list(Kind)[::3]
            stmts += self._nested(
                place, depth, self._one_of(*kinds, *([] if place.in_vector else [Kind.vector]))
            )
        stmts.append(self._store(place))
        if place.changing and self._draw(st.booleans()):
            local = place.changing[self._draw(st.integers(0, len(place.changing) - 1))]
            stmts.append(Assign(local, apply("min", self._expr(place, local.dtype, 1), 9)))
            stmts.append(self._store(place))
        return tuple(stmts)

    def _nested(self, place: Place, depth: int, kind: Kind) -> list[Stmt]:
        """A loop, or a reduction into a new local that is stored after it."""
        if kind is not Kind.vector or self._draw(st.booleans()):
            return [self._loop(place, depth, kind)]
        total = Local(self._name("sum"), self._one_of(*COMPUTED))
        how = self._one_of("add", "min", "max")
        var, extent = Var(self._name("r")), self._extent(kind)
        inner = place.inside(var, extent, kind)
        update = Assign(total, apply(how, total, self._expr(inner, total.dtype, 2)))
        output = self._buffer(total.dtype, place.positions[1], Role.output)
        return [
            Let(total, self._expr(place, total.dtype, 1)),
            For(var, extent, (update,), kind, ((total, how),)),
            Store(output, place.positions[0], total),
        ]

    def _loop(self, place: Place, depth: int, kind: Kind) -> For:
        var, extent = Var(self._name("i")), self._extent(kind)
        return For(var, extent, self._block(place.inside(var, extent, kind), depth + 1), kind)

    def _extent(self, kind: Kind) -> int:
        most = {Kind.vector: 40, Kind.parallel: 5}.get(kind, 3)
        return int(self._draw(st.integers(1, most)))

    def _store(self, place: Place) -> Store:
        index, count = place.positions
        stride = self._one_of(1, 1, 1, 2)
        output = self._buffer(self._one_of(*STORED), count * stride, Role.output)
        guard = self._condition(place) if self._draw(st.booleans()) else None
        value = self._converted(self._expr(place, self._one_of(*COMPUTED), 3), output.dtype)
        return Store(output, index * stride, value, guard)

    # Expressions.

    def _expr(self, place: Place, dtype: DType, depth: int) -> Expr:
        """A new expression, or one from before, which has a value of its own here."""
        known = [expr for expr in self._written if expr.dtype is dtype]
        again = [expr for expr in known if place.has(self._reads(expr))]
        if again and self._draw(st.integers(0, 3)) == 0:
            return again[self._draw(st.integers(0, len(again) - 1))]
        expr = self._new_expr(place, dtype, depth)
        self._written.append(expr)
        return expr

    def _new_expr(self, place: Place, dtype: DType, depth: int) -> Expr:
        if depth == 0:
            return self._leaf(place, dtype)
        kind = self._draw(st.integers(0, 5))
        parts = [self._expr(place, dtype, depth - 1) for _ in range(2)]
        if kind == 0:
            return apply("where", self._condition(place), *parts)
        if kind == 1:
            return apply("fma", parts[0], self._leaf(place, dtype), parts[1])
        if kind == 2:
            return apply(self._one_of("neg", "abs"), parts[0])
        return apply(self._one_of(*BINARY), *parts)

    def _leaf(self, place: Place, dtype: DType) -> Expr:
        kind = self._draw(st.integers(0, 4))
        known = [local for local in place.locals if local.dtype is dtype]
        if kind == 0 and known:
            return known[self._draw(st.integers(0, len(known) - 1))]
        if kind == 1:
            return Const(dtype.numpy.type(self._draw(st.integers(-2, 2))).item(), dtype)
        if kind == 2:
            return Convert(self._index(place)[0] % 4, dtype)
        return self._converted(self._load(place), dtype)

    def _converted(self, x: Expr, to: DType) -> Expr:
        if x.dtype is to:
            return x
        if to is DType.bool:
            return apply("gt", x, 0 if x.dtype.is_int else 0.0)
        if x.dtype is DType.f32 and to.is_int:
            x = apply("min", apply("max", x, 0.0), 100.0)
        return Convert(x, to)

    def _load(self, place: Place) -> Load:
        index, most = self._index(place)
        guard = other = None
        buffer = self._buffer(self._one_of(*STORED), most + 1, Role.input)
        if self._draw(st.booleans()):
            guard = self._condition(place)
            if self._draw(st.booleans()):
                other = Const(buffer.dtype.numpy.type(1).item(), buffer.dtype)
        elif self._draw(st.integers(0, 4)) == 0:
            table = self._buffer(self._one_of(*STORED), 7, Role.input)
            indices = self._buffer(self._one_of(DType.i32, DType.i64), most + 1, Role.input)
            self._indices[indices] = table.size
            found = Load(indices, index)
            return Load(table, found if found.dtype is DType.i64 else Convert(found, DType.i64))
        shift = self._draw(st.integers(0, 2))
        if guard is not None and shift:
            return self._shifted(buffer, index, shift, guard, other)
        return Load(buffer, index, guard, other)

    def _shifted(
        self, buffer: Buffer, index: Expr, shift: int, guard: Expr, other: Expr | None
    ) -> Load:
        """A load that would be outside where its guard is false."""
        moved = index - shift
        inside = (moved >= 0) & guard if self._draw(st.booleans()) else guard & (moved >= 0)
        return Load(buffer, moved, inside, other)

    def _index(self, place: Place) -> tuple[Expr, int]:
        """An index, and the most that it can be."""
        index: Expr = const(self._draw(st.integers(0, 2)))
        most = int(index.value) if isinstance(index, Const) else 0
        for var, extent in place.loops:
            factor = self._one_of(0, 1, 1, 2, 8, 16, 40)
            index, most = index + var * factor, most + factor * (extent - 1)
        by = self._one_of(1, 1, 3, 4, 8, 16)
        if by > 1 and self._draw(st.booleans()):
            return index % by, min(most, by - 1)
        return index // by, most // by

    def _condition(self, place: Place) -> Expr:
        index, most = self._index(place)
        bound = self._draw(st.integers(0, most + 1))
        test = apply(self._one_of("lt", "ge", "eq", "ne"), index, bound)
        return test if self._draw(st.booleans()) else ~test


@st.composite
def samples(draw: Draw) -> Sample:
    """Kernels with arrays for their parameters."""
    return Writer(draw).sample()
