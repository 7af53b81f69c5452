"""Divide a graph into segments that run on the device and segments that run on the host.

    %0 = relu(%x) : f32[8]
    %1 = nonzero(%0) : i64[1, ?]
becomes
    %0 = segment(%x) {body = graph @device(...) {...}, placement = device} : f32[8]
    %1 = segment(%0) {body = graph @host(...) {...}, placement = host} : i64[1, ?]

A node runs on the device when the backend takes it. Each segment starts as early as its inputs
allow, so that a chain crosses over as few times as it can. Constant expressions belong to no
segment: device bodies hold those they read, the host gets large ones as operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ncc.diagnostics import merge_locs
from ncc.ir.fold import is_literal
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.segment import Placement, Segment
from ncc.passes import graph_pass
from ncc.passes.fuse import constant_values


@graph_pass
def place(graph: Graph, *, refusal: Callable[[Node], str | None]) -> Graph:
    """Group the nodes of `graph` into segments; `refusal` says why the device takes none."""
    constant = constant_values(graph)
    stages = _stages(graph, constant, refusal)
    writer = _Writer(graph, constant, stages)
    for stage in sorted(writer.members):
        writer.write(stage)
    return writer.finish()


def _stages(
    graph: Graph, constant: set[Value], refusal: Callable[[Node], str | None]
) -> dict[Node, int]:
    """The number of the segment of each node; even ones are on the device."""
    stages: dict[Node, int] = {}
    for node in graph.nodes:
        if node.results[0] in constant:
            continue
        host = int(refusal(node) is not None)
        stage = host
        for value in node.operands:
            if value.node in stages:
                before = stages[value.node]
                stage = max(stage, before + (before % 2 != host))
        stages[node] = stage
    return stages


class _Writer:
    """Builds the graph of segments, in order."""

    def __init__(self, graph: Graph, constant: set[Value], stages: Mapping[Node, int]) -> None:
        self.graph = graph
        self.constant = constant
        self.stages = stages
        self.order = {node: index for index, node in enumerate(graph.nodes)}
        self.build = Builder()
        self.mapped: dict[Value, Value] = {value: value for value in graph.inputs}
        self.members: dict[int, list[Node]] = {}
        for node, stage in stages.items():
            self.members.setdefault(stage, []).append(node)
        for node in graph.nodes:
            if node.results[0] in constant:
                self.build.append(node)
                self.mapped.update((value, value) for value in node.results)

    def write(self, stage: int) -> None:
        """Append the segment of one stage."""
        nodes = self.members[stage]
        device = stage % 2 == 0
        read = dict.fromkeys(value for node in nodes for value in node.operands)
        inside = {value for node in nodes for value in node.results}
        outer = [value for value in read if value not in inside and not self._held(value, device)]
        inner = {value: Value(value.type, name=f"x{i}") for i, value in enumerate(outer)}
        body = Builder()
        for node in [*self._constants(read, device), *nodes]:
            made = body.append(body.again(node, [inner[value] for value in node.operands]))
            inner.update(zip(node.results, made.results, strict=True))
        results = self._read_later(nodes, stage)
        placement = Placement.device if device else Placement.host
        inputs, outputs = [inner[value] for value in outer], [inner[value] for value in results]
        segment = Segment(Graph(placement.value, inputs, body.nodes, outputs), placement)
        operands = [self.mapped[value] for value in outer]
        made = self.build.node(segment, *operands, locs=merge_locs(node.locs for node in nodes))
        self.mapped.update(zip(results, made.results, strict=True))

    def finish(self) -> Graph:
        outputs = [self.mapped[value] for value in self.graph.outputs]
        name, inputs = self.graph.name, self.graph.inputs
        return Graph(name, inputs, self.build.nodes, outputs, self.graph.output_names)

    def _held(self, value: Value, device: bool) -> bool:
        """Whether a body holds `value` itself rather than taking it as an operand."""
        return value in self.constant and (device or is_literal(value))

    def _constants(self, values: Iterable[Value], device: bool) -> list[Node]:
        """The nodes of the constant expressions that a body holds, in order."""
        needed: dict[Node, None] = {}
        stack = [value for value in values if self._held(value, device)]
        while stack:
            node = stack.pop().node
            assert node is not None
            if node not in needed:
                needed[node] = None
                stack += node.operands
        return sorted(needed, key=lambda node: self.order[node])

    def _read_later(self, nodes: Sequence[Node], stage: int) -> list[Value]:
        """Results of a segment that another one, or the caller, reads."""
        outputs = set(self.graph.outputs)
        return [
            value
            for node in nodes
            for value in node.results
            if value in outputs
            or any(self.stages[reader] != stage for reader in self.graph.uses.get(value, ()))
        ]
