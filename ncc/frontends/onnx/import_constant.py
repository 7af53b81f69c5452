"""Importers of ops about the graph itself: constants."""

from __future__ import annotations

from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.registry import importer
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
