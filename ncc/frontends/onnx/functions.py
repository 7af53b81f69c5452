"""Ops that are written as graphs of other ops: functions of the model, and of ONNX itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, TypeProto
from onnx.shape_inference import InferenceError

from ncc.diagnostics import NccError
from ncc.ir.op import unsupported

Schema = Any
"""An `onnx.defs.OpSchema`; onnx's stub of that class leaves out what is used here."""


@dataclass(frozen=True)
class Body:
    """A function applied to one node: nodes whose attributes are filled in."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[NodeProto, ...]
    opsets: Mapping[str, int]


FunctionKey = tuple[str, str, str]
"""Domain, name and overload."""


def local_functions(model: ModelProto) -> dict[FunctionKey, FunctionProto]:
    """The functions that a model defines."""
    found: dict[FunctionKey, FunctionProto] = {}
    for function in model.functions:
        key = (function.domain, function.name, function.overload)
        if key in found:
            raise NccError("invalid-model", f"function '{function.name}' is defined twice")
        found[key] = function
    return found


def key_of(node: NodeProto) -> FunctionKey:
    """The function that a node calls, if its op type is one."""
    return (node.domain, node.op_type, node.overload)


def is_function(schema: Schema) -> bool:
    """Whether ONNX itself writes the op as a graph of other ops."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def schema_function(
    schema: Schema, node: NodeProto, types: Sequence[TypeProto], opset: int
) -> FunctionProto:
    """The body that ONNX gives for `node`, an op of `schema`, on operands of `types`."""
    function = FunctionProto()
    if schema.has_function:
        version = _newest(schema.function_opset_versions, opset)
        function.ParseFromString(schema.get_function_with_opset_version(version))
    else:
        version = _newest(schema.context_dependent_function_opset_versions, opset)
        operands = [type.SerializeToString() for type in types]
        try:
            body = schema.get_context_dependent_function_with_opset_version(
                version, node.SerializeToString(), operands
            )
        except InferenceError as error:
            raise NccError("invalid-model", f"{node.op_type} cannot take this: {error}") from None
        function.ParseFromString(body)
    if not function.node:
        raise unsupported(f"{node.op_type} on operands of these types")
    defaults = [attribute.default_value for attribute in schema.attributes.values()]
    function.attribute_proto.extend(value for value in defaults if value.type)
    return function


def _newest(versions: Sequence[int], opset: int) -> int:
    return max((version for version in versions if version <= opset), default=min(versions))


def instantiate(function: FunctionProto, node: NodeProto) -> Body:
    """The body of `function` with the attributes of `node`."""
    if len(node.input) > len(function.input) or len(node.output) > len(function.output):
        raise NccError(
            "invalid-model",
            f"{node.op_type} takes {len(function.input)} inputs and {len(function.output)} "
            f"outputs, not {len(node.input)} and {len(node.output)}",
        )
    given = {attribute.name: attribute for attribute in function.attribute_proto}
    given.update((attribute.name, attribute) for attribute in node.attribute)
    return Body(
        tuple(function.input),
        tuple(function.output),
        tuple(_with_attributes(inner, given) for inner in function.node),
        {entry.domain: entry.version for entry in function.opset_import},
    )


def _with_attributes(node: NodeProto, given: Mapping[str, AttributeProto]) -> NodeProto:
    """`node` with references to attributes of the function replaced, or left out if not given."""
    made = NodeProto()
    made.CopyFrom(node)
    del made.attribute[:]
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            source = given.get(attribute.ref_attr_name)
            if source is not None:
                made.attribute.add().CopyFrom(source)
                made.attribute[-1].name = attribute.name
            continue
        kept = made.attribute.add()
        kept.CopyFrom(attribute)
        if attribute.HasField("g"):
            filled = [_with_attributes(inner, given) for inner in attribute.g.node]
            del kept.g.node[:]
            kept.g.node.extend(filled)
    return made
