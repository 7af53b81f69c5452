"""What an op is, the registry, and the bases that most ops share."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

import numpy as np
import numpy.typing as npt

from ncc.diagnostics import ExitCode, NccError
from ncc.ir.graph import Builder, Value
from ncc.ir.scalar import NUMPY, Math, Scalar
from ncc.ir.types import UNKNOWN, Affine, Dim, DType, Shape, TensorType, Type

Array = npt.NDArray[Any]
OPS: dict[str, type[Op]] = {}


class Op:
    """One operation. Subclasses are frozen dataclasses whose fields are the attributes.

    Operands are the parameters of `infer`; optional ones come last and default to None.
    """

    name: ClassVar[str] = ""
    onnx: ClassVar[tuple[str, ...]] = ()
    torch: ClassVar[tuple[str, ...]] = ()
    host_only: ClassVar[bool] = False
    """True for ops that only ever run in host segments (data-dependent sizes, strings)."""
    pure: ClassVar[bool] = True
    """False for ops whose result is not a function of their operands (random numbers)."""
    imported_folded: ClassVar[bool] = True
    """False for ops whose literal operands say more than their result (quantized weights)."""

    def infer(self, *operands: Any) -> Type | tuple[Type, ...]:
        """Result types from operand types; NccError when they do not fit."""
        raise NotImplementedError(f"{self.name} has no type rule")

    def eval(self, *operands: Any) -> Any:
        """Results from numpy operands: the meaning of the op."""
        raise NotImplementedError(f"{self.name} has no reference meaning")

    def decompose(self, build: Builder, *operands: Any) -> Value | tuple[Value, ...] | None:
        """The same results from smaller ops, for backends without a rule.

        None if atomic, or if sizes are open on which the smaller ops depend.
        """
        return None

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        """Arithmetic operations of one execution; movement is free."""
        return 0


OpT = TypeVar("OpT", bound=type[Op])


@dataclass_transform(frozen_default=True)
def op(
    name: str, *, onnx: str | tuple[str, ...] = (), torch: str | tuple[str, ...] = ()
) -> Callable[[OpT], OpT]:
    """Register an op class under its text name and its import names.

    `onnx` lists op types whose operands are this op's operands and whose attributes of the
    same name are its fields; anything else needs an importer in `ncc.frontends.onnx`.
    """

    def register(cls: OpT) -> OpT:
        made = cast(OpT, dataclasses.dataclass(frozen=True)(cls))
        made.name = name
        made.onnx = (onnx,) if isinstance(onnx, str) else onnx
        made.torch = (torch,) if isinstance(torch, str) else torch
        assert name not in OPS, f"two ops are named {name}"
        OPS[name] = made
        return made

    return register


def load_ops() -> Mapping[str, type[Op]]:
    """Import every file of `ncc.ir.ops`, so that the registry is complete, and return it."""
    package = importlib.import_module("ncc.ir.ops")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"ncc.ir.ops.{module.name}")
    return OPS


def require(
    condition: object, message: str, *, hint: str = "", operand: int | None = None, label: str = ""
) -> None:
    """Refuse operands that do not fit an op (an error in the user's model)."""
    if not condition:
        raise NccError("shape", message, hint=hint, operand=operand, label=label)


def unsupported(message: str, *, hint: str = "") -> NccError:
    """The error for a valid model that this compiler cannot take."""
    return NccError("unsupported", message, exit=ExitCode.UNSUPPORTED, hint=hint)


def broadcast(*shapes: Shape) -> Shape:
    """The numpy broadcast of `shapes`; NccError when they do not fit."""
    if shapes and all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(_broadcast_dim([shape[axis] for shape in padded], shapes) for axis in range(rank))


def _broadcast_dim(dims: Iterable[Dim], shapes: tuple[Shape, ...]) -> Dim:
    kept = [dim for dim in dict.fromkeys(dims) if dim != 1]
    if len(kept) <= 1:
        return kept[0] if kept else 1
    numbers = [dim for dim in kept if isinstance(dim, int)]
    if len(numbers) == 1 and UNKNOWN in kept and not any(isinstance(d, Affine) for d in kept):
        return numbers[0]
    shown = " and ".join(f"[{', '.join(map(str, shape))}]" for shape in shapes)
    require(
        len(numbers) < 2 and not any(isinstance(dim, Affine) for dim in kept),
        f"cannot broadcast {shown}: {kept[0]} against {kept[1]}",
        hint="make the sizes equal, or 1, counted from the last axis",
        operand=len(shapes) - 1,
        label=f"has {kept[1]} where {kept[0]} is needed",
    )
    return UNKNOWN


class Elementwise(Op):
    """An op that is one scalar formula, applied under numpy broadcasting.

    The formula is read twice: with numpy arrays by `eval`, with loop-level expressions by
    code generators. It is computed in `dtype.compute` and rounded once, to `result_dtype`.
    """

    cost: ClassVar[int] = 1
    """Arithmetic operations counted per element."""

    def scalar(self, m: Math, *operands: Any) -> Scalar:
        """The formula; operands are scalars of the compute type, `m` the functions."""
        raise NotImplementedError(f"{self.name} has no formula")

    def result_dtype(self, *operands: DType) -> DType:
        """Element type of the result from those of the operands."""
        return operands[0]

    def check(self, *operands: Any) -> None:
        """Refuse operand types that the formula does not take."""
        first = operands[0]
        for index, other in enumerate(operands):
            if other.dtype is not first.dtype:
                raise NccError(
                    "shape",
                    f"{self.name} needs operands of one element type, not {first} and {other}",
                    hint="cast one of them first",
                    operand=index,
                    label=f"is {other.dtype.value}, needs {first.dtype.value}",
                )

    def infer(self, *operands: Any) -> TensorType:
        self.check(*operands)
        dtype = self.result_dtype(*(operand.dtype for operand in operands))
        return TensorType(dtype, broadcast(*(operand.shape for operand in operands)))

    def eval(self, *operands: Any) -> Array:
        types = [DType.of(operand.dtype) for operand in operands]
        inner = [
            operand.astype(dtype.compute.numpy, copy=False)
            for operand, dtype in zip(operands, types, strict=True)
        ]
        with np.errstate(all="ignore"):
            result = np.asarray(self.scalar(NUMPY, *inner))
            result = result.astype(self.result_dtype(*types).numpy, copy=False)
        shape = np.broadcast_shapes(*(operand.shape for operand in operands))
        return result if result.shape == shape else np.broadcast_to(result, shape)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        return self.cost * results[0].size
