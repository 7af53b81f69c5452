"""ONNX element types and ours."""

from __future__ import annotations

from onnx import TensorProto

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.types import DType

_DTYPES: dict[int, DType] = {
    TensorProto.FLOAT: DType.f32,
    TensorProto.DOUBLE: DType.f64,
    TensorProto.FLOAT16: DType.f16,
    TensorProto.BFLOAT16: DType.bf16,
    TensorProto.FLOAT8E4M3FN: DType.f8e4m3,
    TensorProto.FLOAT8E5M2: DType.f8e5m2,
    TensorProto.INT8: DType.i8,
    TensorProto.INT16: DType.i16,
    TensorProto.INT32: DType.i32,
    TensorProto.INT64: DType.i64,
    TensorProto.UINT8: DType.u8,
    TensorProto.UINT16: DType.u16,
    TensorProto.UINT32: DType.u32,
    TensorProto.UINT64: DType.u64,
    TensorProto.INT4: DType.i4,
    TensorProto.UINT4: DType.u4,
    TensorProto.BOOL: DType.bool,
    TensorProto.STRING: DType.string,
}
_ONNX = {dtype: number for number, dtype in _DTYPES.items()}


def dtype_of(number: int) -> DType:
    """The element type that `TensorProto.DataType` number stands for."""
    if number in _DTYPES:
        return _DTYPES[number]
    if number not in TensorProto.DataType.values() or number == TensorProto.UNDEFINED:
        raise NccError("invalid-model", f"{number} is not an element type of ONNX")
    raise NccError(
        "unsupported-dtype",
        f"element type {TensorProto.DataType.Name(number).lower()} is not supported",
        exit=ExitCode.UNSUPPORTED,
        hint=f"cast to one of {', '.join(dtype.value for dtype in _ONNX)} in the model",
    )


def onnx_dtype(dtype: DType) -> int:
    """The `TensorProto.DataType` number of an element type; KeyError if ONNX has none."""
    return _ONNX[dtype]
