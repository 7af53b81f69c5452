"""Whether a manifest describes something that can be run safely.

Digests say that the bytes are those that were written; these checks say that what was written makes
sense, so that a reader may index by any number of the manifest without another look. Machine code
itself cannot be checked: a bundle deserves the trust that a program does.
"""

from __future__ import annotations

import math

from ncc.neff.digest import Part, parallel_digest
from ncc.neff.errors import require
from ncc.neff.format import (
    ALIGNMENTS,
    ITEM_SIZES,
    MAX_ARENA,
    MAX_CORES,
    MAX_RANK,
    MAX_SECTIONS,
    MAX_TENSOR,
    Manifest,
    Program,
    Section,
    Segment,
    TensorSpec,
    ValueSpec,
    Variant,
    place,
)


def check_manifest(manifest: Manifest) -> None:
    """NccError (integrity) with the first thing in `manifest` that cannot be."""
    sections = _check_sections(manifest.sections)
    _check_signature("input", manifest.inputs)
    _check_signature("output", manifest.outputs)
    require(1 <= manifest.cores <= MAX_CORES, f"the bundle asks for {manifest.cores} cores")
    require(bool(manifest.variants), "the bundle has no variant")
    for variant in manifest.variants:
        _check_variant(manifest, variant, sections)


def check_digest(section: Section, part: Part, threads: int = 1) -> None:
    """NccError (integrity) unless `part` gives the bytes of `section`, to so many threads."""
    digest = parallel_digest(section.size, part, threads)
    require(digest == section.digest, f"section '{section.name}' is damaged")


def _check_sections(sections: tuple[Section, ...]) -> dict[str, Section]:
    """The sections by name."""
    require(len(sections) <= MAX_SECTIONS, f"the bundle has more than {MAX_SECTIONS} sections")
    named = {section.name: section for section in sections}
    require(len(named) == len(sections), "two sections have the same name")
    for section in sections:
        require(section.kind in ALIGNMENTS, f"section kind '{section.kind}' is unknown")
        require(len(section.digest) == 32, f"section '{section.name}' has no digest")
        known = len(section.fingerprint) in (0, 32)
        require(known, f"the fingerprint of section '{section.name}' is cut short")
    for section, expected in zip(sections, place(sections), strict=True):
        require(
            section == expected,
            f"section '{section.name}' is at {section.offset}, not at {expected.offset} "
            f"with alignment {expected.alignment}",
        )
    return named


def _check_signature(role: str, specs: tuple[TensorSpec, ...]) -> None:
    require(len({spec.name for spec in specs}) == len(specs), f"two {role}s have the same name")
    for spec in specs:
        sizes = tuple(size if isinstance(size, int) else 1 for size in spec.shape)
        _check_tensor(f"{role} '{spec.name}'", spec.dtype, sizes)


def _check_tensor(what: str, dtype: str, shape: tuple[int, ...]) -> None:
    require(dtype in ITEM_SIZES, f"{what} has the unknown type '{dtype}'")
    require(len(shape) <= MAX_RANK, f"{what} has more than {MAX_RANK} axes")
    nonzero = math.prod(size or 1 for size in shape) * ITEM_SIZES[dtype]
    require(nonzero <= MAX_TENSOR, f"{what} is larger than {MAX_TENSOR} bytes")


def _check_variant(manifest: Manifest, variant: Variant, sections: dict[str, Section]) -> None:
    what = f"variant '{variant.target}'"
    code = _section(what, sections, variant.code, "code")
    weights = _section(what, sections, variant.weights, "weights")
    require(manifest.cores == 1, "the bundle holds machine code and asks for more than one core")
    functions = (variant.serve, variant.run, variant.fingerprint)
    entries = (item.entry for item in variant.yardsticks)
    require(max(*functions, *entries) < code.size, f"a function of {what} is outside of the code")
    for yardstick in variant.yardsticks:
        sound = 0 < yardstick.work <= MAX_ARENA
        require(sound, f"yardstick '{yardstick.name}' does {yardstick.work}")
    for kernel in variant.kernels:
        inside = kernel.offset + kernel.nbytes <= code.size
        require(inside, f"kernel '{kernel.name}' is outside of the code")
    require(bool(variant.programs), f"{what} has no program")
    for program in variant.programs:
        for value in program.values:
            _check_value(value, weights)
        _check_program(manifest, program, code, sections)
        marks = (mark for segment in program.segments for mark in segment.marks)
        known = max(marks, default=0) <= len(variant.kernels)
        require(known, "a segment calls a kernel that is not there")


