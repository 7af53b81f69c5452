"""Small tensors that live in the IR, and slices of mapped files that do not."""

from __future__ import annotations

import functools
import json
import mmap
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ncc.diagnostics import NccError, refuse_without_memory
from ncc.ir.types import DType, TensorType

INLINE_LIMIT = 1024
"""Constants of at most this many bytes are literals; larger ones are weights or expressions."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A tensor by value: hashable, equal when type and bits are."""

    type: TensorType
    data: bytes

    @staticmethod
    def of(array: npt.NDArray[Any]) -> Literal:
        """The literal with the elements of `array`."""
        dense = np.ascontiguousarray(array).reshape(np.shape(array))
        type = TensorType(DType.of(dense.dtype), dense.shape)
        return Literal(type, _pack(dense) if type.dtype is DType.string else dense.tobytes())

    @property
    def array(self) -> npt.NDArray[Any]:
        """The elements, read-only."""
        if self.type.dtype is DType.string:
            return _unpack(self.data).reshape(self.type.dims)
        return np.frombuffer(self.data, self.type.dtype.numpy).reshape(self.type.dims)


def _pack(strings: npt.NDArray[Any]) -> bytes:
    """Strings as bytes: a JSON list."""
    return json.dumps(strings.ravel().tolist()).encode()


def _unpack(data: bytes) -> npt.NDArray[Any]:
    strings = np.array(json.loads(data), object)
    strings.flags.writeable = False
    return strings


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes `offset .. offset + nbytes` of a file, with their sha256.

    `file` is the path to open and takes no part in equality: the digest says what the bytes are.
    """

    file: str = field(compare=False)
    offset: int = field(compare=False)
    nbytes: int
    sha256: str

    def read(self, type: TensorType) -> npt.NDArray[Any]:
        """The slice as a read-only array of `type`, mapped, not copied."""
        if not self.nbytes:
            return np.zeros(type.dims, type.dtype.numpy)
        raw = np.frombuffer(_mapped(self.file), np.uint8, self.nbytes, self.offset)
        return raw.view(type.dtype.numpy).reshape(type.dims)

    def release(self) -> None:
        """Let go of the memory that reading has filled; it may be read again."""
        if self.nbytes:
            start = self.offset - self.offset % mmap.PAGESIZE
            end = self.offset + self.nbytes
            _mapped(self.file).madvise(mmap.MADV_DONTNEED, start, end - start)


def _mapped(file: str) -> mmap.mmap:
    """The whole file, mapped read-only, as it is now."""
    try:
        status = os.stat(file)
        return _mapping(file, (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
    except OSError as error:
        refuse_without_memory(error)
        raise NccError(
            "weight-file",
            f"cannot read the weights in {file}: {error.strerror}",
            hint="keep the model's files in place while it is compiled",
        ) from None


@functools.lru_cache(maxsize=64)
def _mapping(file: str, version: tuple[int, ...]) -> mmap.mmap:
    """A mapping of `file`, shared by the slices of one version of it."""
    with open(file, "rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
