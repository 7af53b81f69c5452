"""Group nodes that run as one kernel.

    %0 = matmul(%x, %w) : f32[8, 4]
    %1 = add(%0, %b) : f32[8, 4]
    %2 = relu(%1) : f32[8, 4]
becomes
    %0 = fused(%x, %w, %b) {body = graph @body(...) {...}} : f32[8, 4]

A group has one loop nest over a domain, the shape of its results. Elementwise nodes join the
group of an operand with the same domain; a reduction joins the elementwise nodes that feed it and
takes in the nodes that combine its result with its operand, so that a softmax is one kernel.
A convolution or a window takes in sums along the rows of its result (`row_sums`), which only
other kernels read. An attention is one kernel where the backend has room for a few of its rows
(`attends`).
Views and placements stay between groups: they move no data of their own. What a node is, is the
backend's decision (`classify`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from ncc.diagnostics import merge_locs
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.ops.cast import widened
from ncc.ir.ops.fused import Fused
from ncc.ir.ops.quantize import bytes_of
from ncc.passes import graph_pass
from ncc.passes.attention import Attention, attentions
from ncc.passes.groups import ROOTS, Group, Pattern
from ncc.passes.row_sums import spread_of

SEARCH_LIMIT = 256

Sums = Callable[[Node, Node], bool]
"""Whether the kernel around a root can make a sum along the rows of its result."""


class _Grouping:
    """The groups found so far, and the questions asked of them."""

    def __init__(self, graph: Graph, constant: set[Value], sums: Sums) -> None:
        self.graph = graph
        self.constant = constant
        self.sums = sums
        spreads = filter(None, map(spread_of, graph.nodes))
        self.spreads = {spread.total: spread for spread in spreads}
        self.position = {node: index for index, node in enumerate(graph.nodes)}
        self.of: dict[Node, Group] = {}

    def join(self, node: Node, pattern: Pattern) -> None:
        """Put `node` into the latest group that takes it, or into one of its own."""
        position = self.position[node]
        if pattern is Pattern.reduction and self._sum(node):
            return
        home = None if pattern in ROOTS else self._home(node, pattern)
        if home is None:
            self.of[node] = Group(node, pattern, position)
            return
        home.add(node, pattern, position)
        self.of[node] = home
        for other in self._producers(node):
            if other is not home and home.takes_in(other) and self._may_merge(home, other):
                home.merge(other)
                self.of.update(dict.fromkeys(other.nodes, home))

    def _sum(self, node: Node) -> bool:
        """Put a sum along rows into the group that computes the rows, if it can make it."""
        source = node.operands[0].node
        home = self.of.get(source) if source else None
        if home is None or not home.takes_sum(node) or not self.sums(home.roots[0], node):
            return False
        spread = self.spreads.get(node)
        if spread is not None and not spread.is_whole(self.graph):
            return False
        nodes = spread.nodes if spread else [node]
        home.add_sums(nodes, self.position[nodes[-1]])
        self.of.update(dict.fromkeys(nodes, home))
        return True

    def attend(self, attention: Attention, nodes: Sequence[Node]) -> None:
        """Put the nodes of an attention into one group, which takes what follows it."""
        first, last = (self.position[node] for node in (nodes[0], nodes[-1]))
        group = Group(attention.context, Pattern.contraction, last)
        group.nodes = list(nodes)
        group.roots = [attention.scores, attention.context]
        group.first = first
        self.of.update(dict.fromkeys(nodes, group))

    def _producers(self, node: Node) -> list[Group]:
        """The groups that compute operands of `node`, latest first."""
        found = {
            self.of[value.node]: None
            for value in node.operands
            if value.node in self.of and value not in self.constant
        }
        return sorted(found, key=lambda group: -group.first)

    def _home(self, node: Node, pattern: Pattern) -> Group | None:
        for group in self._producers(node):
            if group.accepts(node, pattern) and not self._reaches(group, group, node.operands):
                return group
        return None

    def _may_merge(self, home: Group, other: Group) -> bool:
        """Whether no path leaves one of two groups and enters the other."""
        return not any(
            self._reaches(source, target, operands)
            for source, target in ((home, other), (other, home))
            for operands in [[v for node in target.nodes for v in node.operands]]
        )

    def _reaches(self, source: Group, target: Group, operands: Iterable[Value]) -> bool:
        """Whether `source` feeds `operands` through nodes outside `source` and `target`.

        Answers yes when the search grows too long: not merging is always right.
        """
        seen: set[Node | Group] = set()
        stack = [value for value in operands if not self._inside(value, source, target)]
        while stack:
            node = stack.pop().node
            unit = self.of.get(node, node) if node else None
            if unit is None or unit in seen:
                continue
            if unit is source:
                return True
            last = unit.last if isinstance(unit, Group) else self.position[unit]
            if last < source.first:
                continue
            seen.add(unit)
            if len(seen) > SEARCH_LIMIT:
                return True
            nodes = unit.nodes if isinstance(unit, Group) else [unit]
            stack += [value for inner in nodes for value in inner.operands]
        return False

    def _inside(self, value: Value, source: Group, target: Group) -> bool:
        group = self.of.get(value.node) if value.node else None
        return group is source or group is target


def constant_values(graph: Graph) -> set[Value]:
    """The values that depend on no input of the graph."""
    return {value for node in graph.nodes if node.is_constant for value in node.results}


@graph_pass
def fuse(
    graph: Graph,
    *,
    classify: Callable[[Node], Pattern],
    holds: Callable[[Value], bool],
    attends: Callable[[Attention], bool],
    sums: Sums,
) -> Graph:
    """Replace every node that computes by a `fused` node, as few of them as fit.

    Its body holds the literals that `holds` says yes to; what else is constant is an operand.
    """
    constant = constant_values(graph)
    grouping = _Grouping(graph, constant, sums)
    for attention, nodes in attentions(graph, constant):
        if grouping.of.keys().isdisjoint(nodes) and attends(attention):
            grouping.attend(attention, nodes)
    for node in graph.nodes:
        if node.results[0] in constant or node in grouping.of:
            continue
        pattern = classify(node)
        if pattern not in {Pattern.view, Pattern.placement, Pattern.alone, Pattern.opaque}:
            grouping.join(node, pattern)
    return _emit(graph, grouping, holds)


def _emit(graph: Graph, grouping: _Grouping, holds: Callable[[Value], bool]) -> Graph:
    """The graph with each group as one node, in an order that keeps every dependency."""
    units = _sorted_units(graph, grouping)
    read_outside = _read_outside(graph, grouping)
    build = Builder()
    mapped: dict[Value, Value] = {}
    for unit in units:
        if isinstance(unit, Node):
            operands = [mapped.get(value, value) for value in unit.operands]
            node = build.append(build.again(unit, operands))
            mapped.update(zip(unit.results, node.results, strict=True))
        else:
            _emit_group(build, unit, mapped, read_outside, holds)
    outputs = [mapped.get(value, value) for value in graph.outputs]
    return Graph(graph.name, graph.inputs, build.nodes, outputs, graph.output_names)


def _read_outside(graph: Graph, grouping: _Grouping) -> set[Value]:
    """Values that a node of another group, or the caller, reads."""
    found = set(graph.outputs)
    for node in graph.nodes:
        home = grouping.of.get(node)
        for value in node.operands:
            stored = _stored(node, value, home) if home else value
            if home is None or _is_outside(stored, home, grouping):
                found.add(stored)
    return found


def _is_outside(value: Value, home: Group, grouping: _Grouping) -> bool:
    """Whether no node of `home` computes `value`."""
    return value.node is None or grouping.of.get(value.node) is not home


def _stored(reader: Node, value: Value, home: Group) -> Value:
    """What a node of `home` that reads `value` takes from memory, if `home` does not compute it.

    Narrow floats are widened where they are read, and quantized numbers dequantized, but for a
    root, which takes what is there.
    """
    if reader in home.roots or value.is_constant:
        return value
    return widened(value) or bytes_of(value) or value


def _emit_group(
    build: Builder,
    group: Group,
    mapped: dict[Value, Value],
    read_outside: set[Value],
    holds: Callable[[Value], bool],
) -> None:
    nodes = _needed(list(_order(group)), read_outside)
    inside = {value for node in nodes for value in node.results}
    outer: dict[Value, Value] = {}
    inner: dict[Value, Value] = {}
    body = Builder()
    for node in nodes:
        for value in node.operands:
            if value in inside or value in inner:
                continue
            if value.op is not None and node not in group.roots and holds(value):
                inner[value] = body(value.op)
                continue
            stored = _stored(node, value, group)
            if stored not in inner:
                outer[stored] = inner[stored] = Value(stored.type, name=f"x{len(outer)}")
            if stored is not value and value.node is not None:
                inner[value] = body(value.node.op, inner[stored], *_units(body, value.node))
        made = body.append(body.again(node, [inner[value] for value in node.operands]))
        inner.update(zip(node.results, made.results, strict=True))
    results = [value for node in nodes for value in node.results if value in read_outside]
    if not results:
        return
    inputs = [inner[value] for value in outer]
    graph = Graph("body", inputs, body.nodes, [inner[value] for value in results])
    fused = build.node(
        Fused(graph),
        *(mapped.get(value, value) for value in outer),
        locs=merge_locs(node.locs for node in nodes),
    )
    mapped.update(zip(results, fused.results, strict=True))


def _units(body: Builder, node: Node) -> list[Value]:
    """The operands of a node but for the first, in the body that is built: they are literals."""
    return [body(value.op) for value in node.operands[1:] if value.op is not None]


def _needed(nodes: Sequence[Node], read_outside: set[Value]) -> list[Node]:
    """`nodes` but for those that only readers outside needed, which widen for themselves."""
    read = set(read_outside)
    found = []
    for node in reversed(nodes):
        if not read.isdisjoint(node.results):
            found.append(node)
            read.update(node.operands)
    return found[::-1]


def _order(group: Group) -> dict[Node, int]:
    """A topological order of the nodes of a group."""
    members = set(group.nodes)
    order: dict[Node, int] = {}
    stack = list(reversed(group.nodes))
    while stack:
        node = stack[-1]
        waiting = [
            value.node
            for value in node.operands
            if value.node in members and value.node not in order
        ]
        if waiting and node not in order:
            stack += waiting
            continue
        stack.pop()
        order.setdefault(node, len(order))
    return order


def _sorted_units(graph: Graph, grouping: _Grouping) -> Sequence[Node | Group]:
    """Groups and lone nodes, each after what it reads; otherwise in the order of their ends."""
    unit_of: dict[Node, Node | Group] = {node: grouping.of.get(node, node) for node in graph.nodes}
    waits: dict[Node | Group, int] = dict.fromkeys(unit_of.values(), 0)
    readers: dict[Node | Group, list[Node | Group]] = {unit: [] for unit in waits}
    for node, unit in unit_of.items():
        for value in node.operands:
            if value.node is not None and (source := unit_of[value.node]) is not unit:
                readers[source].append(unit)
                waits[unit] += 1

    def key(unit: Node | Group) -> int:
        return unit.last if isinstance(unit, Group) else grouping.position[unit]

    ready = [(key(unit), unit) for unit, count in waits.items() if not count]
    heapq.heapify(ready)
    done: list[Node | Group] = []
    while ready:
        _, unit = heapq.heappop(ready)
        done.append(unit)
        for reader in readers[unit]:
            waits[reader] -= 1
            if not waits[reader]:
                heapq.heappush(ready, (key(reader), reader))
    assert len(done) == len(waits), "groups depend on each other"
    return done
