"""What a node does with the elements of its operands, and the nodes that become one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from ncc.ir.graph import Node
from ncc.ir.types import Shape

MAX_NODES = 64


class Pattern(Enum):
    """How the elements of a result depend on those of the operands."""

    pointwise = "pointwise"
    """Each element on the elements at its own index, under broadcasting."""
    indexed = "indexed"
    """Each element on one element, at an index that is data."""
    reduction = "reduction"
    """Each element on a row: the op has `axes` and `keepdims`."""
    window = "window"
    """Each element on a small neighbourhood (pooling, depthwise convolution)."""
    contraction = "contraction"
    """Sums of products over a shared axis."""
    view = "view"
    """The same elements in the same memory, addressed otherwise."""
    placement = "placement"
    """Operands side by side in one memory (concat, pad)."""
    alone = "alone"
    """A kernel of its own, which nothing joins."""
    opaque = "opaque"
    """Anything else."""


ROOTS = {Pattern.window, Pattern.contraction, Pattern.indexed}


class Group:
    """Nodes that become one kernel."""

    def __init__(self, node: Node, pattern: Pattern, position: int) -> None:
        self.nodes = [node]
        self.pattern = pattern
        self.roots = [node] if pattern in ROOTS else []
        self.lookups = pattern is Pattern.indexed
        self.sums: set[Node] = set()
        self.first = self.last = position
        reduces = pattern is Pattern.reduction
        self.axes = axes_of(node) if reduces else None
        self.domain: Shape = (node.operands[0] if reduces else node.results[0]).tensor.shape

    @property
    def streams(self) -> bool:
        """Whether its nest is free to take other producers in."""
        return self.pattern in {Pattern.pointwise, Pattern.reduction, Pattern.indexed}

    def accepts(self, node: Node, pattern: Pattern) -> bool:
        """Whether `node`, which reads this group, fits its loop nest."""
        waits = any(value.node in self.sums for value in node.operands)
        if len(self.nodes) >= MAX_NODES or waits:
            return False
        if pattern is Pattern.pointwise:
            return node.results[0].tensor.shape in (self.domain, self.reduced)
        return (
            pattern is Pattern.reduction
            and self.streams
            and node.operands[0].tensor.shape == self.domain
            and self.axes in (None, axes_of(node))
        )

    @property
    def reduced(self) -> Shape | None:
        """The domain with its reduced axes of size 1."""
        if self.axes is None:
            return None
        return tuple(1 if axis in self.axes else dim for axis, dim in enumerate(self.domain))

    def takes_in(self, other: Group) -> bool:
        """Whether `other` can be merged into this group."""
        return (
            self._leaves_roots_to(other)
            and other._leaves_roots_to(self)
            and self.domain == other.domain
            and (self.axes is None or other.axes is None or self.axes == other.axes)
            and len(self.nodes) + len(other.nodes) <= MAX_NODES
        )

    def _leaves_roots_to(self, other: Group) -> bool:
        """Whether the roots are lookups, in nothing that `other` computes."""
        looked_up = {value.node for root in self.roots for value in root.operands}
        return (not self.roots or self.lookups) and looked_up.isdisjoint(other.nodes)

    def add(self, node: Node, pattern: Pattern, position: int) -> None:
        self.nodes.append(node)
        self.last = max(self.last, position)
        if pattern is Pattern.reduction:
            self.axes = axes_of(node)
            self.pattern = Pattern.reduction

    def takes_sum(self, node: Node) -> bool:
        """Whether `node`, which sums what this group computes, may become one of its results.

        A kernel that reads something else as large, a shortcut, has no time to spare for sums.
        """
        same = node.operands[0].tensor.shape == self.domain
        alone = len(self.roots) == 1 and not self.sums and len(self.nodes) < MAX_NODES
        return same and alone and not self._reads_as_much()

    def _reads_as_much(self) -> bool:
        """Whether a node but the root reads something of the size of the domain from memory."""
        members = set(self.nodes)
        return any(
            value.tensor.shape == self.domain and value.node not in members
            for node in self.nodes
            if node not in self.roots
            for value in node.operands
        )

    def add_sums(self, nodes: Sequence[Node], position: int) -> None:
        """Take nodes that sum along rows, the last at `position`; no other node here waits."""
        self.nodes += nodes
        self.sums.update(nodes)
        self.last = max(self.last, position)

    def merge(self, other: Group) -> None:
        self.nodes += other.nodes
        self.roots += other.roots
        self.lookups = self.lookups or other.lookups
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        self.axes = self.axes or other.axes
        if Pattern.reduction in (self.pattern, other.pattern):
            self.pattern = Pattern.reduction


def axes_of(node: Node) -> tuple[int, ...]:
    axes: tuple[int, ...] = node.op.axes  # type: ignore[attr-defined]  # every reduction has them
    return axes
