"""The weights section: constant expressions with an offset each, evaluated when it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.backends.cpu.storage.views import Memory, Space, View, dense_strides
from ncc.ir.fold import expression
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.interpret import interpret
from ncc.ir.ops.transpose import Transpose
from ncc.ir.ops.weight import Weight

ALIGNMENT = 64
KEPT_PART = 64 << 10
"""Bytes of a part of an expression that is kept for others that read it."""
KEPT = 16 << 20
"""Bytes of all such parts."""


@dataclass(frozen=True, slots=True)
class Slot:
    """`value`, a constant expression, dense at `offset` bytes into the section."""

    offset: int
    value: Value

    @property
    def nbytes(self) -> int:
        return self.value.tensor.nbytes


class WeightTable:
    """Slots by what they hold: equal expressions share one."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.nbytes = 0
        self._memories: dict[int, Memory] = {}
        self._numbers: dict[Any, int] = {}
        self._known: dict[Value, int] = {}

    def memory(self, value: Value) -> Memory:
        """Where the elements of a constant expression will lie."""
        number = self._number(value)
        if number not in self._memories:
            offset = -(-self.nbytes // ALIGNMENT) * ALIGNMENT
            slot = Slot(offset, value)
            self.slots.append(slot)
            self.nbytes = offset + slot.nbytes
            self._memories[number] = Memory(Space.weights, slot.nbytes, offset)
        return self._memories[number]

    def view(self, value: Value, order: tuple[int, ...] | None = None) -> View:
        """A view of a constant expression, its axes slowest first in `order`."""
        type = value.tensor
        order = order or tuple(range(type.rank))
        held = value if order == tuple(range(type.rank)) else Builder()(Transpose(order), value)
        return View(self.memory(held), type.dtype, type.dims, dense_strides(type.dims, order))

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The bytes of the section, a slot at a time, with the gaps between them."""
        written = 0
        evaluation = _Evaluation()
        for slot in self.slots:
            yield bytes(slot.offset - written)
            array = evaluation.array(slot.value)
            assert array.nbytes == slot.nbytes
            yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            written = slot.offset + slot.nbytes
            evaluation.release()

    def _number(self, value: Value) -> int:
        """The same small number for structurally equal expressions."""
        stack = [value]
        while stack:
            top = stack[-1]
            assert top.node is not None, "a weight depends on an input"
            waiting = [operand for operand in top.node.operands if operand not in self._known]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            operands = tuple(self._known[operand] for operand in top.node.operands)
            key = (top.node.op, top.index, operands)
            self._known[top] = self._numbers.setdefault(key, len(self._numbers))
        return self._known[value]


class _Evaluation:
    """Constant expressions, evaluated one after another; small parts are kept for the next."""

    def __init__(self) -> None:
        self._kept: dict[Value, npt.NDArray[Any]] = {}
        self._nbytes = 0
        self._nodes: list[Node] = []

    def array(self, value: Value) -> npt.NDArray[Any]:
        """The elements of `value`."""
        if value in self._kept:
            return self._kept[value]
        self._nodes = nodes = expression(value, self._kept)
        read = {operand: None for node in nodes for operand in node.operands}
        given = [operand for operand in read if operand in self._kept]
        arrays = [self._kept[operand] for operand in given]
        (array,) = interpret(Graph("weight", given, nodes, [value]), arrays, observe=self._keep)
        return np.asarray(array)

    def release(self) -> None:
        """Let go of the files that the last array was computed from."""
        for node in self._nodes:
            if isinstance(node.op, Weight) and node.op.slice is not None:
                node.op.slice.release()
        self._nodes = []

    def _keep(self, node: Node, results: tuple[npt.NDArray[Any], ...]) -> None:
        """Remember what an op has computed, without the larger array that it may be part of."""
        for value, array in zip(node.results, results, strict=True):
            if node.operands and array.nbytes <= KEPT_PART:
                if self._nbytes > KEPT:
                    self._kept.clear()
                    self._nbytes = 0
                self._kept[value] = array.copy()
                self._nbytes += array.nbytes
