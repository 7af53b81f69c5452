"""Evaluate what depends on literals alone.

    %0 = constant [1, 2] : i64[2]
    %1 = add(%0, %0) : i64[2]
becomes
    %0 = constant [2, 4] : i64[2]

Results of more than `INLINE_LIMIT` bytes, and whatever depends on weights, stay expressions: they
are evaluated once, when the bundle is written.
"""

from ncc.diagnostics import NccError
from ncc.ir.fold import fold_node
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.prune import prune
from ncc.passes import graph_pass


@graph_pass
def fold(graph: Graph) -> Graph:
    """`graph` with every small expression over literals as a literal."""

    def visit(build: Builder, node: Node) -> tuple[Value, ...] | None:
        try:
            return fold_node(build, node)
        except NccError:
            return None  # the failure belongs to a run of the model, if this node ever runs

    after = graph.rebuild(visit)
    return graph if after is graph else prune(after)
