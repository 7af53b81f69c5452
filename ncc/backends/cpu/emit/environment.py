"""What is known at the current point of emission: variables, locals, lanes, values computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ncc.backends.cpu.emit.code import Value
from ncc.backends.cpu.loopir.affine import Window
from ncc.backends.cpu.loopir.loops import Buffer, Expr, Local, Var
from ncc.backends.cpu.loopir.uses import Reads, Source


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes in force: lane l of `width` is iteration `base + l` of `var`.

    `base` (i64) is a multiple of `multiple`; 0 says that it is 0. Lanes where `mask` (i1 per
    lane) is false do nothing; without a mask all lanes are active. `active` bounds the number
    of active lanes.
    """

    var: Var
    base: Value
    width: int
    multiple: int
    active: int
    mask: Value | None = None

    @property
    def are_first(self) -> bool:
        """Whether the first `active` lanes are the active ones; else only running tells."""
        return self.mask is None or self.active < self.width

    @property
    def window(self) -> Window:
        """The iterations of the active lanes."""
        return Window(self.var, self.active, self.multiple)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a local lives: a pointer to `lanes` values (0: one scalar) of an element type.

    A `masked` slot keeps its value in lanes that do nothing.
    """

    pointer: Value
    element: str
    lanes: int
    masked: bool = False


class Environment:
    """Bindings and the values computed so far, each forgotten when what it read has changed."""

    def __init__(self) -> None:
        self.pointers: dict[Buffer, Value] = {}
        self.variables: dict[Var, Value] = {}
        self.locals: dict[Local, Slot | Value] = {}
        """Where each local lives, or what it is if it never changes."""
        self.lanes: Lanes | None = None
        self.reads = Reads()
        self._scopes: list[dict[tuple[Expr, int], tuple[int, Value]]] = [{}]
        self._changed: dict[Source, int] = {}
        self._clock = 0

    def recall(self, expr: Expr, width: int) -> Value | None:
        """The value of `expr` in `width` lanes (0: scalar) if it still holds here."""
        for scope in reversed(self._scopes):
            found = scope.get((expr, width))
            if found is not None and self._holds(expr, since=found[0]):
                return found[1]
        return None

    def _holds(self, expr: Expr, since: int) -> bool:
        return all(self._changed.get(source, 0) <= since for source in self.reads(expr))

    def remember(self, expr: Expr, width: int, value: Value) -> None:
        """`expr` has this value until something that it reads changes, or the scope ends."""
        self._scopes[-1][expr, width] = (self._clock, value)

    def change(self, sources: Iterable[Source]) -> None:
        """Forget the values that read any of `sources`."""
        self._clock += 1
        self._changed.update(dict.fromkeys(sources, self._clock))

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Values computed inside are not used after it: for code that may not run."""
        self._scopes.append({})
        yield
        self._scopes.pop()

    @contextmanager
    def bound(self, var: Var, value: Value) -> Iterator[None]:
        """`var` has this i64 value, inside a scope of its own."""
        before = self.variables.get(var)
        self.variables[var] = value
        self.change([var])
        with self.scope():
            yield
        self.change([var])
        if before is None:
            del self.variables[var]
        else:
            self.variables[var] = before

    @contextmanager
    def within(self, lanes: Lanes) -> Iterator[None]:
        """Expressions are evaluated in `lanes`, inside a scope of its own."""
        assert self.lanes is None, "vector loops do not nest"
        self.lanes = lanes
        with self.bound(lanes.var, lanes.base):
            yield
        self.lanes = None

    def varies(self, expr: Expr) -> bool:
        """Whether `expr` may differ between lanes."""
        return self.lanes is not None and any(
            source is self.lanes.var
            or (isinstance(source, Local) and self.locals[source].lanes > 0)
            for source in self.reads(expr)
        )
