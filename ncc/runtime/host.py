"""Segments that run on the host: a graph of the IR, interpreted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ncc.neff.errors import damaged, incompatible
from ncc.neff.format import ValueSpec
from ncc.runtime.tensors import Array, dense, numpy_dtype


class HostGraph:
    """A serialized graph; read, and `ncc.ir` imported, when it first runs."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data

    def run(self, inputs: Sequence[Array], outputs: Sequence[ValueSpec]) -> list[Array]:
        """The outputs as dense arrays that share no memory with the inputs.

        NccError: incompatible where `ncc.ir` cannot be imported, integrity if the graph gives
        something other than `outputs` declares.
        """
        results = self._interpret(list(inputs))
        if len(results) != len(outputs):
            raise damaged(
                f"host segment '{self._name}' gives {len(results)} values, not {len(outputs)}"
            )
        pairs = zip(results, outputs, strict=True)
        return [self._checked(_owned(result, inputs), spec) for result, spec in pairs]

    @cached_property
    def _interpret(self) -> Any:
        try:
            from ncc.ir.interpret import interpret
            from ncc.ir.serialize import load
        except ImportError as error:
            raise incompatible(
                f"the bundle has a host segment, which needs the package '{error.name}'",
                "install it, or compile with --no-host to see what runs on the host and why",
            ) from None
        graph = load(self._data)
        return lambda inputs: interpret(graph, inputs)

    def _checked(self, array: Array, spec: ValueSpec) -> Array:
        if array.dtype != numpy_dtype(spec.dtype) or spec.shape not in (None, array.shape):
            raise damaged(
                f"host segment '{self._name}' gives {array.dtype}{list(array.shape)}, "
                f"the manifest says {spec.dtype}{list(spec.shape or '?')}"
            )
        return array


def _owned(result: Any, inputs: Sequence[Array]) -> Array:
    array = dense(np.asarray(result))
    shared = any(np.may_share_memory(array, other) for other in inputs)
    return array.copy() if shared else array
