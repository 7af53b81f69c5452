"""Compare a node with the schema that ONNX has for it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import onnx.defs
from onnx import AttributeProto, NodeProto, TensorProto
from onnx.defs import OpSchema

from ncc.diagnostics import NccError
from ncc.frontends.onnx.dtypes import onnx_dtype
from ncc.ir.graph import Value
from ncc.ir.types import TensorType


@functools.cache
def schema_of(op_type: str, opset: int, domain: str) -> OpSchema | None:
    """The newest schema of an op type up to `opset`; None if ONNX has none.

    An op that came later has its newest schema: exporters write some of them early.
    """
    for version in (opset, onnx.defs.onnx_opset_version()):
        try:
            return onnx.defs.get_schema(op_type, version, domain)
        except onnx.defs.SchemaError:
            continue
    return None


def check_node(node: NodeProto, schema: OpSchema, operands: Sequence[Value | None]) -> None:
    """Refuse a node whose operands, results or attributes are not those of its op type."""
    _check_count(node, "inputs", list(node.input), schema.min_input, schema.max_input)
    _check_count(node, "outputs", list(node.output), schema.min_output, schema.max_output)
    for index, value in enumerate(operands):
        _check_operand(node, schema, index, value)
    given = {attribute.name: attribute for attribute in node.attribute}
    for name, attribute in given.items():
        known = schema.attributes.get(name)
        if known is None:
            raise _invalid(f"{node.op_type} has no attribute '{name}'")
        wanted = known.type.name  # type: ignore[attr-defined]  # an enum, which the stub forgets
        if AttributeProto.AttributeType.Name(attribute.type) != wanted:
            raise _invalid(f"attribute '{name}' of {node.op_type} must be of type {wanted}")
    for name, known in schema.attributes.items():
        if known.required and name not in given:
            raise _invalid(f"{node.op_type} needs an attribute '{name}'")


def _check_operand(node: NodeProto, schema: OpSchema, index: int, value: Value | None) -> None:
    """Refuse an operand that is missing or of an element type that the op does not take."""
    formal = schema.inputs[min(index, len(schema.inputs) - 1)]
    if value is None:
        if formal.option != OpSchema.FormalParameterOption.Optional:
            raise _invalid(f"{node.op_type} needs its input {index}, '{formal.name}'")
    elif isinstance(value.type, TensorType):
        name = TensorProto.DataType.Name(onnx_dtype(value.type.dtype)).lower()
        if f"tensor({name})" not in formal.types:
            raise _invalid(f"{node.op_type} does not take {value.type} as '{formal.name}'")
    elif not any(kind.startswith("seq") for kind in formal.types):
        raise _invalid(f"{node.op_type} does not take {value.type} as '{formal.name}'")


def _check_count(node: NodeProto, what: str, names: list[str], low: int, high: int) -> None:
    if not low <= len(names) <= high:
        wanted = f"{low}" if low == high else f"{low} to {high}"
        raise _invalid(f"{node.op_type} takes {wanted} {what}, not {len(names)}")


def _invalid(message: str) -> NccError:
    return NccError("invalid-model", message)
