"""A compiled model: what goes into the file, and the numbers that describe it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ncc import __version__
from ncc.backends.artifact import Artifact
from ncc.backends.interface import Refusal, Target, Weights
from ncc.backends.registry import backend_of
from ncc.backends.tuning import Entries, Tuning
from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Graph, Node, Value
from ncc.ir.interpret import EVALUATION
from ncc.ir.ops.segment import Placement
from ncc.ir.ops.segment import Segment as SegmentOp
from ncc.ir.serialize import dump
from ncc.ir.types import TensorType, Type
from ncc.neff.format import (
    Kernel,
    Manifest,
    Program,
    Segment,
    TensorSpec,
    ValueSpec,
    Variant,
    Yardstick,
)
from ncc.neff.reader import open_bundle
from ncc.neff.writer import Source, write
from ncc.passes.fuse import constant_values
from ncc.runtime.cpu import Host, this_host
from ncc.runtime.session import load
from ncc.runtime.tensors import numpy_dtype
from ncc.tuning.book import Book, digest

WEIGHTS = "weights"
"""The section that all variants read their weights from."""


@dataclass(frozen=True)
class Bundle:
    """A compiled model in memory; `manifest.report` has the numbers of the summary, those of the
    best variant. `tuned` holds the entries of a tuning file that it was made by.
    """

    manifest: Manifest
    sources: tuple[Source, ...]
    tuned: Book

    @property
    def report(self) -> dict[str, Any]:
        """Ops, kernels, precision, share on the device, sizes: plain numbers and strings."""
        return self.manifest.report

    def save(self, path: str | PathLike[str]) -> None:
        """Write the file: verified, and run once where this machine can, before it gets its name.

        NccError (resource) when there is no room on the disk, or no memory for that run, (usage)
        when it cannot be written there.
        """
        for variant in _for_this_machine(self.manifest):
            _require_memory(variant)
        write(path, self.manifest, self.sources, trial=_trial)


def _for_this_machine(manifest: Manifest) -> list[Variant]:
    here = this_host()
    return [variant for variant in manifest.variants if not here.lacks(variant)]


def _require_memory(variant: Variant) -> None:
    """Refuse what this machine could never run: NccError `out-of-memory`."""
    (program, *_) = variant.programs
    given = {*program.inputs, *program.outputs}
    needed = program.arena_bytes + sum(_nbytes(program.values[index]) for index in given)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise NccError(
            "out-of-memory",
            f"a run needs {needed / 1e9:.1f} GB for the arena, inputs and outputs, and this "
            f"machine has {memory / 1e9:.1f} GB",
            exit=ExitCode.RESOURCE,
            hint="bind smaller sizes (--dim, --shape)",
        )


def _nbytes(spec: ValueSpec) -> int:
    return math.prod(spec.shape or ()) * numpy_dtype(spec.dtype).itemsize


def _trial(path: Path) -> None:
    """Run each variant that is for this machine on zeros.

    An op of a host segment may refuse zeros where they stand for a size: the bundle works.
    """
    with open_bundle(path) as opened:
        variants = _for_this_machine(opened.manifest)
    for variant in variants:
        _try(path, Host(this_host().machine, frozenset(variant.features)))


def _try(path: Path, host: Host) -> None:
    with load(path, verify="lazy", host=host) as model:
        (program, *_) = model.variant.programs
        try:
            model(*(_zeros(program.values[index]) for index in program.inputs))
        except NccError as error:
            if error.details.during != EVALUATION:
                raise


def _zeros(spec: ValueSpec) -> np.ndarray[Any, Any]:
    assert spec.shape is not None
    return np.zeros(spec.shape, numpy_dtype(spec.dtype))


def assemble(
    graphs: Mapping[Target, Graph],
    *,
    source: str,
    options: dict[str, object],
    tuning: Callable[[Target], Tuning] = lambda _: Tuning(),
) -> Bundle:
    """The bundle of one graph of segments for each target, best first; machine code is made here.

    The graphs have the same inputs and outputs. A weight that they read in one form is stored once.
    `options` is recorded as it is; it must not depend on the machine or the folder. `tuning` says
    for each target how to choose what is free.
    """
    table = backend_of(next(iter(graphs))).weights()
    hosts: dict[bytes, str] = {}
    parts = [_part(graph, target, table, hosts, tuning(target)) for target, graph in graphs.items()]
    tuned = {part.variant.target: part.tuned for part in parts}
    best = next(iter(graphs.values()))
    manifest = Manifest(
        producer=f"ncc {__version__}",
        source=source,
        options={**options, "tuning": digest(tuned) if any(tuned.values()) else ""},
        inputs=tuple(_spec(value, value.name) for value in best.inputs),
        outputs=_outputs(best),
        variants=tuple(part.variant for part in parts),
        report={**parts[0].report, "weights_bytes": table.nbytes},
    )
    return Bundle(manifest, tuple(_sources(parts, table, hosts)), tuned)


@dataclass(frozen=True)
class _Part:
    """A variant, the bytes of its code, the text of its kernels, its numbers and its choices."""

    variant: Variant
    code: bytes
    text: str
    report: dict[str, object]
    tuned: Entries


def _part(
    graph: Graph, target: Target, table: Weights, hosts: dict[bytes, str], tuning: Tuning
) -> _Part:
    """What is made for one target; new graphs for the host get a name in `hosts`."""
    values = _Values(graph)
    segments = [node for node in graph.nodes if isinstance(node.op, SegmentOp)]
    bodies = [op.body for op in map(_segment, segments) if op.placement is Placement.device]
    backend = backend_of(target)
    artifact = backend.compile_segments(bodies, values.constants, target, table, tuning)
    program = Program(
        dims={},
        values=values.specs(artifact),
        inputs=tuple(values.number[value] for value in graph.inputs),
        outputs=tuple(values.number[value] for value in graph.outputs),
        segments=_segments(segments, values, artifact, hosts),
        arena_bytes=artifact.arena_nbytes,
    )
    variant = Variant(
        target=artifact.target,
        features=artifact.features,
        code=f"code.{artifact.target}",
        weights=WEIGHTS,
        serve=artifact.serve,
        run=artifact.run,
        programs=(program,),
        kernels=tuple(
            Kernel(k.name, k.offset, k.nbytes, k.calls, k.flops, k.bytes, k.sources, k.limit)
            for k in artifact.kernels
        ),
        yardsticks=tuple(Yardstick(y.name, y.entry, y.work) for y in artifact.yardsticks),
        fingerprint=artifact.fingerprint,
    )
    text = "\n".join(kernel.text for kernel in artifact.kernels)
    report = _report(segments, artifact, backend.refusal)
    return _Part(variant, artifact.code, text, report, artifact.tuned.entries)


def _outputs(graph: Graph) -> tuple[TensorSpec, ...]:
    names = zip(graph.outputs, graph.output_names, strict=True)
    return tuple(_spec(value, name or f"output{i}") for i, (value, name) in enumerate(names))


def _segment(node: Node) -> SegmentOp:
    assert isinstance(node.op, SegmentOp)
    return node.op


def _segments(
    nodes: Sequence[Node], values: _Values, artifact: Artifact, hosts: dict[bytes, str]
) -> tuple[Segment, ...]:
    """The steps of the program."""
    parts: list[Segment] = []
    made = iter(artifact.segments)
    for node in nodes:
        op = _segment(node)
        inputs = tuple(values.number[value] for value in node.operands)
        outputs = tuple(values.number[value] for value in node.results)
        if op.placement is Placement.device:
            code = next(made)
            marks = tuple(0 if kernel is None else 1 + kernel for kernel in code.marks)
            parts.append(
                Segment("device", code.entry, "", inputs, outputs, code.cores, code.timed, marks)
            )
        else:
            name = hosts.setdefault(dump(op.body), f"graph{len(hosts)}")
            parts.append(Segment("host", 0, name, inputs, outputs))
    return tuple(parts)


class _Values:
    """Numbers for the tensors that segments exchange."""

    def __init__(self, graph: Graph) -> None:
        segments = [node for node in graph.nodes if isinstance(node.op, SegmentOp)]
        read = [value for node in segments for value in node.operands] + list(graph.outputs)
        computed = [*graph.inputs, *(value for node in segments for value in node.results)]
        made = set(computed)
        self.constants = list(dict.fromkeys(value for value in read if value not in made))
        everything = [*computed, *self.constants]
        self.number = {value: index for index, value in enumerate(everything)}

    def specs(self, artifact: Artifact) -> tuple[ValueSpec, ...]:
        offsets = dict(zip(self.constants, artifact.constants, strict=True))
        return tuple(
            ValueSpec(value.tensor.dtype.value, _sizes(value.type), offsets.get(value))
            for value in self.number
        )


def _sizes(type: Type) -> tuple[int, ...] | None:
    assert isinstance(type, TensorType), f"{type} cannot pass between segments"
    return type.dims if type.is_static else None


def _spec(value: Value, name: str) -> TensorSpec:
    shape = (dim if isinstance(dim, int) else str(dim) for dim in value.tensor.shape)
    return TensorSpec(name, value.tensor.dtype.value, tuple(shape))


def _sources(
    parts: Sequence[_Part], table: Weights, hosts: Mapping[bytes, str]
) -> Iterator[Source]:
    for part in parts:
        yield _held(part.variant.code, "code", part.code)
    yield Source(WEIGHTS, "weights", table.nbytes, table.chunks)
    for data, name in hosts.items():
        yield _held(name, "graph", data)
    for part in parts:
        yield _held(kernel_text(part.variant), "debug", part.text.encode())


def kernel_text(variant: Variant) -> str:
    """The section with the text of a variant's kernels, in the order of its table."""
    return f"kernels.{variant.target}"


