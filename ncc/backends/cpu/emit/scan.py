"""Running totals in vector lanes: each lane has what was combined up to it.

The lanes of one vector are combined with those 1, 2, 4 ... before them (Hillis and Steele, Data
parallel algorithms, CACM 1986), then with all vectors before. That total grows by one operation
a vector, so that the next vector waits for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.arithmetic import primitive
from ncc.backends.cpu.emit.code import Value
from ncc.backends.cpu.emit.environment import Slot
from ncc.backends.cpu.emit.reduction import identity
from ncc.backends.cpu.emit.types import constant, element
from ncc.backends.cpu.loopir.loops import Local

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


class Scan:
    """One local that a vector loop scans with `how`."""

    def __init__(self, fn: FunctionEmitter, local: Local, how: str, width: int) -> None:
        self._fn, self._local, self._how = fn, local, how
        outer = fn.environment.locals[local]
        assert isinstance(outer, Slot), f"{local.name} is scanned, so it changes"
        self._outer = outer
        kind = element(local.dtype)
        self._nothing = constant(identity(how, local.dtype), local.dtype, width)
        self._slot = Slot(fn.code.allocate(kind, width), kind, width)
        self._before = fn.code.allocate(kind, width)
        before = fn.code.load(outer.pointer, outer.element)
        fn.code.store(fn.code.splat(before, width), self._before)

    def start(self) -> None:
        """Begin a vector: until it is assigned, the local stands for nothing."""
        self._fn.code.store(self._nothing, self._slot.pointer)
        self._fn.environment.locals[self._local] = self._slot
        self._fn.environment.change([self._local])

    def assign(self, value: Value, active: int) -> None:
        """`value` holds the terms of the lanes, of which the first `active` count."""
        code, width = self._fn.code, value.lanes
        distance = 1
        while distance < active:
            moved = [width + lane if lane < distance else lane - distance for lane in range(width)]
            value = self._joined(code.shuffle(value, self._nothing, moved), value)
            distance *= 2
        before = code.load(self._before, value.element, width)
        code.store(self._joined(before, value), self._slot.pointer)
        all_of_it = code.shuffle(value, value, [active - 1] * width)
        code.store(self._joined(before, all_of_it), self._before)
        self._fn.environment.change([self._local])

    def finish(self) -> None:
        """From here on the local is a scalar again: the total."""
        code = self._fn.code
        self._fn.environment.locals[self._local] = self._outer
        total = code.load(self._before, self._slot.element, self._slot.lanes)
        code.store(code.extract(total, 0), self._outer.pointer)
        self._fn.environment.change([self._local])

    def _joined(self, a: Value, b: Value) -> Value:
        return primitive(self._fn.code, self._how, self._local.dtype, [a, b])
