"""What an importer sees of one ONNX node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from ncc.diagnostics import Loc, NccError
from ncc.frontends.onnx.dtypes import dtype_of
from ncc.ir.fold import FoldingBuilder, constant_array
from ncc.ir.graph import Value
from ncc.ir.literal import Literal
from ncc.ir.op import unsupported
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.constant import Constant
from ncc.ir.types import DType, TensorType

Array = npt.NDArray[Any]
Choice = TypeVar("Choice", bound=Enum)


class Scope(Protocol):
    """The graph that a node stands in."""

    def tensor(self, proto: TensorProto, name: str) -> Value:
        """A tensor of the model: a literal when small, else a weight."""

    def inline(self, graph: GraphProto, inputs: Sequence[Value] = ()) -> tuple[Value, ...]:
        """Import the nodes of a nested graph for `inputs`; its outputs."""

    def unknown(self, nodes: Iterable[NodeProto]) -> Mapping[str, Sequence[Loc]]:
        """The op types of `nodes` that cannot be imported, each with its nodes."""


@dataclass(frozen=True)
class Context:
    """One node on its way into the graph: operands, attributes and the builder.

    `opset` is the version of the node's domain; `build` gives new nodes the node's location.
    """

    node: NodeProto
    operands: tuple[Value | None, ...]
    opset: int
    build: FoldingBuilder
    scope: Scope

    @property
    def outputs(self) -> int:
        """How many results the node names; trailing ones that it leaves out are not counted."""
        return len(self.node.output)

    def wants(self, index: int) -> bool:
        """Whether result `index` has a name."""
        return index < len(self.node.output) and bool(self.node.output[index])

    def operand(self, index: int) -> Value | None:
        """Operand `index`; None when the node leaves it out."""
        return self.operands[index] if index < len(self.operands) else None

    def __getitem__(self, index: int) -> Value:
        """Operand `index`, which the node must have."""
        value = self.operand(index)
        if value is None:
            raise NccError("invalid-model", f"{self.node.op_type} needs an input {index}")
        return value

    def type(self, index: int) -> TensorType:
        """The type of operand `index`, which must be a tensor."""
        found = self[index].type
        if not isinstance(found, TensorType):
            raise NccError("invalid-model", f"input {index} is {found}, not a tensor")
        return found

    def static_shape(self, index: int) -> tuple[int, ...] | None:
        """The sizes of operand `index`; None when one of them is known only at run time."""
        found = self.type(index)
        return found.dims if found.is_static else None

    def constant(self, index: int) -> Array | None:
        """The elements of operand `index`; None when it is left out or not a small constant."""
        value = self.operand(index)
        return None if value is None else constant_array(value)

    def need_constant(self, index: int, what: str) -> Array:
        """The elements of operand `index`, called `what`; unsupported when not constant."""
        found = constant_array(self[index])
        if found is None:
            raise unsupported(
                f"{what} of {self.node.op_type} is computed at run time",
                hint=f"make {what} a constant of the model, or bind every size it is made of",
            )
        return found

    def number(self, index: int) -> float | int | bool | None:
        """The only element of operand `index`; None as for `constant`."""
        found = self.constant(index)
        if found is not None and found.size != 1:
            raise NccError("invalid-model", f"input {index} is {self.type(index)}, not one number")
        return None if found is None else found.item()

    def integers(self, index: int) -> list[int] | None:
        """Operand `index` as a list, for operands of at most one axis; None as for `constant`."""
        found = self.constant(index)
        if found is not None and (found.ndim > 1 or found.dtype.kind not in "iu"):
            raise NccError(
                "invalid-model", f"input {index} is {self.type(index)}, not a list of integers"
            )
        return None if found is None else [int(number) for number in found.ravel()]

    def const(self, array: npt.ArrayLike, dtype: DType | None = None) -> Value:
        """A literal with the elements of `array`, converted to `dtype` if given."""
        elements = np.asarray(array, None if dtype is None else dtype.numpy)
        return self.build(Constant(Literal.of(elements)))

    def cast(self, value: Value, to: DType) -> Value:
        """`value` as elements of type `to`; itself when it has them already."""
        return value if value.tensor.dtype is to else self.build(Cast(to), value)

    def has_attr(self, name: str) -> bool:
        """Whether the node gives attribute `name`."""
        return name in self._attributes

    def attr(self, name: str, default: Any = None) -> Any:
        """Attribute `name` as int, float, str, array or nested graph, or a tuple of those."""
        found = self._attributes.get(name)
        return default if found is None else self._decode(found)

    def need_attr(self, name: str) -> Any:
        """Attribute `name`, which the node must have."""
        if name not in self._attributes:
            raise NccError("invalid-model", f"{self.node.op_type} needs an attribute '{name}'")
        return self.attr(name)

    def attr_dtype(self, name: str, default: DType) -> DType:
        """Attribute `name` as an element type."""
        number = self.attr(name)
        return default if number is None else dtype_of(number)

    def attr_choice(self, name: str, default: Choice) -> Choice:
        """Attribute `name` as a member of the enum of `default`, whose values are ONNX's names."""
        wanted, kind = self.attr(name, default.value), type(default)
        found = next((member for member in kind if member.value == wanted), None)
        if found is None:
            known = ", ".join(str(member.value) for member in kind)
            raise NccError(
                "invalid-model", f"attribute '{name}' is {wanted!r}", hint=f"it is one of: {known}"
            )
        return found

    def attr_tensor(self, name: str) -> Value:
        """Tensor attribute `name` as a literal, or a weight when large."""
        return self.scope.tensor(self._attributes[name].t, f"{self.node.output[0]}.{name}")

    def attr_array(self, name: str) -> Array:
        """Tensor attribute `name`, which the node must have, as an array of any size."""
        if name not in self._attributes:
            raise NccError("invalid-model", f"{self.node.op_type} needs an attribute '{name}'")
        found = constant_array(self.attr_tensor(name), None)
        assert found is not None, "a tensor of the model is a constant or a weight"
        return found

    @cached_property
    def _attributes(self) -> dict[str, AttributeProto]:
        return {attribute.name: attribute for attribute in self.node.attribute}

    def _decode(self, attribute: AttributeProto) -> Any:
        if attribute.type == AttributeProto.TENSOR:
            array = constant_array(self.attr_tensor(attribute.name))
            if array is None:
                raise unsupported(f"tensor attribute '{attribute.name}' is too large")
            return array
        field = _FIELDS.get(attribute.type)
        if field is None:
            raise unsupported(f"attribute '{attribute.name}' holds a type that is not supported")
        value = getattr(attribute, field)
        if isinstance(value, int | float | GraphProto):
            return value
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value)


_FIELDS: dict[int, str] = {
    AttributeProto.INT: "i",
    AttributeProto.FLOAT: "f",
    AttributeProto.STRING: "s",
    AttributeProto.GRAPH: "g",
    AttributeProto.INTS: "ints",
    AttributeProto.FLOATS: "floats",
    AttributeProto.STRINGS: "strings",
}
"""The field of AttributeProto that holds each kind of value."""
