"""The cpu backend: device segments in, machine code and the weights that it reads out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from ncc.backends.artifact import Artifact, KernelReport, SegmentReport, YardstickReport
from ncc.backends.cpu import driver
from ncc.backends.cpu.codegen import Executable, compile_kernels, link
from ncc.backends.cpu.emit.yardstick import limit_of, yardsticks
from ncc.backends.cpu.kernels.attention import attends
from ncc.backends.cpu.kernels.builder import Call, Pointer
from ncc.backends.cpu.kernels.row_sums import sums_rows
from ncc.backends.cpu.legalize import legalize
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.loopir.text.printer import to_text
from ncc.backends.cpu.lower import lower
from ncc.backends.cpu.numbers import numbers_held
from ncc.backends.cpu.plan.barriers import barriers_after
from ncc.backends.cpu.plan.batches import weights_hidden
from ncc.backends.cpu.plan.memory import plan
from ncc.backends.cpu.plan.sharing import worthwhile_cores
from ncc.backends.cpu.rules import classify
from ncc.backends.cpu.storage.views import Space
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target
from ncc.backends.cpu.tuning.decide import decide
from ncc.backends.tuning import Tuning
from ncc.ir.graph import Graph, Value
from ncc.passes.align_attention import align_attention
from ncc.passes.compute_early import compute_early
from ncc.passes.fuse import fuse
from ncc.passes.nest_concats import nest_concats
from ncc.passes.split_batch import split_batch
from ncc.passes.sum_rows import sum_rows
from ncc.passes.widen_groups import widen_groups


def kernels(graph: Graph) -> Graph:
    """The body of a device segment with every computing node in a fused one."""
    graph = align_attention(compute_early(nest_concats(legalize(sum_rows(graph)))))
    return fuse(
        graph, classify=classify, holds=numbers_held(graph), attends=attends, sums=sums_rows
    )


def kernels_by_samples(graph: Graph, target: Target) -> Graph:
    """`kernels`, each for a few samples at a time where those of a batch would leave the caches."""
    wide = widen_groups(graph) if target.has_matrix_registers else graph
    return split_batch(kernels(wide), hides=partial(weights_hidden, target=target))


def compile_segments(
    segments: Sequence[Graph],
    constants: Sequence[Value],
    target: Target,
    table: WeightTable,
    tuning: Tuning,
) -> Artifact:
    """Machine code for device segments that `kernels` has prepared; `table` gets its weights.

    `constants` are constant expressions that host segments read from the weights section.
    NccError as `decide`.
    """
    decisions = decide(segments, target, tuning)
    held = tuple(table.memory(value).where for value in constants)
    sequences = [
        decisions.applied(lower(segment, target, table, decisions.widths)) for segment in segments
    ]
    plans = [plan(calls) for calls in sequences]
    texts, number = _distinct(call.kernel for calls in sequences for call in calls)
    parts = [_Part(calls, [number[call.kernel] for call in calls]) for calls in sequences]
    compiled = compile_kernels(list(texts.values()), target)
    measures = yardsticks(texts.values(), target)
    image = link(compiled, [part.steps for part in parts], target, measures)
    return Artifact(
        target=target.name,
        features=target.flags,
        code=image.data,
        serve=image.serve,
        run=image.run,
        fingerprint=image.fingerprint,
        segments=_segments(parts, image, target),
        yardsticks=tuple(
            YardstickReport(measure.name, entry, measure.work)
            for measure, entry in zip(measures, image.yardsticks, strict=True)
        ),
        arena_nbytes=max((plan.nbytes for plan in plans), default=0),
        arena_bound=max((plan.bound for plan in plans), default=0),
        constants=held,
        kernels=_kernels(texts, parts, image, target),
        calls=sum(map(len, sequences)),
        tuned=decisions.tuned,
    )


class _Part:
    """The calls of one segment, the number of the kernel of each, and the steps of its entry."""

    def __init__(self, calls: Sequence[Call], numbers: Sequence[int]) -> None:
        self.calls = calls
        self.numbers = numbers
        self.steps = _entry(calls, numbers)


def _distinct(kernels: Iterable[Kernel]) -> tuple[dict[str, Kernel], dict[Kernel, int]]:
    """One kernel for each text, and the number of the text of each kernel."""
    texts: dict[str, Kernel] = {}
    numbers: dict[str, int] = {}
    found: dict[Kernel, int] = {}
    for kernel in kernels:
        if kernel not in found:
            text = to_text(kernel)
            texts.setdefault(text, kernel)
            found[kernel] = numbers.setdefault(text, len(numbers))
    return texts, found


def _entry(calls: Sequence[Call], numbers: Sequence[int]) -> list[driver.Call]:
    found: list[driver.Call] = []
    barriers = barriers_after(calls)
    for index, (call, number) in enumerate(zip(calls, numbers, strict=True)):
        args = tuple(_arg(pointer) for pointer in call.pointers)
        found.append(driver.Call(number, args, index in barriers))
    return found


def _arg(pointer: Pointer) -> driver.Arg:
    memory = pointer.memory
    if memory.space is Space.io:
        return driver.Arg(driver.Space.io, memory.where, pointer.offset)
    return driver.Arg(driver.Space(memory.space.value), memory.where + pointer.offset)


def _segments(
    parts: Sequence[_Part], image: Executable, target: Target
) -> tuple[SegmentReport, ...]:
    def cores(part: _Part) -> int:
        barriers = sum(step.barrier_after for step in part.steps)
        return worthwhile_cores(part.calls, barriers, target)

    return tuple(
        SegmentReport(entry, timed, tuple(driver.marks(part.steps)), cores(part))
        for part, entry, timed in zip(parts, image.entries, image.timed, strict=True)
    )


def _kernels(
    texts: Mapping[str, Kernel], parts: Sequence[_Part], image: Executable, target: Target
) -> tuple[KernelReport, ...]:
    by_kernel: list[list[Call]] = [[] for _ in texts]
    for part in parts:
        for call, number in zip(part.calls, part.numbers, strict=True):
            by_kernel[number].append(call)
    rows = zip(texts.items(), by_kernel, image.kernels, strict=True)
    return tuple(
        KernelReport(
            name=f"k{number}",
            offset=extent.offset,
            nbytes=extent.size,
            calls=len(found),
            flops=sum(call.flops for call in found),
            bytes=sum(pointer.nbytes for call in found for pointer in call.pointers),
            sources=tuple(dict.fromkeys(str(loc) for call in found for loc in call.locs)),
            limit=limit_of(kernel, target),
            text=text,
        )
        for number, ((text, kernel), found, extent) in enumerate(rows)
    )
