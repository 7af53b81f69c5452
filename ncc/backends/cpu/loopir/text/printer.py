"""From a kernel to text.

Names are made unique in a kernel. An expression that is used more than once is named `$0`, `$1`
... before the first statement that uses it, unless it is short; so is one that is too deep. The
name stands for the expression, which every statement that uses it evaluates anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from ncc.backends.cpu.loopir.loops import (
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
    Stmt,
    Store,
    Var,
    walk,
)
from ncc.backends.cpu.loopir.panels import BlockPack
from ncc.backends.cpu.loopir.text.syntax import keywords
from ncc.backends.cpu.loopir.uses import children, operands, postorder
from ncc.ir.types import DType

_SHORT = 6
"""Largest expression, in nodes, that is repeated rather than named."""
_DEEP = 16
"""Levels of an expression that are written in one."""

_LEVELS = (
    {"bitor": "|"},
    {"bitxor": "^"},
    {"bitand": "&"},
    {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="},
    {"add": "+", "sub": "-"},
    {"mul": "*", "div": "/", "fmod": "%"},
)
"""Functions written between their operands, weakest first; questions do not chain."""
_INFIX = {
    fn: (sign, strength) for strength, level in enumerate(_LEVELS) for fn, sign in level.items()
}
_QUESTION = 3
_ATOM = len(_LEVELS)


def to_text(kernel: Kernel) -> str:
    """The text of `kernel`, with a newline at its end."""
    return "\n".join(_Printer(kernel).lines(kernel)) + "\n"


class _Printer:
    def __init__(self, kernel: Kernel) -> None:
        self._names: dict[Buffer | Var | Local, str] = {}
        self._taken = set(keywords())
        self._shared = _named_expressions(kernel)
        self._numbers: dict[Expr, str] = {}
        self._texts: dict[Expr, tuple[str, int]] = {}

    def lines(self, kernel: Kernel) -> Iterator[str]:
        params = ", ".join(
            f"{self._name(b)}: {b.role.value} {b.dtype.value}[{b.size}]"
            for b in (*kernel.params, *kernel.scratch)
        )
        yield f"kernel {_plain(kernel.name)}({params}) {{"
        yield from self._block(kernel.body, "  ")
        yield "}"

    def _name(self, thing: Buffer | Var | Local) -> str:
        if thing not in self._names:
            wanted = name = _plain(thing.name)
            count = 0
            while name in self._taken:
                count += 1
                name = f"{wanted}.{count}"
            self._taken.add(name)
            self._names[thing] = name
        return self._names[thing]

    # Statements.

    def _block(self, stmts: Sequence[Stmt], indent: str) -> Iterator[str]:
        for stmt in stmts:
            for line in self._definitions(operands(stmt)):
                yield indent + line
            yield from (indent + line for line in self._statement(stmt))

    def _definitions(self, roots: Sequence[Expr]) -> Iterator[str]:
        for expr in postorder(roots):
            if expr in self._shared and expr not in self._numbers:
                text = self._expr(expr)
                self._numbers[expr] = f"${len(self._numbers)}"
                self._texts[expr] = (self._numbers[expr], _ATOM)
                yield f"{self._numbers[expr]} = {text}"

    def _statement(self, stmt: Stmt) -> Iterator[str]:
        match stmt:
            case Let():
                value = self._expr(stmt.value)
                yield f"let {self._name(stmt.local)}: {stmt.local.dtype.value} = {value}"
            case Assign():
                yield f"{self._name(stmt.local)} = {self._expr(stmt.value)}"
            case Store():
                guard = f" ? {self._expr(stmt.guard)}" if stmt.guard is not None else ""
                place = f"{self._name(stmt.buffer)}[{self._expr(stmt.index)}{guard}]"
                yield f"{place} = {self._expr(stmt.value)}"
            case For():
                yield from self._loop(stmt)
            case If():
                yield from self._choice(stmt)
            case Contract():
                yield from self._contract(stmt)

    def _loop(self, stmt: For) -> Iterator[str]:
        head = f"{stmt.kind.value} {self._range(stmt.var, stmt.extent)}"
        yield f"{head}{self._combined('reduce', stmt.reduce)}{self._combined('scan', stmt.scan)} {{"
        yield from self._block(stmt.body, "  ")
        yield "}"

    def _combined(self, word: str, locals: Sequence[tuple[Local, str]]) -> str:
        pairs = ", ".join(f"{self._name(local)}: {how}" for local, how in locals)
        return f" {word}({pairs})" if pairs else ""

    def _choice(self, stmt: If) -> Iterator[str]:
        yield f"if {self._expr(stmt.condition)} {{"
        yield from self._block(stmt.body, "  ")
        yield "}"

    def _contract(self, stmt: Contract) -> Iterator[str]:
        kind = Kind.parallel if stmt.parallel else Kind.serial
        acc = f"{self._name(stmt.acc)}: {stmt.acc.dtype.value}"
        yield f"contract {kind.value} {acc} = {self._expr(stmt.a)} * {self._expr(stmt.b)}"
        carried = " in order" if stmt.in_order else ""
        yield f"    for {', '.join(self._range(*pair) for pair in stmt.m)}{carried}"
        yield f"    by {self._range(stmt.n, stmt.columns)}"
        yield f"    over {', '.join(self._range(*pair) for pair in stmt.k)}"
        rows, columns = stmt.tile
        panels = f"{stmt.pack.nr}, {stmt.pack.kr}, {stmt.pack.panel}"
        if isinstance(stmt.pack, BlockPack):
            panels += f" units {stmt.pack.units}"
        order = f" order {stmt.order.block}, {stmt.order.parts}" if stmt.order else ""
        warm = " warm" if stmt.warm else ""
        yield f"    tile {rows}, {columns} panels {panels}{order}{warm} {{"
        yield from self._block(stmt.body, "  ")
        yield "}"

    def _range(self, var: Var, extent: int) -> str:
        return f"{self._name(var)} < {extent}"

    # Expressions.

    def _expr(self, expr: Expr, least: int = 0) -> str:
        """The text, in parentheses when it binds weaker than `least`."""
        if expr not in self._texts:
            self._texts[expr] = self._written(expr)
        text, strength = self._texts[expr]
        return text if strength >= least else f"({text})"

    def _written(self, expr: Expr) -> tuple[str, int]:
        match expr:
            case Const():
                return _number(expr), _ATOM
            case Var() | Local():
                return self._name(expr), _ATOM
            case Convert():
                bits = ".bits" if expr.bits else ""
                return f"{expr.dtype.value}{bits}({self._expr(expr.x)})", _ATOM
            case Load():
                return self._load(expr), _ATOM
            case Apply() if expr.fn in _INFIX:
                return self._infix(expr)
            case Apply():
                return f"{expr.fn}({', '.join(map(self._expr, expr.args))})", _ATOM
        raise AssertionError(f"unknown expression {expr}")

    def _infix(self, expr: Apply) -> tuple[str, int]:
        sign, strength = _INFIX[expr.fn]
        a, b = expr.args
        left = self._expr(a, strength + (strength == _QUESTION))
        return f"{left} {sign} {self._expr(b, strength + 1)}", strength

    def _load(self, expr: Load) -> str:
        guard = f" ? {self._expr(expr.guard)}" if expr.guard is not None else ""
        other = f" : {self._expr(expr.other)}" if expr.other is not None else ""
        return f"{self._name(expr.buffer)}[{self._expr(expr.index)}{guard}{other}]"


def _plain(name: str) -> str:
    """`name` with what a name cannot hold replaced."""
    plain = re.sub(r"[^\w.]", "_", name, flags=re.ASCII)
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"


def _number(expr: Const) -> str:
    if expr.dtype is DType.bool:
        return "true" if expr.value else "false"
    if expr.dtype is DType.i64:
        return str(int(expr.value))
    if not expr.dtype.is_float:
        return f"{int(expr.value)}:{expr.dtype.value}"
    value = float(expr.value)
    short = str(np.float32(value)) if expr.dtype is not DType.f64 else repr(value)
    text = short if np.isfinite(value) else repr(value)
    return f"{text}:{expr.dtype.value}"


def _named_expressions(kernel: Kernel) -> set[Expr]:
    """What is used more than once and is not short, and what is deep.

    The head of a contraction declares variables, so its operands stand in it as they are.
    """
    heads = [stmt for stmt in walk(kernel.body) if isinstance(stmt, Contract)]
    whole = set(postorder([expr for stmt in heads for expr in operands(stmt)]))
    roots = [expr for stmt in walk(kernel.body) for expr in operands(stmt)]
    uses: dict[Expr, int] = {}
    order = list(postorder(roots))
    for expr in [*roots, *(child for parent in order for child in children(parent))]:
        uses[expr] = uses.get(expr, 0) + 1
    named: set[Expr] = set()
    size: dict[Expr, int] = {}
    depth: dict[Expr, int] = {}
    for expr in order:
        size[expr] = 1 + sum(size[child] for child in children(expr))
        depth[expr] = 1 + max((depth[child] for child in children(expr)), default=0)
        worthy = (uses[expr] > 1 and size[expr] > _SHORT) or depth[expr] > _DEEP
        if worthy and expr not in whole:
            named.add(expr)
            size[expr] = depth[expr] = 1
    return named
