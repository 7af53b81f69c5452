"""Transcendental functions as expressions in primitive ones."""

from __future__ import annotations

from ncc.backends.cpu.loops import Expr


def expand(fn: str, args: tuple[Expr, ...]) -> Expr | None:
    """`fn(*args)` in primitive functions; None when it is one."""
    return None
