"""Which inputs of a kernel may lie where one of its outputs lies.

A store must never hit an element that a later load wants. That holds when, for every store and
every load, the load comes first in the body of the innermost loop around both, or is of another
part there, and different iterations of the loops around both stay in different parts of memory:

    for r: { for a: s = s + x[r*64 + a]; for b: y[r*64 + b] = x[r*64 + b] / s }    x may be y
    for i: y[i] = x[63 - i]                                                        x may not be y

Cores do not wait for one another inside a kernel, so order counts only where one core does both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.loopir.affine import Affine, Atom, Division, Indices, quotient
from ncc.backends.cpu.loopir.loops import (
    Buffer,
    Contract,
    Expr,
    For,
    If,
    Kernel,
    Load,
    Role,
    Stmt,
    Store,
    Var,
    is_shared,
)
from ncc.backends.cpu.loopir.uses import operands, postorder


@dataclass(frozen=True, slots=True)
class _Access:
    """One load or store: its index, the statements that lead to it, and the loops around it."""

    buffer: Buffer
    index: Expr
    path: tuple[int, ...]
    loops: tuple[tuple[Var, ...], ...]


def shareable(kernel: Kernel) -> frozenset[tuple[int, int]]:
    """Pairs (input, output) of positions in `params` that may be passed the same memory.

    An input that is passed twice may share its memory only if both positions may.
    """
    indices = Indices(kernel)
    loads = [access for access in _accesses(kernel.body) if access.buffer.role is Role.input]
    stores = [access for access in _accesses(kernel.body) if access.buffer.role is Role.output]

    one_core = not any(map(is_shared, kernel.body))

    def safe(x: Buffer, y: Buffer) -> bool:
        return all(
            (one_core or load.path[0] == store.path[0]) and _ordered(load, store, indices)
            for load in loads
            if load.buffer is x
            for store in stores
            if store.buffer is y
        )

    return frozenset(
        (i, j)
        for i, x in enumerate(kernel.params)
        for j, y in enumerate(kernel.params)
        if (x.role, y.role) == (Role.input, Role.output) and _same_size(x, y) and safe(x, y)
    )


def _same_size(x: Buffer, y: Buffer) -> bool:
    return x.size == y.size and x.dtype.itemsize == y.dtype.itemsize


def _accesses(
    stmts: Sequence[Stmt],
    path: tuple[int, ...] = (),
    loops: tuple[tuple[Var, ...], ...] = (),
) -> Iterator[_Access]:
    """Every access, with one group of loop variables for each statement of its path but the last.

    A contraction reads its operands in a loop of its own, before its body.
    """
    for position, stmt in enumerate(stmts):
        here = (*path, position)
        if isinstance(stmt, Contract):
            tile = (*loops, (*dict(stmt.m), stmt.n))
            for load in (stmt.a, stmt.b):
                yield _Access(load.buffer, load.index, (*here, -1, 0), (*tile, tuple(dict(stmt.k))))
            yield from _accesses(stmt.body, here, tile)
            continue
        for expr in postorder(operands(stmt)):
            if isinstance(expr, Load):
                yield _Access(expr.buffer, expr.index, here, loops)
        if isinstance(stmt, Store):
            yield _Access(stmt.buffer, stmt.index, here, loops)
        elif isinstance(stmt, For):
            yield from _accesses(stmt.body, here, (*loops, (stmt.var,)))
        elif isinstance(stmt, If):
            yield from _accesses(stmt.body, here, (*loops, ()))


def _ordered(load: _Access, store: _Access, indices: Indices) -> bool:
    """Whether no store hits an element before its last load."""
    depth = 0
    while depth < min(len(load.path), len(store.path)) and load.path[depth] == store.path[depth]:
        depth += 1
    around = [var for group in load.loops[:depth] for var in group]
    shared = {var for var in around if indices.extents[var] > 1}
    loaded = _split(indices.affine(load.index), shared, set(around))
    stored = _split(indices.affine(store.index), shared, set(around))
    if loaded is None or stored is None or loaded[0] != stored[0]:
        return False
    first = load.path[depth:] <= store.path[depth:]
    if not first and not _never_meet(loaded[1], stored[1], indices):
        return False
    return _apart(loaded[0], _spread(loaded[1], stored[1], indices), shared, indices)


def _split(form: Affine, shared: set[Var], around: set[Var]) -> tuple[Affine, Affine] | None:
    """The part of `form` that the loops around both accesses decide, and the rest."""
    outer, inner = [], []
    for atom, factor in form.terms:
        variables = _variables(atom)
        if variables is None or factor < 0:
            return None
        if variables <= around:
            outer += [(atom, factor)] if variables & shared else []
        elif variables & around:
            return None
        else:
            inner.append((atom, factor))
    return Affine(tuple(outer)), Affine(tuple(inner), form.const)


def _variables(atom: Atom) -> set[Var] | None:
    """The loop variables that `atom` is made of; None if it is made of anything else."""
    if isinstance(atom, Division):
        parts = [_variables(inner) for inner, _ in atom.inner.terms]
        known = [part for part in parts if part is not None]
        return set().union(*known) if len(known) == len(parts) else None
    return {atom} if isinstance(atom, Var) else None


def _never_meet(a: Affine, b: Affine, indices: Indices) -> bool:
    """Whether all values of `a` are above all of `b`, or below."""
    first, second = indices.bounds(a), indices.bounds(b)
    return (
        first is not None and second is not None and (first[0] > second[1] or first[1] < second[0])
    )


def _spread(a: Affine, b: Affine, indices: Indices) -> int | None:
    """The largest distance between a value of `a` and one of `b`."""
    first, second = indices.bounds(a), indices.bounds(b)
    if first is None or second is None:
        return None
    return max(abs(first[1] - second[0]), abs(second[1] - first[0]))


def _apart(common: Affine, spread: int | None, shared: set[Var], indices: Indices) -> bool:
    """Whether different iterations differ in `common` by more than `spread`."""
    if spread is None:
        return False
    reach = spread
    for atom, factor in sorted(common.terms, key=lambda term: term[1]):
        bounds = indices.atom_bounds(atom)
        if bounds is None or factor <= reach:
            return False
        reach += factor * bounds[1]
    return _decided({atom for atom, _ in common.terms}) >= shared


def _decided(known: set[Atom]) -> set[Atom]:
    """What the values of atoms decide: a sum, by its quotient and its remainder, and so on."""
    while True:
        found = {
            atom
            for rest in known
            if isinstance(rest, Division) and rest.fn == "fmod"
            if quotient(rest.inner, rest.by) in known
            for atom in _only_term(rest.inner)
        } - known
        if not found:
            return known
        known = known | found


def _only_term(form: Affine) -> list[Atom]:
    """The atom that decides `form` alone and is decided by it."""
    return [form.terms[0][0]] if len(form.terms) == 1 else []
