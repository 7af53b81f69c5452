"""Which ONNX operators can be compiled, which versions of them, and where they run.

An importer, and the `decompose` of a composite, is code that names the ops which it builds. What
this code names, and the functions that it calls name, is what an operator may become.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType

import onnx.defs

from ncc.backends.registry import BACKENDS
from ncc.frontends.onnx.functions import Schema, is_function
from ncc.frontends.onnx.read import OLDEST_OPSET
from ncc.frontends.onnx.registry import find_importer, importers, supported_op_types
from ncc.ir.op import Op
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.segment import Placement
from ncc.ir.ops.weight import Weight

READ = ("ncc.frontends.", "ncc.ir.")
"""Where functions are whose code is looked at."""


@dataclass(frozen=True)
class Operator:
    """An ONNX operator: `versions` are the opsets that defined the versions which are taken.

    `runs` has the placements that its parts can have; with both, the types and what the data
    decides make the choice. `parts` are the ops of the IR. An operator that ONNX itself defines by
    others, differently for each node, may have any parts: none are named.
    """

    domain: str
    name: str
    versions: tuple[int, ...]
    runs: tuple[str, ...]
    parts: tuple[str, ...]


def operators() -> list[Operator]:
    """Every operator that has an importer or is defined by such operators, by domain and name."""
    names = {*supported_op_types(), *(("", name) for name in _definitions())}
    found = (_operator(domain, name) for domain, name in sorted(names))
    return [operator for operator in found if operator is not None]


def _operator(domain: str, name: str) -> Operator | None:
    if importers(name, domain):
        return _imported(domain, name)
    definition = _definitions().get(name)
    return None if domain or definition is None else _defined(definition)


def _imported(domain: str, name: str) -> Operator:
    ops = _named(*importers(name, domain).values())
    runs = {placement.value for op in ops for placement in placements(op)} or {"device"}
    versions = _versions(domain, name) or sorted(importers(name, domain))
    return _listed(domain, name, versions, runs, [op.name for op in ops])


def _defined(schema: Schema) -> Operator | None:
    """What ONNX defines by other operators; None if one of these has no importer."""
    inner = {node.op_type for node in schema.function_body.node} if schema.has_function else set()
    found = [_operator("", op_type) for op_type in sorted(inner)]
    known = [operator for operator in found if operator is not None]
    if len(known) < len(found):
        return None
    runs = {place for operator in known for place in operator.runs} or {"device", "host"}
    parts = [part for operator in known for part in operator.parts]
    return _listed("", schema.name, [schema.since_version], runs, parts)


def _listed(
    domain: str, name: str, versions: list[int], runs: Collection[str], parts: list[str]
) -> Operator:
    ordered = tuple(sorted(set(parts)))
    return Operator(domain, name, tuple(sorted(versions)), tuple(sorted(runs)), ordered)


@functools.cache
def _definitions() -> dict[str, Schema]:
    """The operators of ai.onnx that ONNX writes as graphs of others, in their newest version."""
    schemas = onnx.defs.get_all_schemas()
    return {s.name: s for s in schemas if not (s.domain or s.deprecated) and is_function(s)}


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
    if any(backend.takes(op) for backend in BACKENDS):
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