def _held(name: str, kind: str, data: bytes) -> Source:
    return Source(name, kind, len(data), lambda: iter([data]))


def _report(segments: Sequence[Node], artifact: Artifact, refusal: Refusal) -> dict[str, object]:
    """The numbers of the summary; the same for the same input."""
    by_place = {placement: _work(segments, placement, refusal) for placement in Placement}
    device, host = by_place[Placement.device], by_place[Placement.host]
    return {
        "ops": len({**device.nodes, **host.nodes}),
        "device_ops": len(device.nodes.keys() - host.nodes.keys()),
        "host_ops": len(host.nodes),
        "flops": device.flops + host.flops,
        "device_flops": device.flops,
        "host_reasons": host.nodes,
        "kernels": len(artifact.kernels),
        "calls": artifact.calls,
        "code_bytes": len(artifact.code),
        "arena_bytes": artifact.arena_nbytes,
        "arena_lower_bound": artifact.arena_bound,
        "tuned_kernels": len(artifact.tuned.entries),
        "untuned_kernels": list(artifact.tuned.missed),
    }


@dataclass(frozen=True)
class _Work:
    """Arithmetic, and the nodes of the model that do it, each with why the device does not."""

    nodes: dict[str, str]
    flops: int


def _work(segments: Sequence[Node], placement: Placement, refusal: Refusal) -> _Work:
    """What the segments in one place do."""
    nodes: dict[str, str] = {}
    flops = 0
    for node in _computing(segments, placement):
        flops += _flops(node)
        reason = refusal(node) or "its operands are on the host"
        nodes |= dict.fromkeys(map(str, node.locs or [node.op.name]), reason)
    return _Work(nodes, flops)


def _computing(segments: Sequence[Node], placement: Placement) -> Iterator[Node]:
    for segment in segments:
        op = _segment(segment)
        if op.placement is placement:
            constant = constant_values(op.body)
            yield from (node for node in op.body.nodes if node.results[0] not in constant)


def _flops(node: Node) -> int:
    types = [value.type for value in (*node.operands, *node.results)]
    if not all(isinstance(type, TensorType) and type.is_static for type in types):
        return 0
    return node.flops
