"""gather_nd: parts of a tensor at indices that name several coordinates at once."""

from __future__ import annotations

import math

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import counting, index_type, part, row_major_strides, weighted_sum
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.gather import Gather, check_range, require_indices
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import TensorType


@op("gather_nd")
class GatherND(Op):
    """result[b, i] = x[b, *indices[b, i]], with `batch_dims` axes b and any number of axes i.

    The last axis of the indices holds one coordinate per axis of x after b; the axes of x that
    it leaves out are the last ones of the result. Indices count from 0.
    """

    batch_dims: int = 0

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        require_indices(indices)
        depth = self._depth(x, indices)
        kept = x.shape[self.batch_dims + depth :]
        return x.with_shape((*indices.shape[:-1], *kept))

    def _depth(self, x: TensorType, indices: TensorType) -> int:
        """How many coordinates an index has."""
        depth = indices.shape[-1] if indices.rank > self.batch_dims else None
        require(
            isinstance(depth, int) and self.batch_dims + depth <= x.rank,
            f"gather_nd of {x} with indices {indices} after {self.batch_dims} batch axes",
            hint=f"the last axis holds at most {x.rank - self.batch_dims} coordinates",
            operand=1,
            label=f"has {depth} coordinates",
        )
        assert isinstance(depth, int)
        require(
            x.shape[: self.batch_dims] == indices.shape[: self.batch_dims],
            f"the batch axes of {x} and indices {indices} differ",
            operand=1,
            label=f"needs {self.batch_dims} axes like those of {x}",
        )
        return depth

    def eval(self, x: Array, indices: Array) -> Array:
        batch = indices.shape[: self.batch_dims]
        inner = [1] * (indices.ndim - 1 - len(batch))
        counted = np.indices(batch).reshape(len(batch), *batch, *inner)
        coordinates = np.moveaxis(indices, -1, 0)
        for size, coordinate in zip(x.shape[len(batch) :], coordinates, strict=False):
            check_range(coordinate, size)
        found: Array = x[(*counted, *coordinates)]
        return found

    def decompose(self, build: Builder, x: Value, indices: Value) -> Value | None:
        """A gather from the operand with its indexed axes made one."""
        if not x.tensor.is_static or not indices.tensor.is_static:
            return None
        dims, dtype, batch = x.tensor.dims, index_type(x.tensor), self.batch_dims
        outer = indices.tensor.dims[:-1]
        depth = batch + indices.tensor.dims[-1]
        strides = row_major_strides(dims[:depth])
        terms = [
            (counting(build, len(outer), axis, outer[axis], dtype), strides[axis])
            for axis in range(batch)
        ]
        for axis in range(batch, depth):
            coordinate = part(build, indices, indices.tensor.rank - 1, axis - batch, 1)
            terms.append((build(Reshape(outer), coordinate), strides[axis]))
        rows = build(Reshape((math.prod(dims[:depth]), *dims[depth:])), x)
        return build(Gather(0), rows, weighted_sum(build, terms, dtype))
