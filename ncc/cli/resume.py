"""Graphs that come as text in the middle of a compilation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ncc.backends.interface import Target
from ncc.backends.registry import backend_of
from ncc.cli.graph_text import read_graph
from ncc.compiler import SPECS
from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Graph, Node
from ncc.ir.ops.segment import Placement, Segment
from ncc.ir.types import TensorType
from ncc.passes.fuse import constant_values


def read_after(phase: str, path: Path, target: Target) -> Graph:
    """The graph in the file at `path`, which must look like one for `target` after `phase`.

    NccError `unbound-dims` (exit 2) for a size left open, `wrong-phase` (exit 2).
    """
    graph = read_graph(path)
    for value in graph.inputs:
        if not (isinstance(value.type, TensorType) and value.type.is_static):
            raise NccError(
                "unbound-dims",
                f"input '{value.name}' of {path} is {value.type}",
                exit=ExitCode.USAGE,
                hint="write numbers into the text, or bind sizes when compiling the model",
            )
    misplaced = next(_misplaced(graph, phase, target), None)
    if misplaced is not None:
        raise NccError(
            "wrong-phase",
            f"{path} is not the text of a graph after {phase}: {misplaced}",
            exit=ExitCode.USAGE,
            hint="name the phase that --to named when the text was written",
        )
    return graph


def _misplaced(graph: Graph, phase: str, target: Target) -> Iterator[str]:
    """Why `graph` cannot be one after `phase`."""
    if phase not in SPECS:
        return
    refusal = SPECS[phase](backend_of(target))
    for node in _computing(graph):
        if not isinstance(node.op, Segment):
            yield f"{node.op.name} is not in a segment"
        elif node.op.placement is Placement.device:
            yield from filter(None, map(refusal, _computing(node.op.body)))


def _computing(graph: Graph) -> Iterator[Node]:
    constant = constant_values(graph)
    return (node for node in graph.nodes if node.results and node.results[0] not in constant)
