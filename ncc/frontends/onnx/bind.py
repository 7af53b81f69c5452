"""Sizes of the model's inputs, and the numbers that the user binds to their symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onnx import TypeProto, ValueInfoProto

from ncc.diagnostics import ExitCode, NccError, meant
from ncc.frontends.onnx.dtypes import dtype_of
from ncc.frontends.onnx.tensors import require_possible
from ncc.ir.op import unsupported
from ncc.ir.types import Dim, DType, TensorType, dim_symbols, symbol

Shapes = Mapping[str, tuple[int | str, ...]]

_ANONYMOUS = re.compile(r"(|\?|None|unk__\d+)")
"""Names that exporters write for "some size": two axes that share one need not be equal."""


@dataclass(frozen=True)
class Input:
    """An input of the model; `type.shape` is None when the model does not even say the rank."""

    name: str
    type: TensorType
    has_rank: bool = True


def declared(info: ValueInfoProto) -> Input:
    """What the model says of an input.

    A size without a name of its own gets the symbol `<input>.<axis>`.
    """
    if info.type.WhichOneof("value") != "tensor_type":
        raise unsupported(f"input '{info.name}' is not a tensor")
    tensor = info.type.tensor_type
    dtype = dtype_of(tensor.elem_type)
    if dtype is DType.string:
        raise unsupported(f"input '{info.name}' holds strings")
    shape = tuple(_dim(info.name, axis, tensor) for axis in range(len(tensor.shape.dim)))
    return Input(info.name, TensorType(dtype, shape), tensor.HasField("shape"))


def _dim(name: str, axis: int, tensor: TypeProto.Tensor) -> Dim:
    dim = tensor.shape.dim[axis]
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    anonymous = _ANONYMOUS.fullmatch(dim.dim_param)
    return symbol(f"{name}.{axis}" if anonymous else dim.dim_param)


def bind(
    inputs: Iterable[Input], dims: Mapping[str, int], shapes: Shapes, *, model: str
) -> list[Input]:
    """The inputs with every size a number, from `dims` by symbol and `shapes` by input.

    A string in `shapes` gives the axis a symbol of that name. NccError (exit 2) when a name is
    unknown, a size is not positive or contradicts the model, or a symbol is left without a number.
    """
    inputs = list(inputs)
    _check_names(shapes, [item.name for item in inputs], "--shape", "an input")
    shaped = [
        _reshaped(item, shapes[item.name]) if item.name in shapes else item for item in inputs
    ]
    sizes = dict(dims)
    for before, after in zip(inputs, shaped, strict=True):
        _unify(before, after, sizes)
    known = {name: None for item in [*inputs, *shaped] for name in symbols(item)}
    _check_names(dims, known, "--dim", "a symbol")
    for name, size in sizes.items():
        if size < 1:
            raise _error(f"--dim {name}={size}: sizes are positive")
    bound = [Input(item.name, item.type.bind(sizes), item.has_rank) for item in shaped]
    _refuse_unbound(bound, model)
    for item in bound:
        require_possible(item.type, f"input '{item.name}'")
    return bound


def symbols(item: Input) -> list[str]:
    """The symbols of an input's shape, in order of axis."""
    return [name for dim in item.type.shape for name in dim_symbols(dim)]


def _check_names(given: Mapping[str, object], known: Iterable[str], flag: str, what: str) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            listed = f"{what} is one of: {', '.join(known)}"
            hint = (
                meant(name, known, listed)
                if known
                else "every size is fixed in the model: leave the flag out"
            )
            raise _error(f"{flag} {name}: the model has no such name", hint)


def _reshaped(item: Input, shape: tuple[int | str, ...]) -> Input:
    """`item` with the shape that the user gave, checked against the rank and fixed sizes."""
    if item.has_rank and len(shape) != item.type.rank:
        raise _error(
            f"--shape {item.name} has {len(shape)} axes; '{item.name}' is {item.type}",
        )
    given = tuple(symbol(size) if isinstance(size, str) else size for size in shape)
    for axis, size in enumerate(given):
        fixed = item.type.shape[axis] if item.has_rank else size
        if isinstance(size, int) and size < 1:
            raise _error(f"--shape {item.name}: axis {axis} is {size}; sizes are positive")
        if isinstance(fixed, int) and size != fixed:
            raise _error(
                f"--shape {item.name}: axis {axis} is fixed at {fixed} in the model, not {size}",
                f"'{item.name}' is {item.type}",
            )
    return Input(item.name, item.type.with_shape(given))


def _unify(before: Input, after: Input, sizes: dict[str, int]) -> None:
    """Let a number given for one axis count for every axis with the same symbol."""
    if before is after or not before.has_rank:
        return
    for dim, size in zip(before.type.shape, after.type.shape, strict=True):
        for name in dim_symbols(dim) if isinstance(size, int) else ():
            assert isinstance(size, int)
            if sizes.setdefault(name, size) != size:
                raise _error(
                    f"--shape {before.name}: '{name}' is {size} here and {sizes[name]} elsewhere"
                )


def _refuse_unbound(inputs: list[Input], model: str) -> None:
    places: dict[str, list[str]] = {}
    for item in inputs:
        for axis, dim in enumerate(item.type.shape):
            for name in dim_symbols(dim):
                places.setdefault(name, []).append(f"axis {axis} of {item.name}")
    rankless = [item.name for item in inputs if not item.has_rank]
    if not places and not rankless:
        return
    found = [f"{name} ({', '.join(where)})" for name, where in places.items()]
    found += [f"the shape of {name}" for name in rankless]
    flags = [f"--dim {name}=1" for name in places] + [f"--shape {name}=1x1" for name in rankless]
    raise NccError(
        "unbound-dims",
        f"sizes that the model leaves open: {'; '.join(found)}",
        exit=ExitCode.USAGE,
        hint=f"ncc compile {model} {' '.join(flags)}    (with the sizes that you will run)",
    )


def _error(message: str, hint: str = "") -> NccError:
    return NccError("bad-dims", message, exit=ExitCode.USAGE, hint=hint)
