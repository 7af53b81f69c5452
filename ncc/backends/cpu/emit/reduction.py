"""Numbers that the lanes of a vector loop combine into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ncc.backends.cpu.emit.arithmetic import primitive
from ncc.backends.cpu.emit.code import Value
from ncc.backends.cpu.emit.environment import Slot
from ncc.backends.cpu.emit.types import constant, element
from ncc.backends.cpu.loopir.loops import Local
from ncc.ir.types import DType

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


class Reduction:
    """One local that a vector loop reduces with `how`, in accumulators that hold nothing yet."""

    def __init__(
        self, fn: FunctionEmitter, local: Local, how: str, width: int, copies: int
    ) -> None:
        self._fn, self._local, self._how = fn, local, how
        outer = fn.environment.locals[local]
        assert isinstance(outer, Slot), f"{local.name} is reduced, so it changes"
        self.outer = outer
        kind = element(local.dtype)
        nothing = constant(identity(how, local.dtype), local.dtype, width)
        self.slots = [
            Slot(fn.code.allocate(kind, width), kind, width, masked=True) for _ in range(copies)
        ]
        for slot in self.slots:
            fn.code.store(nothing, slot.pointer)

    def stand_in(self, slot: Slot) -> None:
        """From here on the local is in `slot`."""
        self._fn.environment.locals[self._local] = slot
        self._fn.environment.change([self._local])

    def finish(self) -> None:
        """Combine the accumulators, then their lanes by halves, then the value from before."""
        code = self._fn.code
        values = [code.load(slot.pointer, slot.element, slot.lanes) for slot in self.slots]
        while len(values) > 1:
            values = [self._combine(*pair) for pair in zip(values[::2], values[1::2], strict=True)]
        total = values[0]
        while total.lanes > 1:
            half = total.lanes // 2
            low = code.shuffle(total, total, range(half))
            high = code.shuffle(total, total, range(half, total.lanes))
            total = self._combine(low, high)
        before = self._fn.expressions.scalar(self._local)
        self._fn.assign(self._local, self._combine(before, code.extract(total, 0)))

    def _combine(self, a: Value, b: Value) -> Value:
        return primitive(self._fn.code, self._how, self._local.dtype, [a, b])


def identity(how: str, dtype: DType) -> float:
    """The value that combines with any other to that other."""
    if how in ("min", "max"):
        least, most = _range(dtype)
        return most if how == "min" else least
    if how == "add" and dtype.is_float:
        return -0.0
    return {"add": 0, "mul": 1, "bitand": -1, "bitor": 0}[how]


def _range(dtype: DType) -> tuple[float, float]:
    if dtype.is_float:
        return -np.inf, np.inf
    if dtype is DType.bool:
        return False, True
    info = np.iinfo(dtype.numpy)
    return int(info.min), int(info.max)
