"""Values, nodes, graphs, and the builder that infers every type as it appends.

A graph is typed SSA and never changes. Passes build new graphs; `Graph.rebuild` is the usual way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ncc.diagnostics import Locs, NccError, merge_locs
from ncc.ir.types import TensorType, Type

if TYPE_CHECKING:
    from ncc.ir.op import Op


class Value:
    """One SSA value: result `index` of `node`, or a graph input when `node` is None."""

    __slots__ = ("index", "name", "node", "type")

    def __init__(
        self, type: Type, node: Node | None = None, index: int = 0, name: str = ""
    ) -> None:
        self.type = type
        self.node = node
        self.index = index
        self.name = name

    @property
    def tensor(self) -> TensorType:
        """The type of a value that is known to be a tensor."""
        assert isinstance(self.type, TensorType), f"{self.type} is not a tensor"
        return self.type

    @property
    def op(self) -> Op | None:
        """The op that produced this value; None for a graph input."""
        return self.node.op if self.node else None

    @property
    def is_constant(self) -> bool:
        """Whether it depends on no input of a graph, and not on chance."""
        return self.node is not None and self.node.is_constant

    def __repr__(self) -> str:
        source = f"{self.node.op.name}#{self.index}" if self.node else f"%{self.name}"
        return f"<{source} : {self.type}>"


class Node:
    """One op applied to operands, with its results and the source nodes it came from.

    `is_constant` tells that the results depend on no input of a graph, and not on chance.
    """

    __slots__ = ("is_constant", "locs", "op", "operands", "results")

    def __init__(
        self, op: Op, operands: tuple[Value, ...], types: Sequence[Type], locs: Locs
    ) -> None:
        self.op = op
        self.operands = operands
        self.locs = locs
        self.results = tuple(Value(type, self, index) for index, type in enumerate(types))
        self.is_constant = op.pure and all(value.is_constant for value in operands)

    @property
    def result(self) -> Value:
        """The only result."""
        assert len(self.results) == 1, f"{self.op.name} has {len(self.results)} results"
        return self.results[0]

    @property
    def flops(self) -> int:
        """Arithmetic operations of one execution on tensors."""
        operands, results = (
            tuple(value.tensor for value in values) for values in (self.operands, self.results)
        )
        return self.op.flops(operands, results)

    def __repr__(self) -> str:
        return f"<{self.op.name} of {list(self.operands)}>"


class Graph:
    """Inputs, nodes in execution order, and outputs. Immutable."""

    __slots__ = ("_uses", "inputs", "name", "nodes", "output_names", "outputs")

    def __init__(
        self,
        name: str,
        inputs: Sequence[Value],
        nodes: Sequence[Node],
        outputs: Sequence[Value],
        output_names: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.inputs = tuple(inputs)
        self.nodes = tuple(nodes)
        self.outputs = tuple(outputs)
        self.output_names = tuple(output_names) or ("",) * len(self.outputs)
        self._uses: dict[Value, tuple[Node, ...]] | None = None
        assert len(self.output_names) == len(self.outputs)

    @property
    def uses(self) -> dict[Value, tuple[Node, ...]]:
        """The nodes that read each value, once per operand; graph outputs are not counted."""
        if self._uses is None:
            found: dict[Value, list[Node]] = {}
            for node in self.nodes:
                for operand in node.operands:
                    found.setdefault(operand, []).append(node)
            self._uses = {value: tuple(nodes) for value, nodes in found.items()}
        return self._uses

    def readers(self, value: Value) -> int:
        """How many operands and graph outputs read `value`."""
        return len(self.uses.get(value, ())) + sum(out is value for out in self.outputs)

    def rebuild(self, visit: Visit) -> Graph:
        """Copy the graph, letting `visit(build, node)` replace nodes.

        `visit` sees each node in order with its operands already replaced. It returns None to
        keep the node, a value (or a tuple, one per result) to put in its place. Nodes that are
        kept with unchanged operands are shared; when all are, the result is this graph.
        """
        return self.rebuild_beside(lambda build, node, _: visit(build, node))

    def rebuild_beside(self, visit: VisitBeside) -> Graph:
        """The same for `visit(build, node, original)`, with the node as it is in this graph too."""
        build = Builder()
        mapped: dict[Value, Value] = {}
        changed = False
        for node in self.nodes:
            current = build.again(node, [mapped.get(value, value) for value in node.operands])
            build.locs = node.locs
            replacement = visit(build, current, node)
            if replacement is None:
                build.append(current)
                results = current.results
            else:
                results = replacement if isinstance(replacement, tuple) else (replacement,)
                changed = True
            if results is not node.results:
                mapped.update(zip(node.results, results, strict=True))
        if not changed and not mapped:
            return self
        outputs = [mapped.get(value, value) for value in self.outputs]
        return Graph(self.name, self.inputs, build.nodes, outputs, self.output_names)

    def with_nodes(self, nodes: Iterable[Node]) -> Graph:
        """The same interface over other nodes; this graph when they are the same ones."""
        nodes = tuple(nodes)
        if len(nodes) == len(self.nodes) and all(
            a is b for a, b in zip(nodes, self.nodes, strict=True)
        ):
            return self
        return Graph(self.name, self.inputs, nodes, self.outputs, self.output_names)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)


Visit = Callable[["Builder", Node], "Value | tuple[Value, ...] | None"]
VisitBeside = Callable[["Builder", Node, Node], "Value | tuple[Value, ...] | None"]


class Builder:
    """Appends nodes; each is type-checked by its op's `infer`, so an ill-typed one cannot exist.

    `locs` is given to every node that is built without its own.
    """

    __slots__ = ("locs", "nodes")

    def __init__(self, locs: Locs = ()) -> None:
        self.nodes: list[Node] = []
        self.locs = locs

    def __call__(self, op: Op, *operands: Value, locs: Locs | None = None) -> Value:
        """Append `op` and return its only result."""
        return self.node(op, *operands, locs=locs).result

    def node(self, op: Op, *operands: Value, locs: Locs | None = None) -> Node:
        """Append `op` and return the node, for ops with several results."""
        return self.append(self.make(op, operands, self.locs if locs is None else locs))

    def make(self, op: Op, operands: Sequence[Value], locs: Locs) -> Node:
        """Type-check `op` without appending it."""
        try:
            inferred = op.infer(*(value.type for value in operands))
        except NccError as error:
            raise error.located(locs=locs, text=_sketch(op, operands)) from None
        types = inferred if isinstance(inferred, tuple) else (inferred,)
        return Node(op, tuple(operands), types, locs)

    def again(self, node: Node, operands: Sequence[Value], locs: Locs | None = None) -> Node:
        """`node` on other operands, or from elsewhere, not appended; itself if nothing differs.

        Operands of the same types give results of the same types.
        """
        locs = node.locs if locs is None else locs
        pairs = list(zip(operands, node.operands, strict=True))
        if locs is node.locs and all(new is old for new, old in pairs):
            return node
        if all(new.type == old.type for new, old in pairs):
            types = [value.type for value in node.results]
            return Node(node.op, tuple(operands), types, locs)
        return self.make(node.op, operands, locs)

    def append(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def inline(self, graph: Graph, operands: Sequence[Value], locs: Locs = ()) -> tuple[Value, ...]:
        """Append the nodes of `graph` with `operands` as its inputs; return its outputs.

        `locs` are added in front of each node's own.
        """
        mapped = dict(zip(graph.inputs, operands, strict=True))
        for node in graph.nodes:
            inner = self.node(
                node.op,
                *(mapped[value] for value in node.operands),
                locs=merge_locs([locs, node.locs]),
            )
            mapped.update(zip(node.results, inner.results, strict=True))
        return tuple(mapped[value] for value in graph.outputs)


def _sketch(op: Op, operands: Sequence[Value]) -> str:
    """`op` with its operand types, for an error about a node that has no text yet."""
    return f"{op.name}({', '.join(str(value.type) for value in operands)})"
