"""Loop IR: one kernel as loops over flat buffers, with the schedule written on the loops.

The meaning is that of plain nested loops (see `run_loops`); how a loop is executed (vector lanes,
cores, register tiles) is an attribute that never changes the result beyond the order of sums.
Index arithmetic is i64 expressions. Buffers are flat; an index counts elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ncc.backends.cpu.loopir.panels import Pack
from ncc.ir.types import DType


class Role(Enum):
    """How a kernel uses a buffer."""

    input = "in"
    output = "out"
    scratch = "scratch"
    """On the stack of each core, at most `MAX_SCRATCH` bytes a kernel; contents undefined."""


MAX_SCRATCH = 512 * 1024


@dataclass(frozen=True, slots=True)
class Buffer:
    """A flat run of `size` elements.

    No element that a kernel writes through one parameter is touched through another, except
    that an output may be an input where `aliasing.shareable` says so.
    """

    name: str
    dtype: DType
    size: int
    role: Role


class Expr:
    """A scalar expression; a DAG compared by identity, with python operators."""

    __slots__ = ()
    dtype: DType

    def __add__(self, other: Any) -> Expr:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return apply("div", other, self)

    def __floordiv__(self, other: Any) -> Expr:
        return apply("div", self, other)

    def __mod__(self, other: Any) -> Expr:
        return apply("fmod", self, other)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __lt__(self, other: Any) -> Expr:
        return apply("lt", self, other)

    def __le__(self, other: Any) -> Expr:
        return apply("le", self, other)

    def __gt__(self, other: Any) -> Expr:
        return apply("gt", self, other)

    def __ge__(self, other: Any) -> Expr:
        return apply("ge", self, other)

    def __and__(self, other: Any) -> Expr:
        return apply("bitand", self, other)

    def __or__(self, other: Any) -> Expr:
        return apply("bitor", self, other)

    def __xor__(self, other: Any) -> Expr:
        return apply("bitxor", self, other)

    def __invert__(self) -> Expr:
        return apply("bitnot", self)


@dataclass(frozen=True, slots=True, eq=False)
class Const(Expr):
    """A literal; `value` is a python int, float or bool exact in `dtype`."""

    value: float | int | bool
    dtype: DType


@dataclass(frozen=True, slots=True, eq=False)
class Var(Expr):
    """A loop variable: i64, 0 .. extent-1."""

    name: str
    dtype: DType = DType.i64


@dataclass(frozen=True, slots=True, eq=False)
class Local(Expr):
    """A mutable scalar, declared by `Let`."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True, eq=False)
class Apply(Expr):
    """A function of `ncc.ir.scalar.FUNCTIONS`."""

    fn: str
    args: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True, slots=True, eq=False)
class Convert(Expr):
    """`ncc.ir.scalar.cast`, or the same bits as another type of that width."""

    x: Expr
    dtype: DType
    bits: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Load(Expr):
    """`buffer[index]`; where `guard` is false, memory is not touched and the value is `other`,
    by default 0."""

    buffer: Buffer
    index: Expr
    guard: Expr | None = None
    other: Expr | None = None

    @property
    def dtype(self) -> DType:  # type: ignore[override]  # derived, not stored
        return self.buffer.dtype


class Kind(Enum):
    """How the iterations of a loop are executed."""

    serial = "serial"
    parallel = "parallel"
    """Split statically over the cores; at most one per kernel, inside serial loops at most.
    Every core executes what stands beside it, which stores to scratch alone."""
    vector = "vector"
    """In vector lanes, the tail masked. May hold serial and unrolled loops, no vector loop."""
    unrolled = "unrolled"


REDUCTIONS = frozenset({"add", "mul", "min", "max", "bitand", "bitor"})


