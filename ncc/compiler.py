"""The whole pipeline on one page: a model, through the phases, to a bundle."""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from onnx import ModelProto

from ncc.backends.interface import Backend, Refusal, Target
from ncc.backends.registry import backend_of, resolve_all
from ncc.bundle import Bundle, assemble
from ncc.diagnostics import ExitCode, NccError, file_name, meant, merge_locs
from ncc.frontends.onnx import import_onnx
from ncc.ir.graph import Builder, Graph, Node, Value
from ncc.ir.op import load_ops
from ncc.ir.ops.segment import Placement, Segment
from ncc.ir.types import DType
from ncc.ir.verify import conform, verify
from ncc.options import TUNING_BUDGET, AutoCast, Level, Options
from ncc.passes import dump as write_dump
from ncc.passes.autocast import Mode, autocast
from ncc.passes.byte_products import byte_products
from ncc.passes.byte_tables import byte_tables
from ncc.passes.canonicalize import canonicalize
from ncc.passes.cse import cse
from ncc.passes.dce import dce
from ncc.passes.decompose import decompose
from ncc.passes.fewer_best import fewer_best
from ncc.passes.fold import fold
from ncc.passes.fold_scale import fold_scale
from ncc.passes.fuse import constant_values
from ncc.passes.integer_products import integer_products
from ncc.passes.lift_scale import lift_scale
from ncc.passes.narrow_storage import narrow_storage
from ncc.passes.order import order
from ncc.passes.place import place
from ncc.passes.sensitive import sensitive
from ncc.passes.share_matrices import share_matrices
from ncc.passes.specs import BOUND, on_device
from ncc.passes.unsigned_bytes import unsigned_bytes
from ncc.passes.widen_f16 import widen_f16
from ncc.passes.widen_integers import widen_integers
from ncc.passes.widen_late import widen_late
from ncc.tuning.choices import Choices, check_choices

Model = str | PathLike[str] | ModelProto
Progress = Callable[[str], None]


def simplify(graph: Graph, options: Options, target: Target) -> Graph:
    """The same numbers from fewer nodes."""
    graph = cse(fold(integer_products(canonicalize(graph))))
    graph = cse(canonicalize(fold_scale(share_matrices(lift_scale(graph)))))
    return dce(fewer_best(graph))


def precision(graph: Graph, options: Options, target: Target) -> Graph:
    """Explicit casts to the narrow type; what only rounds is stored rounded."""
    graph = widen_f16(graph)
    if target.has_byte_dot:
        graph = byte_products(canonicalize(unsigned_bytes(graph)))
    graph = byte_tables(graph)
    if not target.has_bf16_dot:
        graph = widen_integers(graph)
    mode = Mode(precision_mode(options, target).value)
    to = DType(options.auto_cast_type)
    keep = options.keep_fp32
    graph = autocast(graph, mode=mode, to=to, keep_fp32=keep, spare=sensitive)
    _require_match(graph, keep)
    return cse(canonicalize(narrow_storage(widen_late(cse(graph)))))


def _require_match(graph: Graph, expression: str) -> None:
    """Refuse a regular expression that is found in the name of no node."""
    names = dict.fromkeys(loc.node for node in graph.nodes for loc in node.locs)
    if not any(re.search(expression, name) for name in ("", *names)):
        raise NccError(
            "unmatched-name",
            f"--keep-fp32 '{expression}' is found in the name of no node",
            exit=ExitCode.USAGE,
            hint=meant(expression, names, f"some names are {', '.join([*names][:3])}"),
        )


def partition(graph: Graph, options: Options, target: Target) -> Graph:
    """Composites in parts that the backend takes, then segments of device and host."""
    refusal = backend_of(target).refusal
    graph = cse(canonicalize(decompose(graph, takes=lambda node: refusal(node) is None)))
    if not options.host:
        _require_device(graph, refusal)
    return place(graph, refusal=refusal)


def schedule(graph: Graph, options: Options, target: Target) -> Graph:
    """Kernels in the order that needs the least memory at once."""
    return _each_device_body(graph, order)


def group(graph: Graph, options: Options, target: Target) -> Graph:
    """Nodes that run as one kernel, fused."""
    kernels = backend_of(target).kernels
    return _each_device_body(graph, lambda body: kernels(body, target))


Phase = Callable[[Graph, Options, Target], Graph]

PHASES: dict[str, Phase] = {
    "simplify": simplify,
    "precision": precision,
    "place": partition,
    "fuse": group,
    "order": schedule,
}
"""By name, in order. What follows, `lower`, is the backend's: layout, memory, machine code."""


