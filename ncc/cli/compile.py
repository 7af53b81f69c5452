"""ncc compile: a model in, a bundle out; or the text of its graph between two phases."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ncc.backends.interface import Target
from ncc.backends.registry import resolve_all
from ncc.cli.graph_text import write_text
from ncc.cli.output import Table, emit, format_option, quantity, say, sheet
from ncc.cli.progress import phases
from ncc.cli.resume import read_after
from ncc.cli.seconds import Seconds
from ncc.cli.sizes import Shape
from ncc.cli.sizes import dims as read_dims
from ncc.cli.sizes import shapes as read_shapes
from ncc.cli.summary import facts, figures, host_table
from ncc.compiler import (
    POINTS,
    compile_graph,
    import_model,
    phases_after,
    run_phases,
    source_name,
    untuned,
)
from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Graph
from ncc.ir.text.printer import to_text
from ncc.neff.atomic import check_target
from ncc.neff.reader import open_bundle
from ncc.options import TUNING_BUDGET, AutoCast, Level, Options

IMPORT = POINTS[0]
RARELY = (100_000, 20, 20)
"""Thresholds of the garbage collector: graphs are much to look at and leave little garbage."""


@dataclass(frozen=True)
class Job:
    """A compilation: from the model, or the text of a graph after phase `done`, to `output`."""

    model: Path
    output: str
    options: Options
    done: str | None
    dump: Path | None

    def graph(self) -> Graph:
        """The graph to begin with."""
        if self.done is None:
            return import_model(self.model, self.options)
        (target, *_) = resolve_all(self.options.target)
        return read_after(self.done, self.model, target)

    def source(self, graph: Graph) -> str:
        """The model's name: text remembers the file that its nodes are from."""
        files = (loc.file for node in graph.nodes for loc in node.locs)
        return (self.done and next(files, "")) or source_name(self.model)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="OUT", required=True, help="The bundle to write.")
@click.option(
    "--target",
    default="native",
    show_default=True,
    metavar="NAME[,NAME]",
    help="See ncc list-targets; with several, the runtime takes the best that it can.",
)
@click.option(
    "--auto-cast",
    type=click.Choice([mode.value for mode in AutoCast]),
    help="Which f32 values are rounded. Default: matmult where the target multiplies bf16.",
)
@click.option("--auto-cast-type", type=click.Choice(["bf16"]), default="bf16", show_default=True)
@click.option("--keep-fp32", metavar="REGEX", default="", help="Nodes that are not rounded.")
@click.option(
    "--dim",
    "dims",
    multiple=True,
    callback=read_dims,
    metavar="NAME=8",
    help="Bind a symbol to a size.",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    callback=read_shapes,
    metavar="X=1x3x224x224",
    help="Give an input its shape.",
)
@click.option("--no-host", is_flag=True, help="Refuse nodes that only the host can run.")
@click.option("--allow-nan", is_flag=True, help="Take weights that hold NaN.")
@click.option(
    "-O",
    "level",
    type=click.Choice([str(level.value) for level in Level]),
    default=str(Level.O2.value),
    show_default=True,
    help="1: compile fast; 2: choose by a cost model; 3: measure on this machine.",
)
@click.option(
    "--tuning",
    metavar="FILE",
    default="",
    help="Choose as FILE says; -O3 adds what it measures.",
)
@click.option(
    "--tuning-budget",
    type=Seconds(min=0),
    default=TUNING_BUDGET,
    show_default=True,
    metavar="SECONDS",
    help="How long -O3 measures.",
)
@click.option("--strict", is_flag=True, help="Refuse kernels that the tuning file lacks.")
@click.option(
    "--dump-ir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the graph after each phase here.",
)
@click.option(
    "--to", type=click.Choice(POINTS), help="Stop after this phase and write text; - is stdout."
)
@click.option(
    "--from", "done", type=click.Choice(POINTS), help="MODEL is text that --to wrote; go on."
)
@format_option
def command(
    model: Path,
    output: str,
    target: str,
    auto_cast: str | None,
    auto_cast_type: str,
    keep_fp32: str,
    dims: dict[str, int],
    shapes: dict[str, Shape],
    no_host: bool,
    allow_nan: bool,
    level: str,
    tuning: str,
    tuning_budget: float,
    strict: bool,
    dump_ir: Path | None,
    to: str | None,
    done: str | None,
    form: str,
) -> None:
    """Compile MODEL, an ONNX file, into the bundle OUT."""
    options = Options(
        target=target,
        auto_cast=None if auto_cast is None else AutoCast(auto_cast),
        auto_cast_type=auto_cast_type,
        keep_fp32=keep_fp32,
        dims=dims,
        shapes=shapes,
        host=not no_host,
        allow_nan=allow_nan,
        level=Level(int(level)),
        tuning=tuning,
        tuning_budget=tuning_budget,
        strict=strict,
    )
    job = Job(model, output, options, done, dump_ir)
    machines = resolve_all(target)
    _check_paths(job, text=to is not None)
    if to is not None:
        _write_graph(job, _only(machines), to)
        return
    begin = time.perf_counter()
    gc.set_threshold(*RARELY)
    _write_bundle(job, len(machines))
    result = _result(job, time.perf_counter() - begin)
    emit(form, result, lambda: _lines(result))


