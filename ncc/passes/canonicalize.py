"""Apply the algebra that stands beside the ops, until none of it applies.

    %0 = transpose(%x) {perm = [1, 0]} : f32[4, 2]
    %1 = transpose(%0) {perm = [1, 0]} : f32[2, 4]
    %2 = relu(%1) : f32[2, 4]
becomes
    %0 = relu(%x) : f32[2, 4]
"""

from ncc.ir.graph import Graph
from ncc.ir.op import load_ops
from ncc.ir.rewrite import Trace, canonical_rules, rewrite
from ncc.passes import graph_pass


@graph_pass
def canonicalize(graph: Graph, *, trace: Trace | None = None) -> Graph:
    """`graph` under every rule that is registered with `canonical`."""
    load_ops()
    return rewrite(graph, canonical_rules(), trace=trace)
