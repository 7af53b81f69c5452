"""What an op takes, as data: the kind of each attribute, the number of operands.

Read from the dataclass fields and from `infer`, so that text, serialization and the verifier need
no per-op code.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from ncc.ir.graph import Graph
from ncc.ir.literal import Literal
from ncc.ir.op import Elementwise, Op
from ncc.ir.types import Affine, Dim, OptionalType, SequenceType, TensorType, Type, _Unknown


class Size:
    """The kind of a size: an integer, an affine expression of symbols, or unknown."""


class AnyType:
    """The kind of a type: of a tensor, a sequence or an optional."""


@dataclass(frozen=True, slots=True)
class Many:
    """Any number of items of one kind: `tuple[int, ...]`."""

    item: Kind


@dataclass(frozen=True, slots=True)
class Each:
    """One item of each kind: `tuple[int, str]`."""

    items: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """An item or None: `int | None`."""

    item: Kind


@dataclass(frozen=True, slots=True)
class Record:
    """A dataclass that holds attributes of its own."""

    cls: type


Kind = type | Many | Each | Maybe | Record
"""A plain type is int, float, bool, str, an Enum, TensorType, AnyType, Size, Literal or Graph."""

_PLAIN = (int, float, bool, str, TensorType, Literal, Graph)
_NAMED: Mapping[Any, Kind] = {Dim: Size, Type: AnyType}


T = TypeVar("T")


def per_class(function: Callable[[type], T]) -> Callable[[type], T]:
    """Remember what `function` says of each class."""
    known: dict[type, T] = {}

    def remembered(cls: type) -> T:
        if cls not in known:
            known[cls] = function(cls)
        return known[cls]

    return remembered


@per_class
def kinds(cls: type) -> Mapping[str, Kind]:
    """The kind of each field of an op (or record), in the order of the fields."""
    hints = typing.get_type_hints(cls)
    return {field.name: kind_of(hints[field.name]) for field in dataclasses.fields(cls)}


def kind_of(hint: Any) -> Kind:
    """The kind that a type hint names."""
    if hint in _NAMED:
        return _NAMED[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        many = len(inner) == 2 and inner[1] is Ellipsis
        return Many(kind_of(inner[0])) if many else Each(tuple(kind_of(item) for item in inner))
    if origin in (types.UnionType, typing.Union):
        return _maybe(inner)
    assert isinstance(hint, type), f"an attribute cannot be a {hint}"
    if issubclass(hint, (*_PLAIN, Enum)):
        return hint
    assert dataclasses.is_dataclass(hint), f"an attribute cannot be a {hint.__name__}"
    return Record(hint)


def _maybe(members: tuple[Any, ...]) -> Kind:
    """The kind of a union: one item, or none of it."""
    rest = [member for member in members if member is not types.NoneType]
    union = functools.reduce(lambda a, b: a | b, rest)
    assert len(rest) < len(members), f"an attribute cannot be a {union}"
    return Maybe(kind_of(union))


def holds(kind: Kind, value: Any) -> bool:
    """Whether `value` is of `kind`, exactly: no numpy scalar for an int, no list for a tuple."""
    match kind:
        case Many(item):
            return type(value) is tuple and all(holds(item, each) for each in value)
        case Each(items):
            paired = type(value) is tuple and len(value) == len(items)
            return paired and all(map(holds, items, value))
        case Maybe(item):
            return value is None or holds(item, value)
        case Record(cls):
            fields = kinds(cls).items()
            return type(value) is cls and all(holds(k, getattr(value, n)) for n, k in fields)
        case _:
            return _holds_plain(kind, value)


def _holds_plain(kind: Kind, value: Any) -> bool:
    if kind is Size:
        return type(value) in (int, Affine, _Unknown)
    if kind is AnyType:
        return isinstance(value, TensorType | SequenceType | OptionalType)
    if kind is float:
        return type(value) in (float, int)
    return type(value) is kind


def leading(cls: type) -> str | None:
    """The attribute that stands after the name of an op without operands.

    It is the first one; `type` stands after the colon.
    """
    return next((name for name, kind in kinds(cls).items() if not is_result_type(name, kind)), None)


def is_result_type(name: str, kind: Kind) -> bool:
    """Whether the type of the result says what an attribute is."""
    return name == "type" and kind is TensorType


@dataclass(frozen=True, slots=True)
class Arity:
    """How many operands an op takes: `most` is None when there is no limit."""

    least: int
    most: int | None

    def takes(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            number = f"at least {self.least}"
        else:
            number = f"{self.least}" + (f" to {self.most}" if self.most != self.least else "")
        return f"{number} operand{'' if number == '1' else 's'}"


@per_class
def arity(cls: type) -> Arity:
    """The operands of an op: the parameters of its formula, else of its `infer`."""
    assert issubclass(cls, Op)
    formula = cls.scalar if issubclass(cls, Elementwise) else None
    parameters = list(inspect.signature(formula or cls.infer).parameters.values())
    parameters = parameters[2 if formula else 1 :]
    single = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    required = sum(p.default is p.empty for p in single)
    return Arity(required, len(single) if len(single) == len(parameters) else None)
