"""From a path or a ModelProto to a lean ModelProto, with errors for what is not a model."""

from __future__ import annotations

import mmap
import stat
from collections.abc import Iterator
from pathlib import Path

import onnx.defs
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError, Message
from onnx import ModelProto

from ncc.diagnostics import ExitCode, NccError, refuse_without_memory
from ncc.frontends.onnx.spill import spill
from ncc.frontends.onnx.wire import WireError, parse_lean

OLDEST_OPSET = 7


def read_model(path: Path, name: str) -> ModelProto:
    """The model in the file at `path`, large tensors replaced by references into the file.

    `name` is what errors call the model.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise NccError("model-file", f"{path} is not a regular file", exit=ExitCode.USAGE)
        with path.open("rb") as handle:
            if not path.stat().st_size:
                raise _not_a_model(name, "it is empty")
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
                model = _parse(memoryview(data), name)
    except (FileNotFoundError, NotADirectoryError):
        message = f"{path} does not exist"
        raise NccError("model-file", message, exit=ExitCode.USAGE) from None
    except OSError as error:
        refuse_without_memory(error)
        reason = (error.strerror or str(error)).lower()
        raise NccError("model-file", f"cannot read {path}: {reason}", exit=ExitCode.USAGE) from None
    _check_header(model, name)
    return model


def write_model(model: ModelProto) -> Path:
    """A temporary file with `model`, so that its weights can be mapped too."""
    try:
        return spill(model.SerializeToString())
    except (EncodeError, ValueError):
        raise NccError(
            "invalid-model",
            "a model in memory is limited to 2 GB by protobuf",
            hint="save it with onnx.save(..., save_as_external_data=True) and give the path",
        ) from None


def _parse(data: memoryview, name: str) -> ModelProto:
    try:
        return parse_lean(data)
    except WireError as error:
        raise _not_a_model(name, str(error), _guess(bytes(data[:512]))) from None
    finally:
        data.release()


def _guess(head: bytes) -> str:
    """What a file may be that starts with `head`, as a hint."""
    if head.startswith(b"\x89NCC\r\n"):
        return "it is a bundle, compiled already: ncc run runs it"
    if head.startswith(b"PK\x03\x04"):
        return "it is a zip archive: unpack it, or export a saved PyTorch model with torch.onnx"
    if all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head):
        return "it is a text file; a model kept in git-lfs is fetched with git lfs pull"
    return "the file may be truncated; fetch or export it again"


def _not_a_model(name: str, reason: str, hint: str = "") -> NccError:
    return NccError("invalid-model", f"{name} is not an ONNX model: {reason}", hint=hint)


def _check_header(model: ModelProto, name: str) -> None:
    """Refuse files that parse and yet hold no model, and opsets outside the supported range."""
    if not all(isinstance(text, str) for text in _texts(model)):
        raise _not_a_model(name, "one of its names is not UTF-8")
    if not model.HasField("graph") or not model.graph.output:
        raise _not_a_model(name, "it has no graph with outputs")
    opset = opsets(model).get("", 0)
    newest = onnx.defs.onnx_opset_version()
    if not opset and any(not node.domain for node in model.graph.node):
        raise _not_a_model(name, "it does not say which opset it uses")
    if opset and not OLDEST_OPSET <= opset <= newest:
        raise NccError(
            "unsupported-opset",
            f"{name} uses opset {opset}; {OLDEST_OPSET} to {newest} are supported",
            exit=ExitCode.UNSUPPORTED,
            hint="convert it with onnx.version_converter, or export it again with another opset",
        )


def _texts(message: Message) -> Iterator[object]:
    """Every string in `message` but documentation; one that is not UTF-8 comes as bytes."""
    for field, value in message.ListFields():
        values = [value] if isinstance(value, str | bytes | Message) else value
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in values:
                yield from _texts(inner)
        elif field.type == FieldDescriptor.TYPE_STRING and field.name != "doc_string":
            yield from values


def opsets(model: ModelProto) -> dict[str, int]:
    """The version of each domain that the model imports; "" is ai.onnx."""
    return {_plain(entry.domain): entry.version for entry in model.opset_import}


def _plain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain
