"""Import the nodes of an ONNX graph, with the graphs and functions nested in it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, TypeProto, helper

from ncc.diagnostics import ExitCode, Loc, NccError
from ncc.frontends.onnx import functions
from ncc.frontends.onnx.check import check_node, schema_of
from ncc.frontends.onnx.context import Context
from ncc.frontends.onnx.dtypes import onnx_dtype
from ncc.frontends.onnx.functions import FunctionKey
from ncc.frontends.onnx.order import live_nodes, location
from ncc.frontends.onnx.registry import Importer, find_importer, unsupported_ops
from ncc.frontends.onnx.tensors import Tensors, require_possible
from ncc.ir.fold import FoldingBuilder
from ncc.ir.graph import Value
from ncc.ir.types import TensorType

MAX_CALLS = 32
"""Functions that call functions, at most this deep."""

MAX_NODES = 1 << 18
"""Nodes that are imported, those of functions counted at each call."""


@dataclass(frozen=True)
class Unit:
    """What all scopes of one model share."""

    file: str
    build: FoldingBuilder
    tensors: Tensors
    functions: Mapping[FunctionKey, FunctionProto]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    """Counts the imported nodes."""


@dataclass
class GraphScope:
    """The names of one ONNX graph or function body and their values.

    A nested graph sees the names of the graph around it (`outer`); a function does not. `path`
    holds the names of the function calls around it.
    """

    unit: Unit
    opsets: Mapping[str, int]
    initializers: Mapping[str, TensorProto] = field(default_factory=dict)
    values: dict[str, Value | None] = field(default_factory=dict)
    outer: GraphScope | None = None
    path: tuple[str, ...] = ()

    def run(self, nodes: Sequence[NodeProto], outputs: Sequence[str]) -> tuple[Value, ...]:
        """Import what `outputs` need of `nodes`; the values of `outputs`."""
        live = live_nodes(nodes, outputs, self._names(), self.unit.file)
        if missing := self.unknown(live):
            raise unsupported_ops(missing)
        for node in live:
            self._import(node)
        return tuple(self._defined(name) for name in outputs)

    def tensor(self, proto: TensorProto, name: str) -> Value:
        return self.unit.build(self.unit.tensors.op(proto, name), locs=())

    def inline(self, graph: GraphProto, inputs: Sequence[Value] = ()) -> tuple[Value, ...]:
        names = [info.name for info in graph.input]
        if len(names) != len(inputs):
            message = f"a nested graph takes {len(names)} inputs, not {len(inputs)}"
            raise NccError("invalid-model", message)
        values: dict[str, Value | None] = dict(zip(names, inputs, strict=True))
        inner = GraphScope(self.unit, self.opsets, initializers_of(graph), values, self, self.path)
        return inner.run(graph.node, [output.name for output in graph.output])

    def _names(self) -> set[str]:
        known = {*self.initializers, *self.values}
        return known | self.outer._names() if self.outer else known

    def _lookup(self, name: str) -> Value | None:
        if name in self.values:
            return self.values[name]
        if name in self.initializers:
            self.values[name] = self.tensor(self.initializers[name], name)
            return self.values[name]
        assert self.outer, f"live_nodes let the name {name!r} pass"
        return self.outer._lookup(name)

    def _defined(self, name: str) -> Value:
        value = self._lookup(name)
        if value is None:
            raise NccError("invalid-model", f"'{name}' is a result of a node that leaves it out")
        return value

    def _opset(self, node: NodeProto) -> int:
        return self.opsets.get(plain_domain(node.domain), 1)

    def unknown(self, nodes: Iterable[NodeProto]) -> dict[str, list[Loc]]:
        """The op types of `nodes` that nothing here can import, each with its nodes."""
        missing: dict[str, list[Loc]] = {}
        for node in nodes:
            if not self._is_known(node):
                label = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
                missing.setdefault(label, []).append(self._location(node))
        return missing

    def _is_known(self, node: NodeProto) -> bool:
        schema = schema_of(node.op_type, self._opset(node), plain_domain(node.domain))
        return (
            functions.key_of(node) in self.unit.functions
            or self._importer(node) is not None
            or (schema is not None and functions.is_function(schema))
        )

    def _importer(self, node: NodeProto) -> Importer | None:
        return find_importer(node.op_type, self._opset(node), plain_domain(node.domain))

    def _location(self, node: NodeProto) -> Loc:
        found = location(node, self.unit.file)
        return Loc(found.file, "/".join((*self.path, found.node)), found.op)

    def _import(self, node: NodeProto) -> None:
        """Import one node and bind the names of its results."""
        locs = (self._location(node),)
        self.unit.build.locs = locs
        if next(self.unit.numbers) >= MAX_NODES:
            raise NccError(
                "too-many-nodes",
                f"the model has more than {MAX_NODES} nodes once its functions are expanded",
                exit=ExitCode.RESOURCE,
                locs=locs,
            )
        try:
            results = self._results(node)
            _require_possible(results)
        except NccError as error:
            raise error.located(locs=locs, during="import") from None
        if any(node.output[len(results) :]):
            raise unsupported_ops({f"{node.op_type} with {len(node.output)} outputs": locs})
        for name, value in zip(node.output, results, strict=False):
            self.values[name] = value

    def _results(self, node: NodeProto) -> tuple[Value | None, ...]:
        operands = tuple(self._lookup(name) if name else None for name in node.input)
        function = self.unit.functions.get(functions.key_of(node))
        if function is not None:
            return self._call(function, node, operands)
        opset = self._opset(node)
        schema = schema_of(node.op_type, opset, plain_domain(node.domain))
        if schema is not None:
            check_node(node, schema, operands)
        found = self._importer(node)
        if found is None:
            assert schema, f"{node.op_type} passed as known"
            types = [_type_proto(value) for value in operands]
            return self._call(functions.schema_function(schema, node, types, opset), node, operands)
        made = found(Context(node, _stripped(operands), opset, self.unit.build, self))
        return made if isinstance(made, tuple) else (made,)

    def _call(
        self, function: FunctionProto, node: NodeProto, operands: Sequence[Value | None]
    ) -> tuple[Value | None, ...]:
        """The results of a function that the node names; its nodes become nodes of this graph."""
        path = (*self.path, location(node, "").node)
        if len(path) > MAX_CALLS:
            raise NccError("invalid-model", f"functions call each other more than {MAX_CALLS} deep")
        body = functions.instantiate(function, node)
        absent = [None] * (len(body.inputs) - len(operands))
        values = dict(zip(body.inputs, [*operands, *absent], strict=True))
        opsets = {plain_domain(domain): version for domain, version in body.opsets.items()}
        inner = GraphScope(self.unit, {**self.opsets, **opsets}, {}, values, None, path)
        named = zip(body.outputs, node.output, strict=False)
        wanted = [inside for inside, outside in named if outside]
        found = dict(zip(wanted, inner.run(body.nodes, wanted), strict=True))
        return tuple(found.get(name) for name in body.outputs[: len(node.output)])


def initializers_of(graph: GraphProto) -> dict[str, TensorProto]:
    """The initializers of a graph by name; NccError when two share one."""
    require_distinct("initializers", [tensor.name for tensor in graph.initializer])
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise NccError(
            "unsupported",
            f"initializer '{name}' is stored as a sparse tensor",
            exit=ExitCode.UNSUPPORTED,
            hint="store it dense",
        )
    return {tensor.name: tensor for tensor in graph.initializer}


def require_distinct(what: str, names: Sequence[str]) -> None:
    """Refuse a name that stands twice among the `names` of one kind of thing."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise NccError("invalid-model", f"two {what} are called '{twice[0]}'")


def plain_domain(domain: str) -> str:
    """The name of a domain, "" for ONNX's own."""
    return "" if domain == "ai.onnx" else domain


def _stripped(operands: tuple[Value | None, ...]) -> tuple[Value | None, ...]:
    """`operands` without the absent ones at the end."""
    count = len(operands)
    while count and operands[count - 1] is None:
        count -= 1
    return operands[:count]


def _type_proto(value: Value | None) -> TypeProto:
    """The type of a value in ONNX's terms."""
    if value is None or not isinstance(value.type, TensorType):
        return TypeProto()
    sizes = [dim if isinstance(dim, int) else None for dim in value.type.shape]
    return helper.make_tensor_type_proto(onnx_dtype(value.type.dtype), sizes)


def _require_possible(results: Iterable[Value | None]) -> None:
    """Stop at a tensor that no machine can hold."""
    for value in results:
        if value is not None and isinstance(value.type, TensorType):
            require_possible(value.type, "a result")
