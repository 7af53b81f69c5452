"""External data of ONNX tensors: files beside the model, and nothing else.

https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from onnx import TensorProto

from ncc.diagnostics import NccError

ITSELF = "\0"
"""The location of data in the model's own file: no name that a file can have."""


@dataclass(frozen=True)
class Extent:
    """Bytes `offset .. offset + nbytes` of a file."""

    file: Path
    offset: int
    nbytes: int


def locate(tensor: TensorProto, model: Path, wanted: int) -> Extent:
    """Where the `wanted` bytes of an external tensor lie; NccError if not in a file of the model.

    Locations other than `ITSELF` name a regular file in the model's folder or below it: no
    absolute path, no "..", no symbolic link that leads out, no file with a second name (hard link)
    that may stand elsewhere. Of a model that is a link itself, as in a cache of downloads, a link
    may lead to the folder of the model's file.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    file = model if location == ITSELF else _confined(location, model, tensor.name)
    size = file.stat().st_size
    offset = _number(entries, "offset", 0, tensor.name)
    length = _number(entries, "length", wanted, tensor.name)
    if offset + length > size:
        raise external_error(
            f"'{tensor.name}' lies at bytes {offset}..{offset + length} of {file.name}, "
            f"which has {size}",
            "the file is truncated or belongs to another version of the model; fetch it again",
        )
    if length != wanted:
        raise NccError(
            "invalid-model",
            f"tensor '{tensor.name}' needs {wanted} bytes for its shape, the model gives {length}",
        )
    return Extent(file, offset, length)


def _confined(location: str, model: Path, name: str) -> Path:
    """The regular file at `location` below the folder of `model`."""
    if not location:
        raise external_error(f"'{name}' lies in a file without a name", "")
    parts = re.split(r"[/\\]", location)
    if (
        location[0] in "/\\"
        or re.match(r"[A-Za-z]:", location)
        or ".." in parts
        or "\0" in location
    ):
        raise external_error(f"'{name}' lies outside the model's folder, at {location!r}", _HINT)
    path = model.parent.joinpath(*parts)
    try:
        real = path.resolve(strict=True)
        status = os.stat(real)
    except (OSError, RuntimeError):
        raise external_error(
            f"'{name}' lies in {location!r}, which is missing or cannot be read",
            "put the file beside the model",
        ) from None
    beside = real.parent == model.resolve().parent
    if not beside and not real.is_relative_to(model.parent.resolve()):
        raise external_error(f"'{name}' lies in {location!r}, a link out of the folder", _HINT)
    if not stat.S_ISREG(status.st_mode):
        raise external_error(f"'{name}' lies in {location!r}, which is not a regular file", _HINT)
    if status.st_nlink > 1:
        raise external_error(f"'{name}' lies in {location!r}, a file with several names", _HINT)
    return real


_HINT = "keep the weights in plain files in the model's folder; copy them there if you trust them"


def _number(entries: dict[str, str], key: str, default: int, name: str) -> int:
    text = entries.get(key, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise external_error(f"'{name}' has a {key} that is not a number: {text!r}", "")
    return int(text)


def external_error(message: str, hint: str) -> NccError:
    """The error for weights in other files that are missing, damaged or out of bounds."""
    return NccError("external-data", f"external data of {message}", hint=hint)
