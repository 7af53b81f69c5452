"""Tensors of the model: literals when small, weights that stay in their file when large."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, numpy_helper

from ncc.diagnostics import NccError
from ncc.frontends.onnx.dtypes import dtype_of
from ncc.frontends.onnx.external import Extent, locate
from ncc.frontends.onnx.spill import spill
from ncc.ir.literal import INLINE_LIMIT, FileSlice, Literal
from ncc.ir.op import Op, unsupported
from ncc.ir.ops.constant import Constant
from ncc.ir.ops.weight import Weight
from ncc.ir.types import DType, TensorType

MAX_ELEMENTS = 1 << 40
"""A tensor that claims more is refused before anything is allocated."""
MAX_AXES = 32
"""As many as a bundle can tell of."""

_CHUNK = 1 << 22
_NIBBLES = (DType.i4, DType.u4)


@dataclass(frozen=True)
class Tensors:
    """Makes the op that yields a TensorProto of the model in `file`.

    Floats that are NaN are refused unless `allow_nan`. Each byte is read once, for that and for
    its digest, however often a graph is made of the model.
    """

    file: Path
    allow_nan: bool = False
    scanned: dict[tuple[Extent, DType], tuple[str, bool]] = field(default_factory=dict)

    def op(self, proto: TensorProto, name: str) -> Op:
        """A `constant` or a `weight` called `name`."""
        type = tensor_type(proto, name)
        if type.dtype is DType.string:
            raise unsupported(f"tensor '{name}' holds strings")
        if proto.data_location == TensorProto.EXTERNAL:
            extent = locate(proto, self.file, _stored_bytes(type))
            if type.dtype not in _NIBBLES:
                return self._mapped(extent, type, name)
            data = _bytes(extent).read(_plain(extent)).tobytes()
            proto = TensorProto(dims=proto.dims, data_type=proto.data_type, raw_data=data)
        return self._decoded(_elements(proto, type, name), type, name)

    def _mapped(self, extent: Extent, type: TensorType, name: str) -> Op:
        key = (extent, type.dtype)
        if key not in self.scanned:
            self.scanned[key] = _scan(extent, type.dtype)
        digest, has_nan = self.scanned[key]
        if has_nan and not self.allow_nan:
            raise _nan_error(name)
        found = FileSlice(str(extent.file), extent.offset, extent.nbytes, digest)
        if type.nbytes <= INLINE_LIMIT:
            return Constant(Literal.of(found.read(type)))
        return Weight(name, type, found)

    def _decoded(self, array: npt.NDArray[Any], type: TensorType, name: str) -> Op:
        if type.nbytes > INLINE_LIMIT:
            file = spill(np.ascontiguousarray(array).view(np.uint8).data)
            return self._mapped(Extent(file, 0, type.nbytes), type, name)
        if type.dtype.is_float and not self.allow_nan and np.isnan(array).any():
            raise _nan_error(name)
        return Constant(Literal.of(array))


def tensor_type(proto: TensorProto, name: str) -> TensorType:
    """The type that a TensorProto claims, with sizes that can exist."""
    dims = tuple(proto.dims)
    if any(dim < 0 for dim in dims) or math.prod(dims) > MAX_ELEMENTS:
        raise NccError("invalid-model", f"tensor '{name}' claims the impossible shape {list(dims)}")
    type = TensorType(dtype_of(proto.data_type), dims)
    require_possible(type, f"tensor '{name}'")
    return type


def require_possible(type: TensorType, what: str) -> None:
    """NccError unless there can be a tensor of this type."""
    if type.rank > MAX_AXES:
        raise unsupported(f"{what} has {type.rank} axes, more than {MAX_AXES}")
    if type.is_static and type.size > MAX_ELEMENTS:
        raise NccError("invalid-model", f"{what} is impossibly large: {type}")


def _stored_bytes(type: TensorType) -> int:
    """Bytes of a tensor in ONNX's raw layout, which packs two 4-bit integers in a byte."""
    return (type.size + 1) // 2 if type.dtype in _NIBBLES else type.nbytes


def _elements(proto: TensorProto, type: TensorType, name: str) -> npt.NDArray[Any]:
    """The elements of a tensor that stands in the ModelProto, after checking their number."""
    if proto.HasField("raw_data"):
        wanted, given, unit = _stored_bytes(type), len(proto.raw_data), "bytes"
    else:
        field = _typed_field(type.dtype)
        packing = 2 if type.dtype in _NIBBLES else 1
        wanted, given, unit = -(-type.size // packing), len(getattr(proto, field)), field
    if given != wanted:
        raise NccError(
            "invalid-model",
            f"tensor '{name}' of shape {list(type.dims)} needs {wanted} {unit}, not {given}",
        )
    return numpy_helper.to_array(proto).astype(type.dtype.numpy, copy=False)


def _typed_field(dtype: DType) -> str:
    """The field that holds elements of `dtype` when they are not raw."""
    wide = {
        DType.f32: "float_data",
        DType.f64: "double_data",
        DType.i64: "int64_data",
        DType.u32: "uint64_data",
        DType.u64: "uint64_data",
    }
    return wide.get(dtype, "int32_data")


def _nan_error(name: str) -> NccError:
    return NccError(
        "nan-weight",
        f"weight '{name}' holds NaN",
        hint="export the model again from a checkpoint that is finite, or pass --allow-nan",
    )


def _bytes(extent: Extent) -> FileSlice:
    """The bytes of `extent`, whatever they are."""
    return FileSlice(str(extent.file), extent.offset, extent.nbytes, sha256="")


def _plain(extent: Extent) -> TensorType:
    return TensorType(DType.u8, (extent.nbytes,))


def _scan(extent: Extent, dtype: DType) -> tuple[str, bool]:
    """The sha256 of the bytes of `extent`, and whether one of its elements is NaN."""
    file = _bytes(extent)
    data = file.read(_plain(extent))
    digest, has_nan = hashlib.sha256(), False
    for start in range(0, extent.nbytes, _CHUNK):
        chunk = data[start : start + _CHUNK]
        digest.update(chunk.data)
        if dtype.is_float and not has_nan:
            has_nan = bool(np.isnan(chunk.view(dtype.numpy)).any())
    file.release()
    return digest.hexdigest(), has_nan
