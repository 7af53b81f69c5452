"""ncc opt: passes on the text of a graph."""

from __future__ import annotations

from pathlib import Path

import click

from ncc.cli.graph_text import STDIO, read_graph, write_text
from ncc.cli.output import say
from ncc.ir.rewrite import Trace
from ncc.ir.text.printer import to_text
from ncc.ir.verify import verify
from ncc.passes import read_steps, run_passes


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-p",
    "--passes",
    metavar="PASS,PASS",
    default="",
    help="In order, options in brackets: canonicalize,autocast(to=bf16). Without: parse and print.",
)
@click.option(
    "--dump-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the graph before and after each pass here.",
)
@click.option("--trace", is_flag=True, help="Say on stderr what each rule did, or why it did not.")
def command(file: Path, passes: str, dump_dir: Path | None, trace: bool) -> None:
    """Run passes on the text of a graph in FILE (- is stdin), and print the text of the result."""
    steps = read_steps(passes) if passes.strip() else []
    if dump_dir is not None:
        dump_dir.mkdir(parents=True, exist_ok=True)
    record = Trace()
    graph = run_passes(read_graph(file), steps, trace=record, dump_dir=dump_dir)
    verify(graph)
    if trace:
        for line in record.lines:
            say(line)
    write_text(to_text(graph), STDIO)