class Stmt:
    """A statement."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Let(Stmt):
    """Declare `local` with a first value, for the rest of the enclosing block."""

    local: Local
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Assign(Stmt):
    """Give `local` a new value."""

    local: Local
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Store(Stmt):
    """`buffer[index] = value`, where `guard` (if any) is true."""

    buffer: Buffer
    index: Expr
    value: Expr
    guard: Expr | None = None


@dataclass(frozen=True, slots=True, eq=False)
class For(Stmt):
    """`for var in range(extent): body`.

    In a vector loop, `reduce` lists the outer locals that the body updates, each only as
    `Assign(local, fn(local, e))`, with fn one of `REDUCTIONS`, or for add as
    `Assign(local, fma(a, b, local))`; the order of combination is free. `scan` lists others that
    are assigned so once, as a statement of `body` itself, and are read after it: each lane sees
    what was combined up to it. Any other outer local must not be assigned in a vector loop.
    """

    var: Var
    extent: int
    body: tuple[Stmt, ...]
    kind: Kind = Kind.serial
    reduce: tuple[tuple[Local, str], ...] = ()
    scan: tuple[tuple[Local, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class If(Stmt):
    """`body` where `condition` holds, outside of vector loops."""

    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class TileOrder:
    """In what order the tiles of a contraction are computed.

    `block` row tiles are multiplied by one panel before the next panel is taken. Where matrix
    registers hold the sums, the run is cut into `parts` equal parts, and tiles take turns with
    one of them.
    """

    block: int
    parts: int


@dataclass(frozen=True, slots=True, eq=False)
class Contract(Stmt):
    """for m.., n: acc = sum over k.. of a * b, in f32 (i32 for integers); then `body`.

    Both have one type, or b is i8 and a is u8, or of floats: then b is made floats as it is read.
    With a `BlockPack` b is u32 and a f32.

    `m` lists the row variables with their extents, outermost first (a convolution has the batch,
    the output row and the output column); the register tile covers the last one, which is never
    merged with the others, so a matrix product over dense rows gives a single one. `a.index` is
    affine in every m, every reduction variable and the outer variables, with coefficient 1 in the
    last reduction variable; it does not depend on n. `pack` says where b lies; `b.index` does not
    depend on m. `body` reads `acc`, the m's and `n`, and may hold Let, Assign and Store. `tile` is
    the register tile, rows by columns; its columns are `pack.nr`, a multiple of the vector.
    `parallel` splits tiles over the cores, as a parallel loop does. Those of the last row variable
    come in order on one core if `in_order`: the body carries numbers along in scratch. Without an
    `order` the cost model has one. `warm` says that b is in the second-level cache, from
    an earlier kernel.
    """

    m: tuple[tuple[Var, int], ...]
    n: Var
    columns: int
    k: tuple[tuple[Var, int], ...]
    a: Load
    b: Load
    pack: Pack
    acc: Local
    body: tuple[Stmt, ...]
    tile: tuple[int, int]
    parallel: bool = False
    in_order: bool = False
    order: TileOrder | None = None
    warm: bool = False


def is_parallel(stmt: Stmt) -> bool:
    """Whether the cores share the iterations of `stmt`."""
    if isinstance(stmt, For):
        return stmt.kind is Kind.parallel
    return isinstance(stmt, Contract) and stmt.parallel


def is_shared(stmt: Stmt) -> bool:
    """Whether every core executes a statement: a parallel one, or loops around nothing else."""
    if isinstance(stmt, For) and stmt.kind is Kind.serial and len(stmt.body) == 1:
        return is_shared(stmt.body[0])
    return is_parallel(stmt)


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """One function: buffers and statements. `name` is not part of its meaning."""

    name: str
    params: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]
    body: tuple[Stmt, ...]


def const(value: float | int | bool, dtype: DType = DType.i64) -> Const:
    """A literal of `dtype`."""
    return Const(value, dtype)


_BOOLEAN = {"lt", "le", "gt", "ge", "eq", "ne", "isnan", "isinf"}
_IDENTITY = {("add", 0), ("mul", 1), ("sub", 0), ("div", 1)}


def apply(fn: str, *args: Any) -> Expr:
    """`fn` of expressions and python numbers; integer constants are folded."""
    typed = next(arg for arg in args[fn == "where" :] if isinstance(arg, Expr))
    exprs = tuple(arg if isinstance(arg, Expr) else Const(arg, typed.dtype) for arg in args)
    if typed.dtype is DType.i64 and (folded := _fold(fn, exprs)) is not None:
        return folded
    return Apply(fn, exprs, result_type(fn, exprs))


def result_type(fn: str, args: tuple[Expr, ...]) -> DType:
    """The element type of `fn(*args)`: bool for a question, else mostly that of the operands."""
    return DType.bool if fn in _BOOLEAN else DType.i32 if fn == "nearest" else args[-1].dtype


def _fold(fn: str, args: tuple[Expr, ...]) -> Expr | None:
    """Index arithmetic on literals, and the identities that keep indices affine."""
    if len(args) != 2 or fn not in {"add", "sub", "mul", "div", "fmod"}:
        return None
    a, b = args
    if isinstance(a, Const) and isinstance(b, Const):
        x, y = int(a.value), int(b.value)
        if fn in {"div", "fmod"}:
            assert x >= 0, "indices are not negative"
            return const(x // y if fn == "div" else x % y)
        return const({"add": x + y, "sub": x - y, "mul": x * y}[fn])
    if isinstance(b, Const) and (fn, b.value) in _IDENTITY:
        return a
    if isinstance(a, Const) and (fn, a.value) in {("add", 0), ("mul", 1)}:
        return b
    if fn == "mul" and any(isinstance(arg, Const) and arg.value == 0 for arg in args):
        return const(0)
    if fn == "fmod" and isinstance(b, Const) and b.value == 1:
        return const(0)
    return None


class LoopMath:
    """Reads scalar formulas as expressions: the `Math` of this backend."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: apply(name, *args)

    def cast(self, x: Expr, to: DType) -> Expr:
        return x if x.dtype is to else Convert(x, to)

    def const(self, value: float, like: Expr) -> Expr:
        return Const(value, like.dtype)

    def bitcast(self, x: Expr, to: DType) -> Expr:
        return Convert(x, to, bits=True)


def walk(stmts: Sequence[Stmt]) -> Iterator[Stmt]:
    """Every statement, outer before inner."""
    for stmt in stmts:
        yield stmt
        if isinstance(stmt, For | If | Contract):
            yield from walk(stmt.body)
