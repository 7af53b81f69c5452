"""Sweeps over a row: the loops around what is done at each of its places.

A reduction of many terms is one of few reductions of few terms: each loop inside another has a
total of its own, and a long loop is two. A sum of n terms in blocks of b is then rounded about
b + n / b times in a row instead of n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.kernels.evaluate import Scope
from ncc.backends.cpu.kernels.space import Loop, Names
from ncc.backends.cpu.loopir.loops import (
    Assign,
    Const,
    Expr,
    For,
    Kind,
    Let,
    Local,
    Var,
    apply,
    const,
)

BLOCK = 512
"""Terms that a loop of a reduction combines at most, where their number has such a divisor."""
SHARE = 4
"""Times as many, in lanes: each combines a share of them."""
LANES = 16
"""Divides the length of a block in vector lanes, as the lanes of every target divide it."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One loop to write: `extent` positions along `loop`, or blocks of them."""

    loop: Loop
    var: Var
    extent: int
    kind: Kind = Kind.serial


def sweep(
    scope: Scope,
    rows: Sequence[Loop],
    vector: Loop | None,
    names: Names,
    write: Callable[[Scope], None],
) -> None:
    """Append loops over `rows`, `vector` among them in lanes, around what `write` appends."""
    steps = [_Step(loop, names.var(), loop.extent, _kind(loop, vector)) for loop in rows]
    inner = _inside(scope, steps)
    write(inner)
    body = tuple(inner.stmts)
    for step in reversed(steps):
        body = (For(step.var, step.extent, body, step.kind),)
    scope.stmts += body if all(loop.extent for loop in rows) else ()


def reduction(
    scopes: Sequence[Scope],
    rows: Sequence[Loop],
    vector: Loop | None,
    names: Names,
    how: str,
    initial: Const,
    terms: Callable[[Sequence[Scope]], Sequence[Expr]],
) -> list[Local]:
    """For each of `scopes` the local in which its term is combined by `how`, from `initial` on.

    The scopes share one block and the loops over `rows`.
    """
    steps = [step for loop in rows for step in _steps(loop, vector, names)]
    totals = [[Local(names("r"), initial.dtype) for _ in scopes] for _ in range(max(1, len(steps)))]
    inner = [_inside(scope, steps) for scope in scopes]
    for scope in inner[1:]:
        scope.stmts = inner[0].stmts
    pairs = list(zip(totals[-1], terms(inner), strict=True))
    inner[0].stmts += [Assign(total, apply(how, total, term)) for total, term in pairs]
    body = tuple(inner[0].stmts)
    for depth, step in reversed(list(enumerate(steps))):
        lanes = step.kind is Kind.vector
        reduce = tuple((total, how) for total in totals[depth]) if lanes else ()
        body = (For(step.var, step.extent, body, step.kind, reduce),)
        if depth:
            parts = list(zip(totals[depth - 1], totals[depth], strict=True))
            joined = [Assign(outer, apply(how, outer, part)) for outer, part in parts]
            body = (*(Let(part, initial) for part in totals[depth]), *body, *joined)
    scopes[0].stmts += [Let(total, initial) for total in totals[0]]
    scopes[0].stmts += body if all(loop.extent for loop in rows) else ()
    return totals[0]


def _inside(scope: Scope, steps: Sequence[_Step]) -> Scope:
    """The scope inside the loops of `steps`, which may take several to walk along one."""
    at: dict[Loop, Expr] = {}
    for step in steps:
        at[step.loop] = at.get(step.loop, const(0)) * step.extent + step.var
    return Scope(at, scope)


def _steps(loop: Loop, vector: Loop | None, names: Names) -> Iterator[_Step]:
    """One step for a short loop, two for a long one."""
    kind = _kind(loop, vector)
    block = _block(loop.extent, LANES if kind is Kind.vector else 1)
    if block < loop.extent:
        yield _Step(loop, names.var(), loop.extent // block)
    yield _Step(loop, names.var(), block, kind)


def _kind(loop: Loop, vector: Loop | None) -> Kind:
    return Kind.vector if loop is vector else Kind.serial


def _block(extent: int, lanes: int) -> int:
    """The longest part of a loop that is short enough and even; all of it if there is none."""
    most = BLOCK * (SHARE if lanes > 1 else 1)
    if extent <= most:
        return extent
    lengths = range(most, LANES - 1, -lanes)
    return next((length for length in lengths if extent % length == 0), extent)
