"""Importers of ops about the graph itself: constants, and branches that are decided."""

from __future__ import annotations

from ncc.frontends.onnx.context import Context
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
        raise unsupported_ops({"If with a condition that the data decides": ctx.build.locs})
    return ctx.scope.inline(ctx.need_attr("then_branch" if condition else "else_branch"))
