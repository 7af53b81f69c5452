"""How a program runs: all that does not depend on the call is found once, before the first."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from ncc.neff.format import PAGE, Program, Segment, ValueSpec, round_up
from ncc.runtime.cores import Team
from ncc.runtime.host import HostGraph
from ncc.runtime.mapping import Mapping
from ncc.runtime.outputs import Output
from ncc.runtime.scratch import Scratch
from ncc.runtime.tensors import Array, addresses, numpy_dtype

Call = Callable[..., None]
"""`call(workspace, cores, *io)`, which returns when all cores are done."""

RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""void run(struct call *call): docs/neff.md, "Cores"."""

SYNC_BYTES = 256
CALL = "9Q"
"""entry, arena, weights, io, sync, team, cores wanted, by the callee the cores that it got, and,
in front of io, where a timed entry writes its times."""
CALL_BYTES = struct.calcsize(CALL)
IDLE_WORKSPACES = 4
"""Workspaces kept for the next calls; as many as there are calls exist while they run."""


class Workspace:
    """Memory of one call: the arena, on a page; zeroed bytes for barriers; the call and its io."""

    __slots__ = ("arena", "block", "call", "io", "sync")

    def __init__(self, arena_bytes: int, pointers: int) -> None:
        block = round_up(arena_bytes, PAGE) + SYNC_BYTES
        size = block + CALL_BYTES + 8 * pointers
        scratch = Scratch(size)
        self.arena = scratch.address
        self.call = self.arena + block
        self.sync = self.call - SYNC_BYTES
        self.io = self.call + CALL_BYTES
        self.block = scratch.part(block, size)


class Workspaces:
    """Those that no call has at the moment, each good for any program of a variant."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._arena_bytes = max(program.arena_bytes for program in programs)
        segments = [segment for program in programs for segment in program.segments]
        pointers = (len(segment.inputs) + len(segment.outputs) for segment in segments)
        self._pointers = max(pointers, default=0)
        self._idle: list[Workspace] = []

    def take(self) -> Workspace:
        """One for a call; it need not be given back."""
        try:
            return self._idle.pop()
        except IndexError:
            return Workspace(self._arena_bytes, self._pointers)

    def give(self, workspace: Workspace) -> None:
        """One whose call has ended."""
        if len(self._idle) < IDLE_WORKSPACES:
            self._idle.append(workspace)


class Code(NamedTuple):
    """What device segments of a variant share: mapped code and weights, and where functions are."""

    code: Mapping
    weights: Mapping
    serve: int
    run: int
    team: Team

    def caller(self, entry: int, pointers: int, times: int = 0) -> Call:
        """A function that calls `entry` with the io pointers that it is given."""
        pack = struct.Struct(f"{CALL}{pointers}Q").pack_into
        function = self.code.address + entry
        weights = self.weights.address
        run = RUN(self.code.address + self.run)
        team = self.team

        def call(workspace: Workspace, cores: int, *io: int) -> None:
            if cores > 1:
                team.grow(cores - 1, self.code, self.serve)
            pack(
                workspace.block,
                0,
                function,
                workspace.arena,
                weights,
                workspace.io,
                workspace.sync,
                team.address,
                cores,
                0,
                times,
                *io,
            )
            run(workspace.call)

        return call


Values = list[Any]
"""The arrays of a call by number; None for those that nothing has made yet."""


class DeviceStep:
    """A segment of machine code."""

    def __init__(self, program: Program, index: int, shared: Code) -> None:
        segment = program.segments[index]
        self._made = [(number, Output(program.values[number])) for number in segment.outputs]
        self._io = segment.inputs + segment.outputs
        self._cores = segment.cores
        self._call = self.entry(segment, shared)

    def entry(self, segment: Segment, shared: Code) -> Call:
        """What calls the code of `segment`."""
        return shared.caller(segment.entry, len(self._io))

    def run(self, values: Values, workspace: Workspace, cores: int) -> None:
        """Call the code on at most `cores` cores; its outputs are arrays of their own."""
        for number, output in self._made:
            values[number] = output.array()
        if cores > self._cores:
            cores = self._cores
        self._call(workspace, cores, *addresses(values, self._io))


class HostStep:
    """A segment that is interpreted."""

    def __init__(self, program: Program, index: int, graph: HostGraph) -> None:
        segment = program.segments[index]
        self._inputs = segment.inputs
        self._outputs = segment.outputs
        self._specs = [program.values[number] for number in segment.outputs]
        self._graph = graph

    def run(self, values: Values, workspace: Workspace, cores: int) -> None:
        """Interpret the graph."""
        made = self._graph.run([values[index] for index in self._inputs], self._specs)
        for index, array in zip(self._outputs, made, strict=True):
            values[index] = array


class Plan:
    """A program, ready to run any number of times, also at the same time."""

    def __init__(
        self,
        program: Program,
        steps: Sequence[DeviceStep | HostStep],
        weights: Mapping,
        workspaces: Workspaces,
    ) -> None:
        self.program = program
        self.steps = steps
        self._values: Values = [_weight(spec, weights) for spec in program.values]
        self._inputs = program.inputs
        self._specs = [program.values[number] for number in program.inputs]
        self._exact = [(numpy_dtype(spec.dtype), spec.shape) for spec in self._specs]
        self._copied = _copied(program)
        self._workspaces = workspaces

    def takes(self, values: Sequence[object]) -> TypeGuard[Sequence[Array]]:
        """Whether these are arrays that code may read as they are; not all that are, are seen."""
        if len(values) != len(self._exact):
            return False
        for value, (dtype, shape) in zip(values, self._exact, strict=True):
            if type(value) is not np.ndarray or value.dtype != dtype:
                return False
            if value.shape != shape or not value.flags.carray:
                return False
        return True

    def accepts(self, arrays: Sequence[Array]) -> bool:
        """Whether these inputs have the shapes of the program."""
        pairs = zip(self._specs, arrays, strict=True)
        return all(spec.shape in (None, array.shape) for spec, array in pairs)

    def run(self, inputs: Sequence[Array], cores: int) -> list[Array]:
        """The outputs, arrays of their own. The workspace of a call that fails is left."""
        values = self._values.copy()
        for index, array in zip(self._inputs, inputs, strict=True):
            values[index] = array
        workspace = self._workspaces.take()
        for step in self.steps:
            step.run(values, workspace, cores)
        self._workspaces.give(workspace)
        return [values[index].copy() if copied else values[index] for index, copied in self._copied]


def _weight(spec: ValueSpec, weights: Mapping) -> Array | None:
    """A view of a weight in place, read-only; None for another value."""
    if spec.offset is None:
        return None
    assert spec.shape is not None, "a weight has a known size"
    dtype = numpy_dtype(spec.dtype)
    size = int(np.prod(spec.shape)) * dtype.itemsize
    part = weights.part(spec.offset, spec.offset + size)
    return np.frombuffer(part, dtype).reshape(spec.shape)


def _copied(program: Program) -> list[tuple[int, bool]]:
    """The outputs; copied are those that are inputs, weights or the same as one before."""
    seen = {i for i, value in enumerate(program.values) if value.offset is not None}
    seen.update(program.inputs)
    copied = []
    for index in program.outputs:
        copied.append((index, index in seen))
        seen.add(index)
    return copied
