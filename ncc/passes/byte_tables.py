"""Look up what is quantized from a function of one byte.

    %1 = dequantize(%x, %s, %z) : f32[4, 8192]
    %2 = quantize(erf(%1), %t, %u) {to = u8} : u8[4, 8192]
    %3 = dequantize(%2, %t, %u) : f32[4, 8192]
    %4 = quantize(mul(%1, %3), %v, %w) {to = u8} : u8[4, 8192]
becomes, for an %x of u8 and constants
    %0 = constant [...] : u8[256]
    %4 = gather(%0, %x) {axis = 0} : u8[4, 8192]

The table holds what the interpreter makes of each byte. Functions of few elements, and those that
take no longer than to look them up, are computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.ir.fold import constant_array, expression, number
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.indexing import constant
from ncc.ir.op import Elementwise, Op
from ncc.ir.ops.arithmetic import Abs, Add, Div, Mul, Neg, Sub
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.clip import Clip
from ncc.ir.ops.extremum import Max, Min
from ncc.ir.ops.gather import Gather
from ncc.ir.ops.quantize import Dequantize, Quantize
from ncc.ir.ops.relu import Relu
from ncc.ir.types import DType, TensorType
from ncc.passes import graph_pass
from ncc.passes.dce import dce

CHEAP: tuple[type[Op], ...] = (Abs, Add, Cast, Clip, Dequantize, Max, Min, Mul, Neg, Relu, Sub)
DIVISIONS: tuple[type[Op], ...] = (Div, Quantize)
"""Ops that take a division; what is in neither list takes about two."""
ENOUGH = 4
"""Divisions in a row that take longer than to look up what comes of them."""
MANY = 4096
"""Elements from which a kernel of its own pays."""


@dataclass(frozen=True, slots=True)
class Function:
    """What a value is computed from, element by element: a u8, by so many divisions in a row."""

    byte: Value
    divisions: int


@graph_pass
def byte_tables(graph: Graph) -> Graph:
    """`graph` with dear functions from a u8 to integers of 8 bits as tables."""
    functions = _functions(graph)
    wanted = _wanted(graph, functions)
    if not wanted:
        return graph
    current: dict[Value, Value] = {}

    def visit(build: Builder, node: Node, original: Node) -> Value | None:
        current.update(zip(original.results, node.results, strict=True))
        if original not in wanted:
            return None
        byte = functions[original.result].byte
        table = constant(build, _table(original, byte), original.result.tensor.dtype)
        found = build(Gather(0), table, current.get(byte, byte))
        current[original.result] = found
        return found

    return dce(graph.rebuild_beside(visit))


def _functions(graph: Graph) -> dict[Value, Function]:
    """The values that are functions of one u8 and numbers."""
    found: dict[Value, Function] = {}
    for node in graph.nodes:
        parts = [_function(found, value) for value in node.operands if number(value) is None]
        if not isinstance(node.op, Elementwise) or not parts:
            continue
        first = parts[0]
        if first is None or any(part is None or part.byte is not first.byte for part in parts):
            continue
        if node.result.tensor.shape == first.byte.tensor.shape:
            divisions = max(part.divisions for part in parts if part) + _divisions(node.op)
            found[node.result] = Function(first.byte, divisions)
    return found


def _function(found: Mapping[Value, Function], value: Value) -> Function | None:
    """How `value` comes of a u8: itself if it is one that nothing is known of."""
    if value in found:
        return found[value]
    type = value.type
    if not isinstance(type, TensorType) or type.dtype is not DType.u8 or not type.is_static:
        return None
    return None if value.is_constant else Function(value, 0)


def _divisions(op: Op) -> int:
    """How many divisions take as long as `op`."""
    return 0 if isinstance(op, CHEAP) else 1 if isinstance(op, DIVISIONS) else 2


def _wanted(graph: Graph, functions: Mapping[Value, Function]) -> frozenset[Node]:
    """The quantizations at the end of dear functions, whose integers or numbers others read."""
    needed, wanted = set(graph.outputs), list[Node]()
    for node in reversed(graph.nodes):
        function, is_needed = functions.get(node.results[0]), node.results[0] in needed
        if is_needed and function is not None and _is_last(node) and _is_dear(function):
            wanted.append(node)
        if function is None or (is_needed and not _is_last(node)):
            needed.update(node.operands)
    return frozenset(wanted)


def _is_dear(function: Function) -> bool:
    """Whether it takes longer to compute a function than to look it up."""
    return function.divisions >= ENOUGH and function.byte.tensor.size >= MANY


def _is_last(node: Node) -> bool:
    """Whether a node makes integers of 8 bits."""
    return isinstance(node.op, Quantize) and node.op.to in {DType.i8, DType.u8}


def _table(node: Node, byte: Value) -> npt.NDArray[Any]:
    """What `node` makes of each byte."""
    build = Builder()
    made = {byte: constant(build, np.arange(256), DType.u8)}
    for part in expression(node.result, made):
        copy = build.node(part.op, *(made[value] for value in part.operands))
        made.update(zip(part.results, copy.results, strict=True))
    found = constant_array(made[node.result])
    assert found is not None, "a function of numbers is one"
    return found.reshape(256)