def _check_value(value: ValueSpec, weights: Section) -> None:
    _check_tensor("a value", value.dtype, value.shape or ())
    if value.offset is not None:
        require(value.shape is not None, "a weight has no shape")
        size = math.prod(value.shape or ()) * ITEM_SIZES[value.dtype]
        require(value.offset + size <= weights.size, "a weight is outside of the weights")
        require(value.offset % ITEM_SIZES[value.dtype] == 0, "a weight is not aligned")


def _section(what: str, sections: dict[str, Section], name: str, kind: str) -> Section:
    found = sections.get(name)
    require(found is not None and found.kind == kind, f"{what} has no {kind} section '{name}'")
    return sections[name]


def _check_program(
    manifest: Manifest, program: Program, code: Section, sections: dict[str, Section]
) -> None:
    """Every value is a weight, an input or made by one segment, before a segment reads it."""
    require(program.arena_bytes <= MAX_ARENA, f"an arena is larger than {MAX_ARENA} bytes")
    weights = {i for i, value in enumerate(program.values) if value.offset is not None}
    known = _defined(weights, program.inputs, len(program.values))
    for segment in program.segments:
        require(known.issuperset(segment.inputs), "a segment reads a value that nothing made")
        known = _defined(known, segment.outputs, len(program.values))
        _check_segment(segment, program, code, sections)
    require(known.issuperset(program.outputs), "a program returns a value that nothing made")
    _check_interface("input", manifest.inputs, program.inputs, program.values)
    _check_interface("output", manifest.outputs, program.outputs, program.values)


def _defined(known: set[int], ids: tuple[int, ...], count: int) -> set[int]:
    together = known.union(ids)
    require(len(together) == len(known) + len(ids), "a value is made twice")
    require(all(index < count for index in ids), "a value id is out of range")
    return together


def _check_segment(
    segment: Segment, program: Program, code: Section, sections: dict[str, Section]
) -> None:
    if segment.kind == "host":
        _section("a host segment", sections, segment.graph, "graph")
        require(segment.entry == 0, "a host segment has an entry")
        return
    require(1 <= segment.cores <= MAX_CORES, f"a segment is for {segment.cores} cores")
    require(segment.kind == "device", f"segment kind '{segment.kind}' is unknown")
    require(segment.graph == "", "a device segment has a graph")
    inside = max(segment.entry, segment.timed) < code.size
    require(inside, "a segment's entry is outside of the code")
    static = all(program.values[i].shape is not None for i in segment.inputs + segment.outputs)
    require(static, "a device segment has a value of unknown size")


def _check_interface(
    role: str, specs: tuple[TensorSpec, ...], ids: tuple[int, ...], values: tuple[ValueSpec, ...]
) -> None:
    require(len(ids) == len(specs), f"a program has {len(ids)} {role}s, not {len(specs)}")
    for spec, value in zip(specs, (values[index] for index in ids), strict=True):
        same = value.dtype == spec.dtype and (value.shape is None or _fits(value.shape, spec.shape))
        require(same, f"a program's {role} differs from {spec}")


def _fits(shape: tuple[int, ...], spec: tuple[int | str, ...]) -> bool:
    """Whether `shape` is one that `spec` allows; symbols allow any size."""
    return len(shape) == len(spec) and all(
        isinstance(wanted, str) or size == wanted for size, wanted in zip(shape, spec, strict=True)
    )
