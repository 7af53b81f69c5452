"""Graphs as bytes: how a bundle stores its host segments.

    file  = [1, locs, graph]                       one msgpack value
    locs  = [[file, node, op], ...]                each location once, in order of first use
    graph = [name, [[input name, type], ...], [node, ...], [value, ...], [output name, ...]]
    node  = [op, [attribute, ...], [operand value, ...], [loc index, ...]]
    value = number: the inputs count from 0, then the results of each node in order
    type  = [dtype, [size, ...]]  |  ["seq", type]  |  ["optional", type]
    size  = number  |  "?"  |  [constant, [[symbol, factor], ...]]

Attributes stand in the order of the op's fields: numbers, strings, nil, an enum's value, lists, a
literal as [type, bytes], a graph. Types of results are inferred. Weights are not stored here.
Equal graphs give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NoReturn

import msgpack

from ncc.diagnostics import ExitCode, Loc, NccError
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.literal import Literal
from ncc.ir.op import OPS, load_ops
from ncc.ir.ops.weight import Weight
from ncc.ir.schema import AnyType, Each, Kind, Many, Maybe, Record, Size, arity, holds, kinds
from ncc.ir.types import (
    UNKNOWN,
    Affine,
    Dim,
    DType,
    OptionalType,
    SequenceType,
    TensorType,
    Type,
)

VERSION = 1
MAX_NESTING = 16
"""Graphs in graphs and types in types; deeper ones are refused."""


def dump(graph: Graph) -> bytes:
    """`graph` as bytes; it holds no weights."""
    writer = _Writer()
    body = writer.graph(graph)
    locs = [[loc.file, loc.node, loc.op] for loc in writer.locs]
    packed = msgpack.packb([VERSION, locs, body], unicode_errors="surrogatepass")
    return bytes(packed)


def load(data: bytes) -> Graph:
    """The inverse of `dump`. Anything else is an NccError `graph-data`."""
    load_ops()
    try:
        unpacked = msgpack.unpackb(data, unicode_errors="surrogatepass")
        version, locs, graph = _items(unpacked, 3)
        if version != VERSION:
            _refuse(f"version {version!r}, this reader knows {VERSION}")
        return _Reader([Loc(*_strings(item, 3)) for item in _items(locs)]).graph(graph, 0)
    except _MalformedError as error:
        reason = str(error)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        reason = f"it is not msgpack: {error}"
    raise NccError(
        "graph-data",
        f"a stored graph is damaged: {reason}",
        exit=ExitCode.INTEGRITY,
        hint="compile the model again",
    )


class _MalformedError(Exception):
    """Why bytes are not a graph."""


def _refuse(reason: str) -> NoReturn:
    raise _MalformedError(reason)


class _Writer:
    """Graphs to plain data, with the locations seen so far."""

    def __init__(self) -> None:
        self.locs: dict[Loc, int] = {}

    def graph(self, graph: Graph) -> list[Any]:
        number = {value: index for index, value in enumerate(graph.inputs)}
        nodes = []
        for node in graph.nodes:
            nodes.append(self.node(node, number))
            for value in node.results:
                number[value] = len(number)
        inputs = [[value.name, _type_data(value.type)] for value in graph.inputs]
        outputs = [number[value] for value in graph.outputs]
        return [graph.name, inputs, nodes, outputs, list(graph.output_names)]

    def node(self, node: Node, number: Mapping[Value, int]) -> list[Any]:
        op = node.op
        assert not isinstance(op, Weight), f"weight '{op.label}' is stored apart from graphs"
        attributes = [self.attribute(k, getattr(op, name)) for name, k in kinds(type(op)).items()]
        locs = [self.locs.setdefault(loc, len(self.locs)) for loc in node.locs]
        return [op.name, attributes, [number[value] for value in node.operands], locs]

    def attribute(self, kind: Kind, value: Any) -> Any:
        match kind:
            case Maybe(item):
                return None if value is None else self.attribute(item, value)
            case Many(item):
                return [self.attribute(item, each) for each in value]
            case Each(items):
                return [self.attribute(k, each) for k, each in zip(items, value, strict=True)]
            case Record(cls):
                return [self.attribute(k, getattr(value, name)) for name, k in kinds(cls).items()]
            case _:
                return self.plain(kind, value)

    def plain(self, kind: type[Any], value: Any) -> Any:
        if kind is Size:
            return _size_data(value)
        if kind in (TensorType, AnyType):
            return _type_data(value)
        if kind is Literal:
            return [_type_data(value.type), value.data]
        if kind is Graph:
            return self.graph(value)
        return value.value if issubclass(kind, Enum) else kind(value)


def _type_data(type: Type) -> list[Any]:
    if isinstance(type, TensorType):
        return [type.dtype.value, [_size_data(dim) for dim in type.shape]]
    return ["seq" if isinstance(type, SequenceType) else "optional", _type_data(type.element)]


def _size_data(dim: Dim) -> Any:
    if isinstance(dim, Affine):
        return [dim.const, [list(term) for term in dim.terms]]
    return dim if isinstance(dim, int) else "?"


class _Reader:
    """Plain data, perhaps hostile, to graphs."""

    def __init__(self, locs: Sequence[Loc]) -> None:
        self.locs = locs

    def graph(self, data: Any, depth: int) -> Graph:
        if depth > MAX_NESTING:
            _refuse("graphs are nested too deep")
        name, inputs, nodes, outputs, output_names = _items(data, 5)
        values = [self.input(item) for item in _items(inputs)]
        build = Builder()
        for item in _items(nodes):
            values += build.append(self.node(build, item, values, depth)).results
        returned = [_pick(values, index, "value") for index in _items(outputs)]
        written = _strings(output_names, len(returned))
        return Graph(_of(str, name), values[: len(inputs)], build.nodes, returned, written)

    def input(self, data: Any) -> Value:
        name, type = _items(data, 2)
        return Value(_type(type, 0), name=_of(str, name))

    def node(self, build: Builder, data: Any, values: Sequence[Value], depth: int) -> Node:
        name, attributes, operands, locs = _items(data, 4)
        cls = OPS.get(_of(str, name))
        if cls is None or issubclass(cls, Weight):
            _refuse(f"there is no op '{name}'")
        known = kinds(cls)
        given = zip(known.values(), _items(attributes, len(known)), strict=True)
        made = [self.attribute(kind, item, depth) for kind, item in given]
        read = [_pick(values, index, "value") for index in _items(operands)]
        if not arity(cls).takes(len(read)):
            _refuse(f"{name} has {len(read)} operands")
        found = tuple(_pick(self.locs, index, "location") for index in _items(locs))
        return _checked(name, lambda: build.make(cls(*made), read, found))

    def attribute(self, kind: Kind, data: Any, depth: int) -> Any:
        match kind:
            case Maybe(item):
                return None if data is None else self.attribute(item, data, depth)
            case Many(item):
                return tuple(self.attribute(item, each, depth) for each in _items(data))
            case Each(items):
                pairs = zip(items, _items(data, len(items)), strict=True)
                return tuple(self.attribute(k, each, depth) for k, each in pairs)
            case Record(cls):
                fields = kinds(cls).values()
                pairs = zip(fields, _items(data, len(fields)), strict=True)
                return cls(*(self.attribute(k, each, depth) for k, each in pairs))
            case _:
                return self.plain(kind, data, depth)

    def plain(self, kind: type, data: Any, depth: int) -> Any:
        if kind in _READ:
            return _READ[kind](data)
        if kind is Graph:
            return self.graph(data, depth + 1)
        if issubclass(kind, Enum):
            members = {member.value: member for member in kind}
            return members.get(_of(str, data)) or _refuse(f"{data!r} is no {kind.__name__}")
        return _of(kind, data)


def _checked(name: str, make: Callable[[], Node]) -> Node:
    """The node; a type rule may fail in any way on attributes that no importer makes."""
    try:
        return make()
    except NccError as error:
        reason = error.message
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    _refuse(f"{name} does not fit its operands: {reason}")


def _items(data: Any, count: int | None = None) -> list[Any]:
    if not isinstance(data, list) or count not in (None, len(data)):
        _refuse(f"a list{'' if count is None else f' of {count}'} is missing")
    return data


def _strings(data: Any, count: int) -> list[str]:
    return [_of(str, item) for item in _items(data, count)]


def _of(kind: type, data: Any) -> Any:
    if not holds(kind, data) or (kind is float and type(data) is not float):
        _refuse(f"{data!r:.40} is no {kind.__name__}")
    return data


def _pick(items: Sequence[Any], index: Any, what: str) -> Any:
    if not 0 <= _of(int, index) < len(items):
        _refuse(f"there is no {what} {index}")
    return items[index]


def _type(data: Any, depth: int) -> Type:
    name, inner = _items(data, 2)
    if depth > MAX_NESTING:
        _refuse("types are nested too deep")
    if name == "seq":
        return SequenceType(_type(inner, depth + 1))
    if name == "optional":
        return OptionalType(_type(inner, depth + 1))
    return _tensor(data)


def _tensor(data: Any) -> TensorType:
    name, sizes = _items(data, 2)
    dtype = _DTYPES.get(_of(str, name)) or _refuse(f"{name!r} is no element type")
    return TensorType(dtype, tuple(_size(size) for size in _items(sizes)))


def _size(data: Any) -> Dim:
    if data == "?":
        return UNKNOWN
    if not isinstance(data, list):
        size: int = _of(int, data)
        return size if size >= 0 else _refuse(f"{size} is no size")
    const, terms = _items(data, 2)
    pairs = tuple((_of(str, n), _of(int, f)) for n, f in (_items(t, 2) for t in _items(terms)))
    symbols = [symbol for symbol, _ in pairs]
    if not pairs or symbols != sorted(set(symbols)) or not all(factor for _, factor in pairs):
        _refuse("a size is not in its normal form")
    return Affine(pairs, _of(int, const))


def _literal(data: Any) -> Literal:
    type, elements = _items(data, 2)
    literal = Literal(_tensor(type), _of(bytes, elements))
    if not literal.type.is_static:
        _refuse("a literal has no sizes")
    if literal.type.dtype is DType.string:
        _check_strings(literal)
    elif literal.type.nbytes != len(elements):
        _refuse("a literal does not fill its type")
    return literal


def _check_strings(literal: Literal) -> None:
    """Refuse data that is not as many strings as the type says."""
    try:
        strings = literal.array.ravel()
    except (ValueError, TypeError, RecursionError):
        _refuse("a literal does not hold its strings")
    if not all(isinstance(string, str) for string in strings):
        _refuse("a literal does not hold its strings")


_DTYPES = {dtype.value: dtype for dtype in DType}
_READ: Mapping[type, Callable[[Any], Any]] = {
    Size: _size,
    AnyType: lambda data: _type(data, 0),
    TensorType: _tensor,
    Literal: _literal,
}
