"""From text to kernels; NccError "parse" at the place that is wrong."""

from __future__ import annotations

from typing import TypeVar

import lark
from lark import Token, Tree

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
    Role,
    Stmt,
    Store,
    TileOrder,
    Var,
    result_type,
)
from ncc.backends.cpu.loopir.panels import BlockPack, Pack
from ncc.backends.cpu.loopir.text.syntax import grammar
from ncc.diagnostics import NccError
from ncc.ir.scalar import FUNCTIONS
from ncc.ir.text.syntax import Source
from ncc.ir.types import DType

_DTYPES = {dtype.value: dtype for dtype in DType}
_Named = TypeVar("_Named", Buffer, Var, Local)


def parse(text: str, file: str = "") -> tuple[Kernel, ...]:
    """The kernels of `text`; `file` is where errors say that it came from."""
    source = Source(text, file)
    try:
        tree = grammar().parse(text)
    except lark.UnexpectedInput as error:
        raise source.unexpected(error) from None
    return tuple(_KernelReader(source).kernel(child) for child in _trees(tree))


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _tokens(tree: Tree[Token]) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token)]


def _pack(panels: Tree[Token]) -> Pack:
    nr, kr, panel, *units = map(int, _tokens(panels))
    return BlockPack(nr, kr, panel, *units) if units else Pack(nr, kr, panel)


