"""What expressions read and statements change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ncc.backends.cpu.loopir.loops import (
    Apply,
    Assign,
    Buffer,
    Contract,
    Convert,
    Expr,
    For,
    If,
    Let,
    Load,
    Local,
    Stmt,
    Store,
    Var,
    walk,
)

Source = Var | Local | Buffer
Sources = frozenset[Source]


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions that `expr` is made of."""
    match expr:
        case Apply():
            return expr.args
        case Convert():
            return (expr.x,)
        case Load():
            return tuple(e for e in (expr.index, expr.guard, expr.other) if e is not None)
    return ()


def postorder(roots: Iterable[Expr]) -> Iterator[Expr]:
    """Every expression under `roots` once, children first; of any depth."""
    done: set[Expr] = set()
    stack = list(roots)[::-1]
    while stack:
        expr = stack[-1]
        missing = [child for child in children(expr) if child not in done]
        if missing and expr not in done:
            stack += missing[::-1]
            continue
        stack.pop()
        if expr not in done:
            done.add(expr)
            yield expr


def operands(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions that `stmt` itself evaluates (not those of its body)."""
    match stmt:
        case Let() | Assign():
            return (stmt.value,)
        case Store():
            return tuple(e for e in (stmt.index, stmt.value, stmt.guard) if e is not None)
        case If():
            return (stmt.condition,)
        case Contract():
            return (stmt.a, stmt.b)
    return ()


class Reads:
    """Sources that an expression depends on; remembers what it has seen."""

    def __init__(self) -> None:
        self._known: dict[Expr, Sources] = {}

    def __call__(self, expr: Expr) -> Sources:
        if expr not in self._known:
            for node in postorder([expr]):
                self._known[node] = self._own(node).union(
                    *(self._known[child] for child in children(node))
                )
        return self._known[expr]

    @staticmethod
    def _own(expr: Expr) -> Sources:
        match expr:
            case Var() | Local():
                return frozenset([expr])
            case Load():
                return frozenset([expr.buffer])
        return frozenset()


def changes(stmts: Sequence[Stmt]) -> tuple[Source, ...]:
    """What executing `stmts` may change: locals, buffers and loop variables, in order."""
    changed: dict[Source, None] = {}
    for stmt in walk(stmts):
        match stmt:
            case Let() | Assign():
                changed[stmt.local] = None
            case Store():
                changed[stmt.buffer] = None
            case For():
                changed[stmt.var] = None
            case Contract():
                changed.update(dict.fromkeys((*dict(stmt.m), stmt.n, *dict(stmt.k), stmt.acc)))
    return tuple(changed)
