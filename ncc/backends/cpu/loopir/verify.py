"""Check a kernel: types, declarations, roles, bounds, and what each kind of loop may hold."""

from __future__ import annotations

from collections.abc import Sequence

from ncc.backends.cpu.loopir.affine import Indices
from ncc.backends.cpu.loopir.loops import (
    MAX_SCRATCH,
    REDUCTIONS,
    Apply,
    Assign,
    Buffer,
    Const,
    Contract,
    Convert,
    Expr,
    For,
    If,
    Kernel,
    Kind,
    Let,
    Load,
    Local,
    Role,
    Stmt,
    Store,
    Var,
    is_parallel,
    is_shared,
    result_type,
    walk,
)
from ncc.backends.cpu.loopir.panels import BlockPack
from ncc.backends.cpu.loopir.uses import Reads, Source, operands, postorder
from ncc.ir.scalar import FUNCTIONS
from ncc.ir.types import DType

_STORED_ONLY = {DType.f16, DType.bf16}
_MOVES = {"where"}
"""What may be done with element types that are only stored."""


def verify_kernel(kernel: Kernel) -> None:
    """Assert that `kernel` is well formed; a failure is our own bug."""
    _verify_buffers(kernel)
    _verify_parallel(kernel)
    verifier = _Verifier(kernel)
    verifier.block(kernel.body, _Scope())


def _verify_buffers(kernel: Kernel) -> None:
    everything = (*kernel.params, *kernel.scratch)
    assert len(set(everything)) == len(everything), "a buffer is given twice"
    for buffer in everything:
        expected = buffer in kernel.scratch
        assert (buffer.role is Role.scratch) is expected, f"{buffer.name} is a {buffer.role.value}"
    held = sum(buffer.size * buffer.dtype.itemsize for buffer in kernel.scratch)
    assert held <= MAX_SCRATCH, f"{held} bytes of scratch"


def _verify_parallel(kernel: Kernel) -> None:
    count = sum(map(is_parallel, walk(kernel.body)))
    assert count == sum(map(is_shared, kernel.body)), "a parallel loop among other statements"
    assert count <= 1, "two parallel loops"
    if count:
        beside = tuple(stmt for stmt in kernel.body if not is_shared(stmt))
        for stmt in walk(beside):
            if isinstance(stmt, Store):
                private = stmt.buffer.role is Role.scratch
                assert private, f"every core stores to {stmt.buffer.name}"


class _Scope:
    """What is declared at one point, and the vector loop around it."""

    def __init__(self) -> None:
        self.declared: set[Source] = set()
        self.vector: For | None = None
        self.outside: set[Source] = set()

    def inner(self, vector: For | None = None) -> _Scope:
        """The scope of a block inside, which may be that of a vector loop."""
        inside = _Scope()
        inside.declared = set(self.declared)
        inside.vector = vector or self.vector
        inside.outside = inside.declared.copy() if vector else self.outside
        return inside