POINTS = ("import", *PHASES)
"""Where a graph can be looked at, and compilation resumed: after each of these."""


def phases_after(done: str, last: str = POINTS[-1]) -> list[str]:
    """The phases that lead from a graph after `done` to one after `last`, two of `POINTS`."""
    return list(POINTS[POINTS.index(done) + 1 : POINTS.index(last) + 1])


def compile(
    model: Model,
    *,
    target: str = "native",
    auto_cast: str | None = None,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int | str, ...]] | None = None,
    keep_fp32: str = "",
    host: bool = True,
    allow_nan: bool = False,
    level: int = Level.O2.value,
    tuning: str | PathLike[str] | None = None,
    tuning_budget: float = TUNING_BUDGET,
    strict: bool = False,
) -> Bundle:
    """Compile an ONNX model, given as a path or in memory, to a bundle that can be saved.

    `dims` binds symbols, `shapes` whole inputs; the other arguments are those of the command line,
    `level` that of -O. Kernels that the file `tuning` lacks are warned of. NccError with the code
    and node of the problem.
    """
    _require_text(target=target, keep_fp32=keep_fp32)
    options = Options(
        target=target,
        auto_cast=None if auto_cast is None else _auto_cast(auto_cast),
        dims=_sizes(dims or {}),
        shapes=_shapes(shapes or {}),
        keep_fp32=keep_fp32,
        host=host,
        allow_nan=allow_nan,
        level=_level(level),
        tuning="" if tuning is None else str(tuning),
        tuning_budget=tuning_budget,
        strict=strict,
    )
    resolve_all(target)
    graph = import_model(model, options)
    bundle = compile_graph(graph, options, source=source_name(model))
    if tuning is not None and (missed := untuned(bundle.report)):
        warnings.warn(missed, stacklevel=2)
    return bundle


def _require_text(**options: object) -> None:
    """Refuse lists of targets, and patterns that are compiled already."""
    for name, value in options.items():
        if not isinstance(value, str):
            message = f"{name} is a string, not {type(value).__name__}"
            raise NccError("usage", message, exit=ExitCode.USAGE)


def _sizes(dims: Mapping[str, int]) -> dict[str, int]:
    """`dims` as plain integers: numpy's are no part of a bundle."""
    try:
        return {name: operator.index(size) for name, size in dims.items()}
    except TypeError:
        raise NccError(
            "bad-dims", f"dims {dims}: a size is an integer", exit=ExitCode.USAGE
        ) from None


def _shapes(shapes: Mapping[str, Sequence[int | str]]) -> dict[str, tuple[int | str, ...]]:
    """`shapes` with plain integers; strings are names of symbols."""
    try:
        return {
            name: tuple(size if isinstance(size, str) else operator.index(size) for size in shape)
            for name, shape in shapes.items()
        }
    except TypeError:
        message = f"shapes {shapes}: a shape is a tuple of integers and names"
        raise NccError("bad-dims", message, exit=ExitCode.USAGE) from None


def untuned(report: Mapping[str, Any]) -> str:
    """A sentence on the kernels that a tuning file lacked; empty if there are none."""
    count = len(report["untuned_kernels"])
    return f"the tuning file has no entry for {count} kernels of the model" if count else ""


def _level(number: int) -> Level:
    if number not in {level.value for level in Level}:
        raise NccError("usage", f"there is no level {number}; 1 to 3 are", exit=ExitCode.USAGE)
    return Level(number)


def _auto_cast(name: str) -> AutoCast:
    names = [mode.value for mode in AutoCast]
    if name not in names:
        message = f"there is no auto_cast '{name}'"
        hint = meant(name, names, f"it is one of {', '.join(names)}")
        raise NccError("usage", message, exit=ExitCode.USAGE, hint=hint)
    return AutoCast(name)


def import_model(model: Model, options: Options) -> Graph:
    """The graph of a model with every size bound."""
    load_ops()
    if not isinstance(model, str | PathLike | ModelProto):
        kind = type(model).__name__
        raise NccError(
            "usage",
            f"a model is a path or an onnx.ModelProto, not {kind}",
            exit=ExitCode.USAGE,
            hint="onnx.load_from_string makes a model of bytes",
        )
    source = model if isinstance(model, ModelProto) else Path(model)
    return import_onnx(
        source, dims=options.dims, shapes=options.shapes, allow_nan=options.allow_nan
    )


