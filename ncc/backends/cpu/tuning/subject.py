"""What a choice is about: a contraction and all that its kernel does, but none of the choices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.loopir.loops import Contract, For, If, Kernel, Load, Stmt, const, walk
from ncc.backends.cpu.loopir.panels import Pack
from ncc.backends.cpu.loopir.text.printer import to_text
from ncc.backends.tuning import KEY_LENGTH


@dataclass(frozen=True)
class Subject:
    """A kernel with one contraction; kernels of equal keys do the same on the same shapes."""

    kernel: Kernel
    contract: Contract

    @cached_property
    def key(self) -> str:
        """The digest of the kernel's text without its tile, the order of tiles and the panels."""
        return hashlib.sha256(to_text(_unscheduled(self)).encode()).hexdigest()[:KEY_LENGTH]

    def __str__(self) -> str:
        rows, sums = (
            "x".join(str(extent) for _, extent in axes)
            for axes in (self.contract.m, self.contract.k)
        )
        return f"{self.contract.a.dtype.value} {rows} x {self.contract.columns} over {sums}"

    def changed(self, contract: Contract) -> Kernel:
        """The kernel with another contraction in the place of its own."""
        body = tuple(_exchanged(self.kernel.body, self.contract, contract))
        return replace(self.kernel, body=body)


def subject(call: Call) -> Subject | None:
    """What may be chosen in a call, if anything: its kernel is built around one contraction."""
    found = [stmt for stmt in walk(call.kernel.body) if isinstance(stmt, Contract)]
    if call.root is None or len(found) != 1:
        return None
    (contract,) = found
    sizes = (contract.columns, *(extent for _, extent in (*contract.m, *contract.k)))
    return Subject(call.kernel, contract) if all(sizes) else None


def _unscheduled(subject: Subject) -> Kernel:
    """The kernel without choices; of the right operand only the number of groups is left."""
    contract = subject.contract
    pack, held = contract.pack, contract.b.buffer
    groups = held.size // (-(-contract.columns // pack.nr) * pack.panel)
    bare = replace(
        contract,
        b=Load(replace(held, size=groups), const(0)),
        pack=Pack(0, 0, 0),
        tile=(0, 0),
        order=None,
    )
    kernel = subject.changed(bare)
    params = tuple(bare.b.buffer if param == held else param for param in kernel.params)
    return replace(kernel, params=params)


def _exchanged(stmts: Iterable[Stmt], old: Stmt, new: Stmt) -> Iterable[Stmt]:
    for stmt in stmts:
        if stmt is old:
            yield new
        elif isinstance(stmt, For | If):
            yield replace(stmt, body=tuple(_exchanged(stmt.body, old, new)))
        else:
            yield stmt