def _check_paths(job: Job, *, text: bool) -> None:
    """Refuse what cannot be written before any work is done."""
    if not (text and job.output == "-"):
        target = check_target(Path(job.output))
        if job.model.exists() and target.exists() and target.samefile(job.model):
            message = f"cannot write {job.output}: it is the model"
            raise NccError("output-path", message, exit=ExitCode.USAGE)
    if job.dump is not None:
        job.dump.mkdir(parents=True, exist_ok=True)


def _only(targets: Sequence[Target]) -> Target:
    """A graph in the middle of compilation is for one target."""
    if len(targets) > 1:
        names = ", ".join(target.name for target in targets)
        raise click.UsageError(f"--to takes one target, not {names}")
    return targets[0]


def _write_graph(job: Job, target: Target, last: str) -> None:
    names = phases_after(job.done or IMPORT, last)
    if job.done is not None and not names:
        raise click.UsageError(f"--to {last} does not come after --from {job.done}")
    with phases(len(names) + 1) as show:
        show(_first(job))
        graph = job.graph()
        graph = run_phases(graph, job.options, target, names, dump=job.dump, progress=show)
    write_text(to_text(graph), job.output)


def _write_bundle(job: Job, targets: int) -> None:
    done = job.done or IMPORT
    with phases(targets * len(phases_after(done)) + 3) as show:
        show(_first(job))
        graph = job.graph()
        source = job.source(graph)
        bundle = compile_graph(
            graph, job.options, source=source, done=done, dump=job.dump, progress=show
        )
        show("write")
        bundle.save(job.output)
    if job.options.tuning and (missed := untuned(bundle.report)):
        say(f"warning: {missed}")


def _first(job: Job) -> str:
    return IMPORT if job.done is None else "read"


def _result(job: Job, seconds: float) -> dict[str, Any]:
    """What there is to say of a bundle that was written."""
    with open_bundle(job.output) as bundle:
        return {
            "bundle": job.output,
            "model": str(job.model),
            **figures(bundle),
            "seconds": round(seconds, 3),
            "peak_memory_bytes": _peak_memory(),
        }


def _peak_memory() -> int:
    """The most memory that this process has held, in bytes; Linux counts in units of 1024."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _lines(result: dict[str, Any]) -> Iterator[str]:
    rows = [
        *facts(result),
        ("compiled", f"in {result['seconds']:.2f} s"),
        ("peak memory", quantity(result["peak_memory_bytes"], "B")),
    ]
    title = f"{result['model']} -> {result['bundle']}"
    return sheet(Table(title, (), rows), host_table(result))
