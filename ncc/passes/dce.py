"""Leave out the nodes that no output depends on.

    %0 = relu(%x) : f32[8]
    %1 = exp(%x) : f32[8]
    return %0
becomes
    %0 = relu(%x) : f32[8]
    return %0
"""

from ncc.ir.graph import Graph
from ncc.ir.prune import prune
from ncc.passes import graph_pass


@graph_pass
def dce(graph: Graph) -> Graph:
    """`graph` without dead nodes; its inputs stay, read or not."""
    return prune(graph)
