"""The statement `Contract` as register tiles of products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncc.backends.cpu.loops import Contract

if TYPE_CHECKING:
    from ncc.backends.cpu.emit.function import FunctionEmitter


def emit_contract(fn: FunctionEmitter, stmt: Contract) -> None:
    """Emit `stmt` at the end of the current block."""
    raise NotImplementedError
