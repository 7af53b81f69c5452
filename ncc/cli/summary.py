"""What a bundle is and how it was made: the numbers, and how they read."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ncc.cli.output import Table, quantity, share
from ncc.neff.reader import Bundle

Figures = Mapping[str, Any]

PRECISION = {
    "none": "every type as the model says",
    "matmult": "products of {type} summed in f32, the rest as the model says",
    "all": "f32 tensors stored as {type}, products of {type} summed in f32",
}


def figures(bundle: Bundle) -> dict[str, Any]:
    """The numbers of `bundle`, plain and exact, under the names that JSON output has."""
    manifest = bundle.manifest
    return {
        "uuid": str(uuid.UUID(bytes=bundle.header.uuid)),
        "source": manifest.source,
        "producer": manifest.producer,
        "bundle_bytes": os.fstat(bundle.file).st_size,
        "options": manifest.options,
        **manifest.report,
    }


def facts(figures: Figures) -> Iterator[tuple[str, str]]:
    """Names and values for people: precision, work, memory, sizes."""
    get = figures.get
    yield "target", _target(figures["options"])
    yield "precision", precision(figures["options"])
    yield from _other_precisions(figures["options"])
    yield from _choices(figures)
    yield "ops", f"{get('ops', 'unknown')}, {share(get('device_ops'), get('ops'))} on the device"
    work, on_device = quantity(get("flops"), "FLOP"), share(get("device_flops"), get("flops"))
    yield "arithmetic", f"{work}, {on_device} on the device"
    yield "kernels", f"{get('kernels', 'unknown')}, {get('calls', 'unknown')} calls"
    yield "code", quantity(get("code_bytes"), "B")
    yield "weights", quantity(get("weights_bytes"), "B")
    bound = quantity(get("arena_lower_bound"), "B")
    yield "arena", f"{quantity(get('arena_bytes'), 'B')}, lower bound {bound}"
    yield "bundle", quantity(get("bundle_bytes"), "B")


def _target(options: Figures) -> str:
    return str(options.get("target", "unknown")).replace(",", ", ")


def _choices(figures: Figures) -> Iterator[tuple[str, str]]:
    """Who chose what kernels leave open, where it was not the cost model alone."""
    level, tuned = figures["options"].get("level"), figures.get("tuned_kernels")
    if level not in {None, 2} or tuned:
        yield "choices", f"-O{level}, {tuned or 0} kernels as tuned"


def _other_precisions(options: Figures) -> Iterator[tuple[str, str]]:
    """Where a target rounds otherwise than the best one does."""
    modes = options.get("auto_cast_by_target")
    for target, mode in modes.items() if isinstance(modes, dict) else ():
        if mode != options["auto_cast"]:
            yield f"on {target}", precision({**options, "auto_cast": mode})


def precision(options: Figures) -> str:
    """What rounds and what does not, with the flag that says so."""
    mode = str(options.get("auto_cast", ""))
    if mode not in PRECISION:
        return "unknown"
    kept = options.get("keep_fp32")
    text = PRECISION[mode].format(type=options.get("auto_cast_type", ""))
    return f"{text} (--auto-cast {mode}{f', --keep-fp32 {kept}' if kept else ''})"


def host_table(figures: Figures) -> Table | None:
    """The nodes that run on the host, each with the reason; None if there are none."""
    reasons = figures.get("host_reasons")
    if not isinstance(reasons, dict) or not reasons:
        return None
    prefix = f"{figures['source']}, "
    rows = [(str(node).removeprefix(prefix), reason) for node, reason in reasons.items()]
    return Table("on the host", ("node", "because"), rows)
