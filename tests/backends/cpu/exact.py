"""The `Math` of numpy with an `fma` that rounds once in every type, as machines do."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ncc.ir.scalar import FUNCTIONS, NumpyMath, Scalar

LOOP = """
declare {type} @llvm.fma.{name}({type}, {type}, {type})
define void @fma(ptr %a, ptr %b, ptr %c, ptr %out, i64 %size) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %pa = getelementptr {type}, ptr %a, i64 %i
  %pb = getelementptr {type}, ptr %b, i64 %i
  %pc = getelementptr {type}, ptr %c, i64 %i
  %po = getelementptr {type}, ptr %out, i64 %i
  %x = load {type}, ptr %pa
  %y = load {type}, ptr %pb
  %z = load {type}, ptr %pc
  %r = call {type} @llvm.fma.{name}({type} %x, {type} %y, {type} %z)
  store {type} %r, ptr %po
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %size
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""

Compiled = tuple[Any, Callable[..., None]]


@cache
def _compiled(kind: str, name: str) -> Compiled:
    """The engine that owns the code, and the loop above for one type."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(LOOP.format(type=kind, name=name))
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)
    return engine, prototype(engine.get_function_address("fma"))


def fma(a: Scalar, b: Scalar, c: Scalar) -> Scalar:
    """a * b + c rounded once, in the type of `a`, elementwise."""
    dtype = np.asarray(a).dtype
    operands = [np.asarray(value, dtype) for value in (a, b, c)]
    arrays = [np.ascontiguousarray(value) for value in np.broadcast_arrays(*operands)]
    out = np.empty_like(arrays[0])
    _, run = _compiled(*{"f4": ("float", "f32"), "f8": ("double", "f64")}[dtype.str[1:]])
    run(*(value.ctypes.data for value in arrays), out.ctypes.data, out.size)
    return out


class ExactMath(NumpyMath):
    """`NUMPY` but for `fma`."""

    def __getattr__(self, name: str) -> Callable[..., Scalar]:
        return fma if name == "fma" else FUNCTIONS[name]
