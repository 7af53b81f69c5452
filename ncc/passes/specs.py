"""What may exist after each phase that does not depend on a backend."""

from __future__ import annotations

from collections.abc import Callable

from ncc.ir.fold import is_literal
from ncc.ir.graph import Node
from ncc.ir.literal import INLINE_LIMIT
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.conv import Conv
from ncc.ir.ops.conv_transpose import ConvTranspose
from ncc.ir.ops.matmul import MatMul
from ncc.ir.types import DType, TensorType
from ncc.ir.verify import Spec
from ncc.passes.autocast import Mode

Reason = str | None


def _open_size(node: Node) -> Reason:
    """Device code has numbers for sizes; only what runs on the host may leave one open."""
    for value in (*node.operands, *node.results):
        if isinstance(value.type, TensorType) and not value.type.is_static:
            return None if node.op.host_only else f"{value.type} has an open size"
    return None


def _unfolded(node: Node) -> Reason:
    """A small expression over literals is a literal."""
    known = bool(node.operands) and all(map(is_literal, node.operands)) and node.op.pure
    if not known or isinstance(node.op, Constant):
        return None
    small = all(
        isinstance(value.type, TensorType)
        and value.type.is_static
        and value.type.nbytes <= INLINE_LIMIT
        for value in node.results
    )
    return "a small expression over literals is left" if small else None


def _all(*checks: Callable[[Node], Reason]) -> Callable[[Node], Reason]:
    def first_reason(node: Node) -> Reason:
        return next((reason for check in checks if (reason := check(node))), None)

    return first_reason


BOUND = Spec("import", _open_size)
"""After import: no symbols."""

SIMPLIFIED = Spec("simplify", _all(_open_size, _unfolded))
"""After simplify: no symbols, no constant arithmetic that could be a literal."""


def precise(mode: Mode, to: DType, keep: Callable[[Node], bool]) -> Spec:
    """After precision: products work on `to`, unless they are to be kept."""

    def rounded(node: Node) -> Reason:
        product = isinstance(node.op, Conv | ConvTranspose | MatMul) and not keep(node)
        if mode is Mode.none or not product:
            return None
        wide = [value for value in node.operands if value.tensor.dtype is DType.f32]
        return f"multiplies {wide[0].type}, not {to.value}" if wide else None

    return Spec("precision", _all(_open_size, rounded))


def made_of(name: str, takes: Callable[[Node], Reason]) -> Spec:
    """After a phase of a backend: only what it takes."""
    return Spec(name, _all(_open_size, takes))