class _KernelReader:
    """Reads one kernel; names are known from their declaration to the end of the kernel."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._names: dict[str, Buffer | Var | Local | Expr] = {}

    def kernel(self, tree: Tree[Token]) -> Kernel:
        self._names = {}
        *params, body = _trees(tree)
        buffers = [self._param(param) for param in params]
        return Kernel(
            str(_tokens(tree)[0]),
            tuple(b for b in buffers if b.role is not Role.scratch),
            tuple(b for b in buffers if b.role is Role.scratch),
            self._block(body),
        )

    def _param(self, tree: Tree[Token]) -> Buffer:
        name, dtype, size = _tokens(tree)
        (role,) = _trees(tree)
        buffer = Buffer(str(name), self._dtype(dtype), int(size), Role(str(role.children[0])))
        return self._declare(name, buffer)

    def _declare(self, token: Token, thing: _Named) -> _Named:
        if token in self._names:
            raise self._error(token, f"'{token}' is declared twice")
        self._names[token] = thing
        return thing

    def _known(self, token: Token, kind: type[_Named]) -> _Named:
        thing = self._names.get(token)
        if not isinstance(thing, kind):
            raise self._error(token, f"'{token}' is not a {kind.__name__.lower()} here")
        return thing

    def _dtype(self, token: Token, name: str | None = None) -> DType:
        wanted = str(token) if name is None else name
        if wanted not in _DTYPES:
            raise self._error(token, f"'{wanted}' is not an element type")
        return _DTYPES[wanted]

    def _error(self, token: Token, message: str) -> NccError:
        return self._source.error(token, message)

    # Statements.

    def _block(self, tree: Tree[Token]) -> tuple[Stmt, ...]:
        stmts = (self._statement(child) for child in _trees(tree))
        return tuple(stmt for stmt in stmts if stmt is not None)

    def _statement(self, tree: Tree[Token]) -> Stmt | None:
        match tree.data:
            case "let":
                return self._let(tree)
            case "assign":
                value = self._expr(tree.children[1])
                return Assign(self._known(_tokens(tree)[0], Local), value)
            case "store":
                return self._store(tree)
            case "loop":
                return self._loop(tree)
            case "choice":
                return self._choice(tree)
            case "contract":
                return self._contract(tree)
        name, shared = tree.children
        self._names[str(name)] = self._expr(shared)
        return None

    def _let(self, tree: Tree[Token]) -> Let:
        name, dtype = _tokens(tree)
        value = self._expr(tree.children[2])
        return Let(self._declare(name, Local(str(name), self._dtype(dtype))), value)

    def _store(self, tree: Tree[Token]) -> Store:
        name, index, guard, value = tree.children
        assert isinstance(name, Token)
        return Store(
            self._known(name, Buffer), self._expr(index), self._expr(value), self._maybe(guard)
        )

    def _loop(self, tree: Tree[Token]) -> For:
        kind, head, reduce, scan, body = _trees(tree)
        reduced, scanned = (tuple(map(self._reduction, _trees(part))) for part in (reduce, scan))
        var, extent = self._range(head)
        return For(var, extent, self._block(body), Kind(str(kind.children[0])), reduced, scanned)

    def _choice(self, tree: Tree[Token]) -> If:
        condition, body = _trees(tree)
        return If(self._expr(condition), self._block(body))

    def _reduction(self, tree: Tree[Token]) -> tuple[Local, str]:
        local, how = _tokens(tree)
        return self._known(local, Local), str(how)

    def _range(self, tree: Tree[Token]) -> tuple[Var, int]:
        name, extent = _tokens(tree)
        return self._declare(name, Var(str(name))), int(extent)

    def _contract(self, tree: Tree[Token]) -> Contract:
        kind, a, b, rows, carried, columns, runs, tile, panels, order, warm, body = _trees(tree)
        name, dtype = _tokens(tree)
        m = tuple(map(self._range, _trees(rows)))
        ((n, extent),) = map(self._range, _trees(columns))
        k = tuple(map(self._range, _trees(runs)))
        left, right = self._load(a), self._load(b)
        height, width = map(int, _tokens(tile))
        acc = self._declare(name, Local(str(name), self._dtype(dtype)))
        return Contract(
            m=m,
            n=n,
            columns=extent,
            k=k,
            a=left,
            b=right,
            pack=_pack(panels),
            acc=acc,
            body=self._block(body),
            tile=(height, width),
            parallel=str(kind.children[0]) == Kind.parallel.value,
            in_order=bool(_tokens(carried)),
            order=self._order(order),
            warm=bool(warm.children[0]),
        )

    def _order(self, tree: Tree[Token]) -> TileOrder | None:
        numbers = [int(token) for token in _tokens(tree)]
        return TileOrder(*numbers) if numbers else None

    # Expressions.

    def _maybe(self, tree: Tree[Token] | Token | None) -> Expr | None:
        return None if tree is None else self._expr(tree)

    def _expr(self, tree: Tree[Token] | Token) -> Expr:
        assert isinstance(tree, Tree)
        match tree.data:
            case "number":
                return self._number(_tokens(tree)[0], 1)
            case "negative":
                return self._number(_tokens(tree)[0], -1)
            case "name" | "shared":
                return self._name(_tokens(tree)[0])
            case "call":
                return self._call(tree)
            case "load":
                return self._load(tree)
        args = tuple(map(self._expr, tree.children))
        return Apply(tree.data, args, result_type(tree.data, args))

    def _name(self, token: Token) -> Expr:
        thing = self._names.get(token)
        if not isinstance(thing, Expr):
            raise self._error(token, f"'{token}' is not a value here")
        return thing

    def _number(self, token: Token, sign: int) -> Const:
        text, _, suffix = token.partition(":")
        if text in ("true", "false"):
            return Const(text == "true", DType.bool)
        dtype = self._dtype(token, suffix) if suffix else DType.i64
        if not dtype.is_float:
            return Const(sign * int(text), dtype)
        narrow = dtype is not DType.f64
        value = sign * float(text)
        return Const(float(dtype.compute.numpy.type(value)) if narrow else value, dtype)

    def _call(self, tree: Tree[Token]) -> Expr:
        name = _tokens(tree)[0]
        args = tuple(self._expr(arg) for arg in tree.children[1:] if arg is not None)
        to, _, bits = name.partition(".")
        if to in _DTYPES and bits in ("", "bits") and len(args) == 1:
            return Convert(args[0], _DTYPES[to], bits=bool(bits))
        if name not in FUNCTIONS or not args:
            raise self._error(name, f"there is no function '{name}' of {len(args)} operands")
        return Apply(str(name), args, result_type(name, args))

    def _load(self, tree: Tree[Token]) -> Load:
        name, index, guard, other = tree.children
        assert isinstance(name, Token)
        buffer = self._known(name, Buffer)
        return Load(buffer, self._expr(index), self._maybe(guard), self._maybe(other))
