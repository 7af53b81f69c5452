"""Sequences of tensors while a model is imported: lists of values, taken apart by their readers."""

from __future__ import annotations

from collections.abc import Iterable

from ncc.ir.graph import Value
from ncc.ir.types import DType, SequenceType, TensorType


class Listed(Value):
    """A sequence of `items`, which no node of a graph makes or reads."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Value], dtype: DType = DType.f32) -> None:
        """`dtype` is that of the elements of an empty one."""
        self.items = tuple(items)
        of_item = self.items[0].type if self.items else TensorType(dtype)
        super().__init__(SequenceType(of_item))