def run_phases(
    graph: Graph,
    options: Options,
    target: Target,
    names: Sequence[str],
    *,
    dump: Path | None = None,
    progress: Progress = lambda _: None,
) -> Graph:
    """`graph` after the phases `names`, checked after each.

    With `dump`, an existing folder, the text before and after each phase is written there.
    """
    write_dump(graph, dump, 0, "import")
    for index, name in enumerate(names, 1):
        progress(name)
        try:
            graph = PHASES[name](graph, options, target)
        except NccError as error:
            raise error.located(during=name) from None
        _check(graph, name, backend_of(target))
        write_dump(graph, dump, index, name)
    return graph


def compile_graph(
    graph: Graph,
    options: Options,
    *,
    source: str,
    done: str = "import",
    dump: Path | None = None,
    progress: Progress = lambda _: None,
) -> Bundle:
    """The bundle of `graph`, which has been through the phases up to `done`."""
    targets = resolve_all(options.target)
    check_choices(options)
    graphs: dict[Target, Graph] = {}
    for target in targets:
        view = _for_target(target, dump, progress) if len(targets) > 1 else (dump, progress)
        graphs[target] = run_phases(
            graph, options, target, phases_after(done), dump=view[0], progress=view[1]
        )
    progress("lower")
    recorded = _recorded(options, targets)
    with Choices(options, len(targets)) as choices:
        bundle = assemble(graphs, source=source, options=recorded, tuning=choices.tuning)
        choices.keep(bundle.tuned)
    return bundle


def _for_target(
    target: Target, dump: Path | None, progress: Progress
) -> tuple[Path | None, Progress]:
    """Where the phases for one of several targets write, and how their names are shown."""
    if dump is not None:
        dump = dump / target.name
        dump.mkdir(exist_ok=True)
    return dump, lambda name: progress(f"{name} for {target.name}")


def _recorded(options: Options, targets: Sequence[Target]) -> dict[str, object]:
    """What the bundle says of how it was made; `auto_cast` is that of the best target."""
    modes = {target.name: precision_mode(options, target).value for target in targets}
    rounds = set(modes.values()) != {AutoCast.none.value}
    return {
        "target": ",".join(modes),
        "auto_cast": modes[targets[0].name],
        "auto_cast_by_target": modes,
        "auto_cast_type": options.auto_cast_type if rounds else "",
        "keep_fp32": options.keep_fp32,
        "level": options.level.value,
        "dims": dict(sorted(options.dims.items())),
        "shapes": {name: list(shape) for name, shape in sorted(options.shapes.items())},
    }


def precision_mode(options: Options, target: Target) -> AutoCast:
    """What the user asked for, or what suits the target."""
    if options.auto_cast is not None:
        return options.auto_cast
    return AutoCast.matmult if target.has_bf16_dot else AutoCast.none


def source_name(model: Model) -> str:
    """The name by which the bundle and its errors call the model."""
    return "model" if isinstance(model, ModelProto) else file_name(Path(model))


def _check(graph: Graph, phase: str, backend: Backend) -> None:
    """Assert that a phase kept to what those after it rely on."""
    verify(graph)
    conform(graph, BOUND)
    for node in graph.nodes:
        if isinstance(node.op, Segment) and node.op.placement is Placement.device:
            _check_device(node.op.body, SPECS[phase](backend))


def _check_device(body: Graph, refusal: Refusal) -> None:
    constant = constant_values(body)
    allows = on_device(lambda node: None if node.results[0] in constant else refusal(node))
    conform(body, allows)


SPECS: dict[str, Callable[[Backend], Refusal]] = {
    "place": lambda backend: backend.refusal,
    "fuse": lambda backend: backend.ungrouped,
    "order": lambda backend: backend.ungrouped,
}
"""Why a node may not stand in a device segment after a phase."""


def _each_device_body(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    def visit(build: Builder, node: Node) -> tuple[Value, ...] | None:
        op = node.op
        if not isinstance(op, Segment) or op.placement is Placement.host:
            return None
        return build.node(Segment(change(op.body), op.placement), *node.operands).results

    return graph.rebuild(visit)


def _require_device(graph: Graph, refusal: Refusal) -> None:
    """One error for all nodes that would run on the host, with the reason of each kind."""
    constant = constant_values(graph)
    refused = [
        (node, reason)
        for node in graph.nodes
        if node.results[0] not in constant and (reason := refusal(node))
    ]
    if refused:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in refused))
        raise NccError(
            "host-segment",
            f"{len(refused)} nodes have no code for the device: {reasons}",
            exit=ExitCode.UNSUPPORTED,
            locs=merge_locs(node.locs for node, _ in refused),
            hint="compile without --no-host to run them on the host",
        )
