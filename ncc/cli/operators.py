"""Which ONNX operators can be compiled, which versions of them, and where they run.

An importer, and the `decompose` of a composite, is code that names the ops which it builds. What
this code names, and the functions that it calls name, is what an operator may become.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType

import onnx.defs

from ncc.backends.cpu.rules import pattern
from ncc.frontends.onnx.read import OLDEST_OPSET
from ncc.frontends.onnx.registry import find_importer, importers, supported_op_types
from ncc.ir.op import Op
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.segment import Placement
from ncc.ir.ops.weight import Weight
from ncc.passes.fuse import Pattern

READ = ("ncc.frontends.", "ncc.ir.")
"""Where functions are whose code is looked at."""


@dataclass(frozen=True)
class Operator:
    """An ONNX operator: `versions` are the opsets that defined the versions which are taken.

    `runs` has the placements that its parts can have; with both, the types and what the data
    decides make the choice. `parts` are the ops of the IR.
    """

    domain: str
    name: str
    versions: tuple[int, ...]
    runs: tuple[str, ...]
    parts: tuple[str, ...]


def operators() -> list[Operator]:
    """Every operator that has an importer, by domain and name."""
    return [_operator(domain, name) for domain, name in supported_op_types()]


def _operator(domain: str, name: str) -> Operator:
    ops = _named(*importers(name, domain).values())
    runs = {placement for op in ops for placement in placements(op)} or {Placement.device}
    return Operator(
        domain,
        name,
        tuple(sorted(_versions(domain, name) or importers(name, domain))),
        tuple(placement.value for placement in Placement if placement in runs),
        tuple(sorted(op.name for op in ops)),
    )


def _versions(domain: str, name: str) -> list[int]:
    """The versions in force at an opset that has an importer; none if ONNX defines none now."""
    found = []
    schemas = [
        schema
        for schema in onnx.defs.get_all_schemas_with_history()
        if (schema.domain, schema.name) == (domain, name)
    ]
    last = onnx.defs.onnx_opset_version()
    for schema in sorted(schemas, key=lambda schema: -schema.since_version):
        taken = last >= OLDEST_OPSET and find_importer(name, last, domain) is not None
        if taken and not schema.deprecated:
            found.append(schema.since_version)
        last = schema.since_version - 1
    return found


def placements(op: type[Op]) -> frozenset[Placement]:
    """Where an op runs: on the device if the backend has code for it, or for all of its parts."""
    if pattern(op) is not Pattern.opaque:
        return frozenset({Placement.device})
    parts = [part for part in _named(op.decompose) if part is not op]
    runs = frozenset(placement for part in parts for placement in placements(part))
    return runs if runs else frozenset({Placement.host})


def _named(*things: object) -> list[type[Op]]:
    """The ops that `things` are, hold or, if they are functions, name; constants do not count."""
    found: set[type[Op]] = set()
    read: set[FunctionType] = set()
    waiting = list(things)
    while waiting:
        match waiting.pop():
            case type() as kind if issubclass(kind, Op) and kind.name:
                found.add(kind)
            case Op() as op:
                waiting.append(type(op))
            case functools.partial() as call:
                waiting += [call.func, *call.args]
            case dict() as table:
                waiting += table.values()
            case tuple() as items:
                waiting += items
            case FunctionType() as function if function not in read:
                read.add(function)
                if function.__module__.startswith(READ):
                    waiting += _globals(function.__code__, function.__globals__)
    return sorted(found - {Constant, Weight}, key=lambda op: op.name)


def _globals(code: CodeType, names: Mapping[str, object]) -> Iterator[object]:
    """What the global names in a function's code stand for."""
    yield from (names[name] for name in code.co_names if name in names)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _globals(inner, names)
