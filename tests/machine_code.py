"""Kernels as functions of this process, for tests of the cpu backend."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import pytest

from ncc.backends.cpu.codegen import compile_kernels
from ncc.backends.cpu.loopir.loops import Kernel
from ncc.backends.cpu.objects.image import place
from ncc.backends.cpu.target import TARGETS, Target
from ncc.runtime.cpu import this_host

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]

RUNNABLE = [target for target in TARGETS.values() if this_host().features.issuperset(target.flags)]
"""The targets whose code this machine runs."""

each_target = pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)

WIDTHS = [
    next(target for target in RUNNABLE if target.lanes == lanes)
    for lanes in sorted({target.lanes for target in RUNNABLE})
]
"""One target for each width of vectors: code without contractions differs by nothing else."""

each_width = pytest.mark.parametrize("target", WIDTHS, ids=lambda target: target.name)


def map_code(data: bytes) -> int:
    """The address of `data`, mapped to read and execute; never unmapped."""
    file = os.memfd_create("code")
    try:
        os.write(file, data)
        protection = mmap.PROT_READ | mmap.PROT_EXEC
        base = _libc.mmap(None, len(data), protection, mmap.MAP_PRIVATE, file, 0)
    finally:
        os.close(file)
    assert base not in (None, ctypes.c_void_p(-1).value), "mmap failed"
    return int(base)


def load_kernel(kernel: Kernel, target: Target) -> Callable[..., None]:
    """`call(*arrays, core=0, cores=1)`: machine code of `kernel` on arrays, one per parameter."""
    compiled = compile_kernels([kernel], target)
    image = place([("", compiled.objects[0])])
    (extent,) = image.functions.values()
    address = map_code(image.data) + extent.offset
    kinds = [ctypes.c_void_p] * len(kernel.params) + [ctypes.c_int64] * 2
    function = ctypes.CFUNCTYPE(None, *kinds)(address)

    def call(*arrays: npt.NDArray[Any], core: int = 0, cores: int = 1) -> None:
        assert len(arrays) == len(kernel.params)
        for array, buffer in zip(arrays, kernel.params, strict=True):
            assert array.size == buffer.size, buffer.name
            assert array.dtype == buffer.dtype.numpy, buffer.name
            assert array.flags.c_contiguous, buffer.name
        function(*(array.ctypes.data for array in arrays), core, cores)

    return call
