"""Read a ModelProto without its weights.

Protobuf copies every `bytes` field that it parses, so a 2 GB model would cost 2 GB before the
first node is seen. Here the file is mapped, its wire format is walked (tag, length, payload), and
a lean copy is made in which each large tensor refers to the place of its bytes in the file: as
ONNX external data of the model's own file. Only the lean copy is parsed.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from onnx import ModelProto, StringStringEntryProto, TensorProto

from ncc.frontends.onnx.external import ITSELF
from ncc.ir.literal import INLINE_LIMIT

MAX_DEPTH = 100
"""Nesting of messages, as in protobuf's own parsers."""

MAX_LEAN = (1 << 31) - 1
"""Bytes of a model without its weights: what protobuf parses."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


class WireError(ValueError):
    """The bytes are not a protobuf message of the expected kind."""


class _Field(NamedTuple):
    """One field of a message: where its tag starts, and where its payload does and ends."""

    number: int
    wire: int
    start: int
    payload: int
    end: int


def parse_lean(data: memoryview) -> ModelProto:
    """The model in `data`; WireError when it is not one.

    Tensor data of more than INLINE_LIMIT bytes is replaced by external data with location `ITSELF`,
    and offset and length relative to `data`.
    """
    model = ModelProto()
    lean = _lean(data, 0, len(data), ModelProto.DESCRIPTOR, MAX_DEPTH)
    if len(lean) > MAX_LEAN:
        raise WireError("it has more than 2 GB besides its tensors")
    try:
        model.ParseFromString(lean)
    except DecodeError:
        raise WireError("its protobuf fields are malformed") from None
    return model


def _lean(data: memoryview, start: int, end: int, message: Any, depth: int) -> bytes:
    """The message in data[start:end] with large tensor data replaced."""
    if end - start <= INLINE_LIMIT:
        return bytes(data[start:end])
    if not depth:
        raise WireError(f"its messages nest deeper than {MAX_DEPTH}")
    if message is TensorProto.DESCRIPTOR:
        return _lean_tensor(data, start, end)
    inner = _messages_with_tensors(message)
    parts: list[bytes] = []
    for field in _fields(data, start, end):
        if field.wire == _BYTES and field.number in inner:
            body = _lean(data, field.payload, field.end, inner[field.number], depth - 1)
            parts += [_varint_bytes(field.number << 3 | _BYTES), _varint_bytes(len(body)), body]
        else:
            parts.append(bytes(data[field.start : field.end]))
    return b"".join(parts)


def _lean_tensor(data: memoryview, start: int, end: int) -> bytes:
    """A TensorProto whose large raw or packed floating-point data is a reference."""
    fields = list(_fields(data, start, end))
    large = [field for field in fields if field.end - field.payload > INLINE_LIMIT]
    bulk = next((field for field in reversed(large) if field.number in _BULK), None)
    if bulk is None or not _is_whole(fields, bulk):
        return bytes(data[start:end])
    kept = b"".join(bytes(data[f.start : f.end]) for f in fields if f.number != bulk.number)
    reference = TensorProto(
        data_location=TensorProto.EXTERNAL,
        external_data=[
            StringStringEntryProto(key=key, value=str(value))
            for key, value in (
                ("location", ITSELF),
                ("offset", bulk.payload),
                ("length", bulk.end - bulk.payload),
            )
        ],
    )
    return kept + bytes(reference.SerializeToString())


_BULK = {
    TensorProto.RAW_DATA_FIELD_NUMBER,
    TensorProto.FLOAT_DATA_FIELD_NUMBER,
    TensorProto.DOUBLE_DATA_FIELD_NUMBER,
}
"""Fields that hold elements as they lie in memory, when packed: little-endian, dense."""


def _is_whole(fields: list[_Field], bulk: _Field) -> bool:
    """Whether `bulk` holds all elements in one dense piece."""
    same = [field for field in fields if field.number == bulk.number]
    return len(same) == 1 and bulk.wire == _BYTES


@functools.cache
def _messages_with_tensors(message: Descriptor) -> dict[int, Descriptor]:
    """The fields of a message type that hold messages in which tensors can be."""
    return {
        field.number: field.message_type
        for field in message.fields
        if field.message_type is not None and field.message_type.name in _WITH_TENSORS
    }


_WITH_TENSORS = {
    "GraphProto",
    "NodeProto",
    "AttributeProto",
    "TensorProto",
    "SparseTensorProto",
    "FunctionProto",
}


def _fields(data: memoryview, start: int, end: int) -> Iterator[_Field]:
    """The fields of the message in data[start:end], checked to lie inside it."""
    at = start
    while at < end:
        tag, payload = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            _, stop = _varint(data, payload, end)
        elif wire == _BYTES:
            length, payload = _varint(data, payload, end)
            stop = payload + length
        elif wire in _FIXED:
            stop = payload + _FIXED[wire]
        else:
            raise WireError(f"byte {at} has wire type {wire}, which ONNX does not use")
        if not number:
            raise WireError(f"the field at byte {at} has number 0")
        if stop > end:
            raise WireError(f"the field at byte {at} ends {stop - end} bytes after its message")
        yield _Field(number, wire, at, payload, stop)
        at = stop


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """The base-128 number at byte `at`, and where it ends."""
    value = 0
    for index in range(10):
        if at + index >= end:
            raise WireError(f"it ends inside the number at byte {at}")
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise WireError(f"the number at byte {at} has more than ten bytes")


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
