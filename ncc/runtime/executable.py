"""One variant of a bundle in memory: its code, weights and host graphs, and how a program runs."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from ncc.diagnostics import ExitCode, NccError
from ncc.neff.errors import incompatible, reading
from ncc.neff.format import PAGE, Program, Segment, ValueSpec, Variant, round_up
from ncc.neff.reader import Bundle
from ncc.neff.verify import check_digest
from ncc.runtime.cores import POOL
from ncc.runtime.host import HostGraph
from ncc.runtime.mapping import Mapping
from ncc.runtime.tensors import Array, numpy_dtype

ENTRY = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_int64,
)
"""void entry(arena, weights, io, sync, core, cores): docs/neff.md, "Machine code"."""

SYNC_BYTES = 256
IDLE_WORKSPACES = 4
"""Workspaces kept for the next calls; as many as there are calls exist while they run."""


class Workspace:
    """What one call has for itself: the arena, on a page, and the zeroed bytes for barriers."""

    __slots__ = ("arena", "sync", "sync_bytes")

    def __init__(self, arena_bytes: int) -> None:
        length = round_up(arena_bytes, PAGE)
        buffer = np.empty(PAGE + length + SYNC_BYTES, np.uint8)
        start = -buffer.ctypes.data % PAGE
        self.arena = buffer.ctypes.data + start
        self.sync = self.arena + length
        self.sync_bytes = buffer[start + length :][:SYNC_BYTES]


class Executable:
    """Mapped code and weights of `variant`; they live until the last call that uses them ends.

    Code and host graphs are checked against their digests before anything can execute them.
    NccError: integrity if they are damaged, incompatible if the system refuses executable memory.
    """

    def __init__(self, bundle: Bundle, variant: Variant) -> None:
        self._path = bundle.path
        self._code = _map_code(bundle, variant)
        self._weights_section = bundle.sections[variant.weights]
        self._weights = _map(bundle, variant.weights)
        self._weights_are_sound = False
        segments = [segment for program in variant.programs for segment in program.segments]
        self._entries = {
            segment.entry: ENTRY(self._code.address + segment.entry)
            for segment in segments
            if segment.kind == "device"
        }
        graphs = dict.fromkeys(segment.graph for segment in segments if segment.kind == "host")
        self._graphs = {name: HostGraph(name, bundle.read(name)) for name in graphs}
        self._arena_bytes = max(program.arena_bytes for program in variant.programs)
        self._idle: list[Workspace] = []

    def verify_weights(self) -> None:
        """Check the weights against their digest, the first time; NccError (integrity)."""
        if not self._weights_are_sound:
            with reading(self._path):
                check_digest(self._weights_section, [self._weights.view()])
            self._weights_are_sound = True

    def run(self, program: Program, inputs: Sequence[Array], cores: int) -> list[Array]:
        """The outputs of `program`, arrays of their own, for dense `inputs` of its shapes.

        Any number of threads may call at once. NccError: integrity if the weights are damaged,
        resource if memory runs out.
        """
        self.verify_weights()
        try:
            values = self._values(program, inputs, cores)
        except MemoryError as error:
            raise NccError(
                "out-of-memory", f"no memory to run the model: {error}", exit=ExitCode.RESOURCE
            ) from None
        return _outputs(program, values)

    def _values(self, program: Program, inputs: Sequence[Array], cores: int) -> dict[int, Array]:
        """Every value of `program`; the workspace of a call that fails is not used again."""
        values = dict(zip(program.inputs, inputs, strict=True))
        values |= {
            index: self._weight(spec, spec.offset)
            for index, spec in enumerate(program.values)
            if spec.offset is not None
        }
        workspace = self._workspace()
        for segment in program.segments:
            given = [values[index] for index in segment.inputs]
            specs = [program.values[index] for index in segment.outputs]
            if segment.kind == "host":
                made = self._graphs[segment.graph].run(given, specs)
            else:
                made = self._call(segment, given, specs, workspace, cores)
            values.update(zip(segment.outputs, made, strict=True))
        if len(self._idle) < IDLE_WORKSPACES:
            self._idle.append(workspace)
        return values

    def _workspace(self) -> Workspace:
        try:
            return self._idle.pop()
        except IndexError:
            return Workspace(self._arena_bytes)

    def _weight(self, spec: ValueSpec, offset: int) -> Array:
        """A view of a weight in place; read-only."""
        assert spec.shape is not None, "a weight has a known size"
        dtype = numpy_dtype(spec.dtype)
        size = math.prod(spec.shape) * dtype.itemsize
        part = self._weights.view()[offset : offset + size]
        return np.frombuffer(part, dtype).reshape(spec.shape)

    def _call(
        self,
        segment: Segment,
        inputs: list[Array],
        specs: list[ValueSpec],
        workspace: Workspace,
        cores: int,
    ) -> list[Array]:
        outputs = [_empty(spec) for spec in specs]
        arrays = inputs + outputs
        io = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        workspace.sync_bytes[:] = 0
        entry = partial(
            self._entries[segment.entry],
            workspace.arena,
            self._weights.address,
            io,
            workspace.sync,
        )
        POOL.run(entry, cores, keep=(self, arrays, workspace))
        return outputs


def _map(bundle: Bundle, name: str) -> Mapping:
    section = bundle.sections[name]
    return Mapping(bundle.file, bundle.offset(section), section.size)


def _map_code(bundle: Bundle, variant: Variant) -> Mapping:
    mapping = _map(bundle, variant.code)
    check_digest(bundle.sections[variant.code], [mapping.view()])
    try:
        mapping.allow_execution()
    except PermissionError:
        raise incompatible(
            "the system does not let code in this file run",
            "copy the bundle to a file system that is not mounted noexec",
        ) from None
    return mapping


def _empty(spec: ValueSpec) -> Array:
    assert spec.shape is not None, "a device value has a known size"
    return np.empty(spec.shape, numpy_dtype(spec.dtype))


def _outputs(program: Program, values: dict[int, Array]) -> list[Array]:
    """The outputs; copies of those that are inputs, weights or the same as one before."""
    seen = {i for i, value in enumerate(program.values) if value.offset is not None}
    seen.update(program.inputs)
    outputs = []
    for index in program.outputs:
        outputs.append(values[index].copy() if index in seen else values[index])
        seen.add(index)
    return outputs
