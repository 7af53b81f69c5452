"""Which nodes of an ONNX graph matter, and an order in which they can be imported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from onnx import GraphProto, NodeProto

from ncc.diagnostics import Loc, NccError


def live_nodes(
    nodes: Sequence[NodeProto], outputs: Iterable[str], given: Collection[str], file: str
) -> list[NodeProto]:
    """The nodes that `outputs` depend on, each after the nodes whose results it reads.

    `given` are the names known without them: inputs, initializers, names of outer graphs. A list
    that is sorted already keeps its order. NccError for a name that is defined twice or never,
    and for a cycle.
    """
    makers = _makers(nodes, given, file)
    depends: dict[int, list[int]] = {}
    waiting = [_maker(name, makers, given, "the graph's outputs") for name in outputs]
    while waiting:
        index = waiting.pop()
        if index is None or index in depends:
            continue
        node = nodes[index]
        reader = str(location(node, file))
        found = [_maker(name, makers, given, reader) for name in reads(node)]
        depends[index] = [maker for maker in found if maker is not None]
        waiting += found
    if all(maker < index for index, needed in depends.items() for maker in needed):
        return [nodes[index] for index in sorted(depends)]
    try:
        return [nodes[index] for index in TopologicalSorter(depends).static_order()]
    except CycleError as error:
        cycle = [location(nodes[index], file) for index in error.args[1][:-1]]
        raise NccError(
            "invalid-model", "these nodes wait for each other's results", locs=tuple(cycle)
        ) from None


def reads(node: NodeProto) -> Iterator[str]:
    """The names that a node reads, with those that its nested graphs take from outside."""
    yield from filter(None, node.input)
    for graph in nested_graphs(node):
        own = {value.name for value in (*graph.input, *graph.initializer)}
        own.update(name for inner in graph.node for name in inner.output)
        read = [name for inner in graph.node for name in reads(inner)]
        read += [output.name for output in graph.output]
        yield from (name for name in read if name not in own)


def nested_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs among the attributes of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def nested_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph and of all graphs in it."""
    waiting = [graph]
    while waiting:
        for node in waiting.pop().node:
            yield node
            waiting += nested_graphs(node)


def location(node: NodeProto, file: str) -> Loc:
    """Where a node stands in the model: by its name, else by its first result."""
    name = node.name or next(filter(None, node.output), "")
    return Loc(file, name, f"onnx {node.op_type}")


def _makers(nodes: Sequence[NodeProto], given: Collection[str], file: str) -> dict[str, int]:
    """The node that makes each name."""
    makers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in makers or name in given:
                raise NccError(
                    "invalid-model", f"'{name}' is defined twice", locs=(location(node, file),)
                )
            makers[name] = index
    return makers


def _maker(name: str, makers: dict[str, int], given: Collection[str], reader: str) -> int | None:
    """The node that makes `name`; None for a name that is given."""
    if name not in makers and name not in given:
        raise NccError("invalid-model", f"'{name}', read by {reader}, is defined nowhere")
    return makers.get(name)
