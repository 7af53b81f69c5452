"""Named tuples of `format` to canonical msgpack and back.

Canonical: the shortest msgpack encoding of each value, map keys in ascending order, each once.
Decoders are made from the annotations of the named tuples, so a field is declared in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgpack

from ncc.neff.errors import damaged, require
from ncc.neff.format import MAX_DEPTH, MAX_ITEMS, MINOR, Manifest

MAX_INT = 2**63 - 1
SCALARS = (NoneType, bool, int, float, str, bytes)


def encode(value: object) -> bytes:
    """The canonical bytes of a named tuple of `format`, or of plain data."""
    packed: bytes = msgpack.packb(_canonical(value, 0))
    return packed


def decode_manifest(data: bytes, minor: int = MINOR) -> Manifest:
    """The manifest in `data`; NccError (integrity) unless it is canonical and well-typed.

    A map may hold keys that this reader does not know only if `minor`, the version of its writer,
    is newer; it may lack keys that have a default only if that is older.
    """
    raw = _unpack(data)
    require(encode(raw) == data, "the manifest is not in canonical form")
    try:
        manifest: Manifest = _decoder(Manifest, (minor > MINOR) - (minor < MINOR))(raw)
    except _WrongError as wrong:
        raise damaged(f"manifest{wrong.path} {wrong}") from None
    return manifest


def _unpack(data: bytes) -> object:
    try:
        return msgpack.unpackb(data, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS)
    except (ValueError, TypeError, MemoryError, msgpack.UnpackException) as error:
        raise damaged(f"the manifest is not msgpack: {str(error) or 'cut short'}") from None


def _canonical(value: object, depth: int) -> object:
    """`value` as lists and maps, every map with its keys in order."""
    if isinstance(value, SCALARS):
        return value
    require(depth <= MAX_DEPTH, f"the manifest is nested deeper than {MAX_DEPTH}")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        require(all(isinstance(key, str) for key in value), "a key in the manifest is not text")
        return {key: _canonical(value[key], depth + 1) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_canonical(item, depth + 1) for item in value]
    raise damaged(f"the manifest holds a {type(value).__name__}")


class _WrongError(Exception):
    """A value that is not of its declared type; `path` leads to it from the root."""

    path = ""

    def under(self, step: str) -> _WrongError:
        self.path = step + self.path
        return self


Decoder = Callable[[Any], Any]


@cache
def _decoder(hint: Any, age: int) -> Decoder:
    """A function from raw msgpack data to a value of type `hint`.

    `age` is 1 for data of a newer minor version than ours, -1 for that of an older one.
    """
    if hasattr(hint, "_fields"):
        return _struct(hint, age)
    origin, args = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return _union({_raw_type(arg): _decoder(arg, age) for arg in args})
    if origin is tuple:
        return _sequence(_decoder(args[0], age))
    if origin is dict:
        return _mapping(_decoder(args[1], age))
    return _LEAVES[hint]


def _struct(cls: Any, age: int) -> Decoder:
    hints = get_type_hints(cls)
    decoders = {name: _decoder(hints[name], age) for name in sorted(hints)}
    optional = set(cls._field_defaults) if age < 0 else set()

    def decode(raw: Any) -> Any:
        _expect(dict, raw)
        missing = decoders.keys() - raw.keys() - optional
        unknown = raw.keys() - decoders.keys()
        if missing or (unknown and age <= 0):
            key = min(missing or unknown)
            raise _WrongError(f"lacks '{key}'" if missing else f"has an unknown key '{key}'")
        known = {name: raw[name] for name in decoders if name in raw}
        return cls(**_decode_values(decoders, known))

    return decode


def _decode_values(decoders: dict[str, Decoder], raw: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = {}
    for key, value in raw.items():
        try:
            decoded[key] = decoders[key](value)
        except _WrongError as wrong:
            raise wrong.under(f".{key}") from None
    return decoded


def _mapping(item: Decoder) -> Decoder:
    def decode(raw: Any) -> dict[str, Any]:
        _expect(dict, raw)
        return _decode_values(dict.fromkeys(raw, item), raw)

    return decode


def _sequence(item: Decoder) -> Decoder:
    def decode(raw: Any) -> tuple[Any, ...]:
        _expect(list, raw)
        decoded: list[Any] = []
        try:
            decoded.extend(item(value) for value in raw)
        except _WrongError as wrong:
            raise wrong.under(f"[{len(decoded)}]") from None
        return tuple(decoded)

    return decode


def _raw_type(hint: Any) -> type:
    """The type of msgpack data that encodes a member of a union."""
    return list if get_origin(hint) is tuple else hint


def _union(decoders: dict[type, Decoder]) -> Decoder:
    names = " or ".join(kind.__name__ for kind in decoders)

    def decode(raw: Any) -> Any:
        if type(raw) not in decoders:
            raise _WrongError(f"is a {type(raw).__name__}, needs {names}")
        return decoders[type(raw)](raw)

    return decode


def _size(raw: Any) -> int:
    """Every integer of the manifest is a size, a count or an index."""
    _expect(int, raw)
    if not 0 <= raw <= MAX_INT:
        raise _WrongError(f"is {raw}, not in 0..2**63-1")
    return int(raw)


def _typed(kind: type) -> Decoder:
    def decode(raw: Any) -> Any:
        _expect(kind, raw)
        return raw

    return decode


def _expect(kind: type, raw: object) -> None:
    if type(raw) is not kind:
        raise _WrongError(f"is a {type(raw).__name__}, needs {kind.__name__}")


_LEAVES: dict[Any, Decoder] = {
    int: _size,
    str: _typed(str),
    bytes: _typed(bytes),
    NoneType: _typed(NoneType),
    object: lambda raw: raw,
}
