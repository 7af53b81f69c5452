"""What vector units do while matrix registers multiply: they finish the tile before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncc.backends.cpu.emit.code import Value, integer
from ncc.backends.cpu.emit.contraction.finish import OnStack
from ncc.backends.cpu.emit.contraction.walk import Carried

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


class Beside:
    """The body on the rows of the tile that `finish` has selected, some after each step of sums.

    They are spread evenly over `steps` steps; there are none unless `is_summed`.
    """

    def __init__(self, fn: FunctionEmitter, finish: OnStack, steps: int, is_summed: Value) -> None:
        self._fn = fn
        self._finish = finish
        self._tile = finish.waiting()
        self._each = -(-finish.height // steps)
        self._rows = fn.code.select(is_summed, self._tile.rows, integer(0))

    def start(self) -> Carried:
        """What goes from step to step: how many rows are done."""
        return [integer(0)]

    def step(self, carried: Carried) -> Carried:
        """Finish the rows whose turn it is after a step."""
        code, (done,) = self._fn.code, carried
        following = code.binary("add nuw nsw", done, integer(self._each))
        stop = code.intrinsic("llvm.umin", following, self._rows)
        with code.when(code.compare("icmp ult", done, stop)), self._fn.environment.scope():
            self._finish.rows(self._tile, done, stop)
        return [stop]
