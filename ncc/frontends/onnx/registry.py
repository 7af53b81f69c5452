"""Which function imports which ONNX op type.

    @importer("Gemm")
    def gemm(ctx: Context) -> Value: ...

Every file of this folder called `import_*.py` is loaded, so a new importer is one function. An op
that names ONNX op types in its `@op` needs none: operands and attributes map one to one.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from ncc.diagnostics import ExitCode, Loc, NccError
from ncc.frontends.onnx.context import Context
from ncc.ir.graph import Value
from ncc.ir.op import Op, load_ops

Importer = Callable[[Context], Value | tuple[Value | None, ...]]
ImporterT = TypeVar("ImporterT", bound=Importer)

_HINT = "ncc list-operators shows what is; cut the model before these nodes, or rewrite them"
_HINTS = {
    "ai.onnx.ml.ZipMap": "export the model without ZipMap (skl2onnx: options={'zipmap': False});"
    " scores are then columns in the order of the labels",
}
"""What to do about op types that are not supported: about any, and about some."""

_IMPORTERS: dict[tuple[str, str], dict[int, Importer]] = {}


def importer(*op_types: str, since: int = 1, domain: str = "") -> Callable[[ImporterT], ImporterT]:
    """Register a function for `op_types` from opset `since` on, until a later one takes over."""

    def register(function: ImporterT) -> ImporterT:
        for op_type in op_types:
            versions = _IMPORTERS.setdefault((domain, op_type), {})
            assert since not in versions, f"two importers for {op_type} since opset {since}"
            versions[since] = function
        return function

    return register


def find_importer(op_type: str, opset: int, domain: str = "") -> Importer | None:
    """The importer of an op type at an opset of its domain; None if it has none."""
    versions = importers(op_type, domain)
    known = [since for since in versions if since <= opset]
    return versions[max(known)] if known else None


def importers(op_type: str, domain: str = "") -> Mapping[int, Importer]:
    """The importers of an op type by the opset from which each one counts."""
    return _registered().get((domain, op_type), {})


def supported_op_types() -> tuple[tuple[str, str], ...]:
    """Every (domain, op type) that has an importer, sorted."""
    return tuple(sorted(_registered()))


def unsupported_ops(missing: Mapping[str, Sequence[Loc]]) -> NccError:
    """The error that names every op type which cannot be imported, with the nodes that have it."""
    counted = [f"{op_type} ({len(nodes)})" for op_type, nodes in sorted(missing.items())]
    known = [_HINTS[op_type] for op_type in sorted(missing) if op_type in _HINTS]
    return NccError(
        "unsupported-op",
        f"{len(counted)} op types are not supported: {', '.join(counted)}"
        if len(counted) > 1
        else f"op type {counted[0]} is not supported",
        exit=ExitCode.UNSUPPORTED,
        locs=tuple(loc for _, nodes in sorted(missing.items()) for loc in nodes),
        hint="; ".join(known) or _HINT,
    )


@functools.cache
def _registered() -> dict[tuple[str, str], dict[int, Importer]]:
    """All importers, after every importer file and every op is loaded."""
    package = importlib.import_module("ncc.frontends.onnx")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("import_"):
            importlib.import_module(f"ncc.frontends.onnx.{module.name}")
    for cls in load_ops().values():
        for op_type in cls.onnx:
            importer(op_type)(functools.partial(_one_to_one, cls))
    return _IMPORTERS


def _one_to_one(cls: type[Op], ctx: Context) -> Value | tuple[Value, ...]:
    """Import a node whose operands and attributes are those of `cls`."""
    fields = {
        field.name: _field_value(ctx, field)
        for field in dataclasses.fields(cls)  # type: ignore[arg-type]  # every op is a dataclass
        if ctx.has_attr(field.name)
    }
    operands = [ctx[index] for index in range(len(ctx.operands))]
    node = ctx.build.node(cls(**fields), *operands) if ctx.outputs > 1 else None
    return node.results if node else ctx.build(cls(**fields), *operands)


def _field_value(ctx: Context, field: dataclasses.Field[Any]) -> Any:
    """The attribute in the type of an op's field: enums by value, flags from 0 and 1."""
    if isinstance(field.default, Enum):
        return ctx.attr_choice(field.name, field.default)
    value = ctx.attr(field.name)
    return bool(value) if isinstance(field.default, bool) else value
