"""Importers of ops about the graph itself: constants, and branches that are decided."""

from __future__ import annotations

from itertools import chain

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.order import nested_nodes
from ncc.frontends.onnx.registry import importer, unsupported_ops
from ncc.ir.graph import Value
from ncc.ir.op import unsupported
from ncc.ir.types import DType

_NUMBERS = {
    "value_float": DType.f32,
    "value_floats": DType.f32,
    "value_int": DType.i64,
    "value_ints": DType.i64,
}

_BRANCHES = ("else_branch", "then_branch")


@importer("Constant")
def constant(ctx: Context) -> Value:
    """One attribute gives the elements: as a tensor, or as plain numbers."""
    if ctx.has_attr("value"):
        return ctx.attr_tensor("value")
    for name, dtype in _NUMBERS.items():
        if ctx.has_attr(name):
            return ctx.const(ctx.attr(name), dtype)
    raise unsupported("Constant of strings or of a sparse tensor")


@importer("If")
def branch(ctx: Context) -> tuple[Value, ...]:
    """The branch that a constant condition takes; the other one is not imported."""
    condition = ctx.number(0)
    if condition is None:
        inner = chain.from_iterable(nested_nodes(ctx.need_attr(name)) for name in _BRANCHES)
        undecided = {"If with a condition that the data decides": ctx.build.locs}
        raise unsupported_ops({**ctx.scope.unknown(inner), **undecided})
    return ctx.scope.inline(ctx.need_attr(_BRANCHES[bool(condition)]))