class _Verifier:
    """Walks the statements of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._buffers: set[Source] = {*kernel.params, *kernel.scratch}
        self._indices = Indices(kernel)
        self._reads = Reads()
        self._typed: set[Expr] = set()
        self._vars: set[Var] = set()

    def block(self, stmts: Sequence[Stmt], scope: _Scope) -> None:
        """Check `stmts` in order; locals are known to the end of the block."""
        for stmt in stmts:
            if not isinstance(stmt, Contract):
                self._exprs(operands(stmt), scope)
            self._statement(stmt, scope)

    def _exprs(self, roots: Sequence[Expr], scope: _Scope) -> None:
        for root in roots:
            missing = self._reads(root) - scope.declared - self._buffers
            names = ", ".join(sorted(source.name for source in missing))
            assert not missing, f"{names} is not declared here"
        for expr in postorder(roots):
            if expr not in self._typed:
                self._typed.add(expr)
                self._expr(expr)

    # Statements.

    def _statement(self, stmt: Stmt, scope: _Scope) -> None:
        match stmt:
            case Let():
                assert stmt.local not in scope.declared, f"{stmt.local.name} is declared twice"
                assert stmt.value.dtype is stmt.local.dtype, f"{stmt.local.name} has another type"
                scope.declared.add(stmt.local)
            case Assign():
                self._assign(stmt, scope)
            case Store():
                self._store(stmt)
            case For():
                self._loop(stmt, scope)
            case If():
                assert scope.vector is None, "a choice inside a vector loop"
                assert stmt.condition.dtype is DType.bool, "the condition is no bool"
                self.block(stmt.body, scope.inner())
            case Contract():
                self._contract(stmt, scope)

    def _assign(self, stmt: Assign, scope: _Scope) -> None:
        assert stmt.local in scope.declared, f"{stmt.local.name} is not declared"
        assert stmt.value.dtype is stmt.local.dtype, f"{stmt.local.name} has another type"
        if scope.vector is not None and stmt.local in scope.outside:
            how = dict((*scope.vector.reduce, *scope.vector.scan)).get(stmt.local)
            assert how is not None, f"{stmt.local.name} is not reduced by the vector loop"
            assert _combines(stmt, how), f"{stmt.local.name} is not combined by {how}"

    def _store(self, stmt: Store) -> None:
        name = stmt.buffer.name
        assert stmt.buffer in self._buffers, f"{name} is no buffer of this kernel"
        assert stmt.buffer.role is not Role.input, f"{name} is an input"
        assert stmt.value.dtype is stmt.buffer.dtype, f"{name} holds {stmt.buffer.dtype.value}"
        self._access(stmt.buffer, stmt.index, stmt.guard)

    def _loop(self, stmt: For, scope: _Scope) -> None:
        vector = stmt if stmt.kind is Kind.vector else None
        assert stmt.extent >= 0, f"{stmt.var.name} has extent {stmt.extent}"
        assert not (vector and scope.vector), "a vector loop inside a vector loop"
        combined = (*stmt.reduce, *stmt.scan)
        assert vector or not combined, f"a {stmt.kind.value} loop reduces nothing"
        assert len(dict(combined)) == len(combined), "a local is combined in two ways"
        for local, how in combined:
            assert local in scope.declared, f"{local.name} is not declared"
            assert how in REDUCTIONS, f"{how} does not reduce"
        for local, _ in stmt.scan:
            _verify_scan(stmt, local)
        inner = scope.inner(vector)
        self._bind(stmt.var, inner)
        self.block(stmt.body, inner)

    def _bind(self, var: Var, scope: _Scope) -> None:
        assert var not in self._vars, f"{var.name} is the variable of two loops"
        self._vars.add(var)
        scope.declared.add(var)

    def _contract(self, stmt: Contract, scope: _Scope) -> None:
        assert scope.vector is None, "a contraction inside a vector loop"
        assert stmt.tile[1] == stmt.pack.nr, "the tile is as wide as a panel"
        assert stmt.m, "a contraction needs a row variable"
        assert stmt.order is None or stmt.order.block > 0, "a block holds no tile"
        assert stmt.k, "a contraction needs a reduction variable"
        if isinstance(stmt.pack, BlockPack):
            _verify_blocks(stmt, stmt.pack)
        inner, left, right = scope.inner(), scope.inner(), scope.inner()
        for var in (*dict(stmt.m), stmt.n, *dict(stmt.k)):
            self._bind(var, inner)
        left.declared.update((*dict(stmt.m), *dict(stmt.k)))
        right.declared.update(var for var, _ in stmt.k[:-1])
        self._exprs([stmt.a], left)
        self._exprs([stmt.b], right)
        run, form = stmt.k[-1][0], self._indices.affine(stmt.a.index)
        assert form.coefficient(run) == 1, f"the run of {stmt.a.buffer.name} is not contiguous"
        inner.declared -= set(dict(stmt.k))
        inner.declared.add(stmt.acc)
        self.block(stmt.body, inner)

    # Expressions.

    def _expr(self, expr: Expr) -> None:
        match expr:
            case Const():
                _verify_constant(expr)
            case Load():
                assert expr.buffer in self._buffers, f"{expr.buffer.name} is no buffer"
                self._access(expr.buffer, expr.index, expr.guard)
                if expr.other is not None:
                    assert expr.other.dtype is expr.dtype, f"else of {expr.buffer.name}"
            case Convert():
                same = expr.x.dtype.itemsize == expr.dtype.itemsize
                assert same or not expr.bits, "bits of another width"
            case Apply():
                _verify_apply(expr)

    def _access(self, buffer: Buffer, index: Expr, guard: Expr | None) -> None:
        assert index.dtype is DType.i64, f"{buffer.name} is indexed by {index.dtype.value}"
        if guard is not None:
            assert guard.dtype is DType.bool, f"the guard of {buffer.name} is no bool"
            return
        form = self._indices.affine(index)
        if all(isinstance(atom, Var) and self._indices.extents[atom] for atom, _ in form.terms):
            bounds = self._indices.bounds(form)
            assert bounds is not None, "loop variables are bounded"
            low, high = bounds
            inside = low >= 0 and high < buffer.size
            assert inside, f"{buffer.name}[{low} .. {high}] of {buffer.size} elements"


def _verify_constant(expr: Const) -> None:
    value = expr.dtype.numpy.type(expr.value)
    exact = value == expr.value or value != value
    assert exact, f"{expr.value} is no {expr.dtype.value}"


def _verify_apply(expr: Apply) -> None:
    assert expr.fn in FUNCTIONS, f"there is no function {expr.fn}"
    choices = expr.args[expr.fn == "where" :]
    dtype = choices[0].dtype
    assert all(arg.dtype is dtype for arg in choices), f"{expr.fn} of several types"
    assert expr.dtype is result_type(expr.fn, expr.args), f"{expr.fn} of {dtype.value}"
    if expr.fn == "where":
        assert expr.args[0].dtype is DType.bool, "where chooses by a bool"
    assert dtype not in _STORED_ONLY or expr.fn in _MOVES, f"{expr.fn} of {dtype.value}"


def _verify_scan(stmt: For, local: Local) -> None:
    """One assignment, by a statement of the loop itself, and nothing that reads before it."""
    made = [s for s in walk(stmt.body) if isinstance(s, Assign) and s.local is local]
    assert len(made) == 1, f"{local.name} is scanned {len(made)} times"
    assert made[0] in stmt.body, f"{local.name} is scanned inside another loop"
    before = stmt.body[: stmt.body.index(made[0])]
    roots = [expr for s in walk(before) for expr in operands(s)]
    assert local not in postorder(roots), f"{local.name} is read before it is scanned"


def _combines(stmt: Assign, how: str) -> bool:
    """Whether `stmt` is local = how(local, e)."""
    value = stmt.value
    if not isinstance(value, Apply):
        return False
    others = [arg for arg in value.args if arg is not stmt.local]
    fits = value.fn == how and len(others) == 1
    if value.fn == "fma" and how == "add":
        fits = value.args[2] is stmt.local and len(others) == 2
    return fits and stmt.local not in postorder(others)


def _verify_blocks(stmt: Contract, pack: BlockPack) -> None:
    """Check what a contraction with integers in blocks says of them."""
    assert (stmt.a.dtype, stmt.b.dtype) == (DType.f32, DType.u32), "blocks are words, times f32"
    assert pack.kr in {4, 8, 16}, "integers have 2, 4 or 8 bits"
    assert stmt.k[-1][1] % pack.kr == 0, "a block is whole words"
    assert pack.units in {1, 2}, "a block has scales, and perhaps zero points"
