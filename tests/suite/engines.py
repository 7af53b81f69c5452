"""Engines that run a case: a bundle from its file, and bare machine code between guard pages."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

import ncc
from ncc.backends.cpu.backend import compile_segments
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target
from ncc.backends.tuning import Tuning
from ncc.compiler import run_phases
from ncc.frontends.onnx import import_onnx
from ncc.ir.graph import Graph
from ncc.ir.op import load_ops
from ncc.ir.ops.segment import Placement, Segment
from ncc.options import AutoCast, Options
from tests.guarded import Edge, guarded
from tests.machine_code import map_code
from tests.suite.case import Case

Array = npt.NDArray[Any]

PHASES = ["simplify", "precision", "place", "fuse", "order"]
EXACT = Options(auto_cast=AutoCast.none)


def run_bundle(case: Case, folder: Path) -> list[Array]:
    """The outputs of the bundle of a case, written to `folder` and loaded again."""
    path = folder / "case.neff"
    ncc.compile(case.model, auto_cast="none").save(path)
    with ncc.load(path) as model:
        return list(model.run(case.inputs).values())


def device_body(
    case: Case, target: Target, options: Options = EXACT
) -> tuple[Graph, list[Array]] | None:
    """The only segment of a case with its inputs, when it gives every output in order."""
    load_ops()
    graph = import_onnx(case.model, dims={}, shapes={})
    graph = run_phases(graph, options, target, PHASES)
    segments = [node for node in graph.nodes if isinstance(node.op, Segment)]
    if len(segments) != 1 or segments[0].results != graph.outputs:
        return None
    (segment,) = segments
    op = segment.op
    assert isinstance(op, Segment)
    if op.placement is Placement.host or not set(segment.operands) <= set(graph.inputs):
        return None
    return op.body, [case.inputs[value.name] for value in segment.operands]


BY_COST = Tuning()
"""Every choice as the cost model says."""


class MachineCode:
    """A segment's body compiled once, to be run between guard pages as often as wanted."""

    def __init__(self, body: Graph, target: Target, tuning: Tuning = BY_COST) -> None:
        table = WeightTable()
        self._outputs = [value.tensor for value in body.outputs]
        self._artifact = compile_segments([body], [], target, table, tuning)
        self._weights = _weights(table)

    def run(self, inputs: Sequence[Array], edge: Edge, cores: int = 1) -> list[Array]:
        """The outputs; every buffer touches a page that may not be touched.

        The arena is filled with NaN bits first: nothing may depend on what it held.
        """
        outputs = [guarded(np.zeros(type.dims, type.dtype.numpy), edge) for type in self._outputs]
        arrays = [*(guarded(array, edge) for array in inputs), *outputs]
        nbytes = _rounded(self._artifact.arena_nbytes)
        arena = guarded(np.full(nbytes, 0xFF, np.uint8), edge)
        weights = guarded(self._weights, edge)
        sync = np.zeros(512, np.uint8)
        io = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        pointers = [arena.ctypes.data, weights.ctypes.data, ctypes.addressof(io)]
        pointers.append(sync.ctypes.data + -sync.ctypes.data % 64)
        entry = self._artifact.segments[0].entry
        _call(map_code(self._artifact.code) + entry, pointers, cores)
        return [np.array(array) for array in outputs]


def _call(address: int, pointers: Sequence[int], cores: int) -> None:
    kinds = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 2
    entry = ctypes.CFUNCTYPE(None, *kinds)(address)
    threads = [Thread(target=entry, args=(*pointers, core, cores)) for core in range(cores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _rounded(nbytes: int) -> int:
    return max(64, math.ceil(nbytes / 64) * 64)


def _weights(table: WeightTable) -> Array:
    held = b"".join(bytes(chunk) for chunk in table.chunks())
    padded = np.zeros(_rounded(len(held)), np.uint8)
    padded[: len(held)] = np.frombuffer(held, np.uint8)
    return padded
