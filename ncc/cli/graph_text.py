"""The text of graphs, from files and to files."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from ncc.diagnostics import ExitCode, NccError, refuse_without_memory
from ncc.ir.graph import Graph, Node
from ncc.ir.literal import FileSlice
from ncc.ir.ops.weight import Weight
from ncc.ir.text.parser import parse
from ncc.ir.types import TensorType
from ncc.ir.verify import verify
from ncc.neff.atomic import replace_file

STDIO = "-"
_CHUNK = 1 << 22


def read_graph(path: Path) -> Graph:
    """The graph in the file at `path`, or on stdin for `-`; its weights are as they were.

    NccError `parse`, `model-file` (exit 2), `weight-file`, and what ops say of their operands.
    """
    name = "stdin" if str(path) == STDIO else path.name
    try:
        graph = parse(_read(path), file=name)
    except NccError as error:
        raise error.located(during=f"reading {name}") from None
    verify(graph)
    for node in graph.nodes:
        _check_weights(node)
    return graph


def write_text(text: str, path: str) -> None:
    """Write to the file at `path` in one step, or to stdout for `-`."""
    if path == STDIO:
        click.echo(text, nl=False)
    else:
        replace_file(Path(path), partial(_fill, text), lambda _: None)


def _fill(text: str, file: BinaryIO) -> None:
    file.write(text.encode())


def _read(path: Path) -> str:
    stdin = str(path) == STDIO
    if stdin and sys.stdin is None:
        raise NccError("model-file", "cannot read stdin: it is closed", exit=ExitCode.USAGE)
    try:
        return sys.stdin.read() if stdin else path.read_text(encoding="utf-8")
    except OSError as error:
        refuse_without_memory(error)
        reason = (error.strerror or str(error)).lower()
        raise NccError("model-file", f"cannot read {path}: {reason}", exit=ExitCode.USAGE) from None
    except UnicodeDecodeError:
        raise NccError("parse", f"{path} is not text in UTF-8") from None


def _check_weights(node: Node) -> None:
    """Weights are slices of files, which may have changed since the text was written."""
    if isinstance(node.op, Weight) and node.op.slice is not None:
        _check_slice(node.op.label, node.op.slice, node.op.type)
    for attribute in vars(node.op).values():
        if isinstance(attribute, Graph):
            for inner in attribute.nodes:
                _check_weights(inner)


def _check_slice(label: str, slice: FileSlice, type: TensorType) -> None:
    try:
        there = slice.nbytes == type.nbytes and _digest(slice) == slice.sha256
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _changed(label, f"cannot read {slice.file}: {reason}") from None
    if not there:
        raise _changed(label, f"{slice.file} is not the file that the text was made of")


def _changed(label: str, reason: str) -> NccError:
    return NccError(
        "weight-file",
        f"weight '{label}': {reason}",
        hint="keep the model's files in place, or write the text again with --to",
    )


def _digest(slice: FileSlice) -> str:
    """The sha256, in hexadecimal, of what the file has where the slice is."""
    digest, left = hashlib.sha256(), slice.nbytes
    with open(slice.file, "rb") as file:
        file.seek(slice.offset, os.SEEK_SET)
        while left and (chunk := file.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()
