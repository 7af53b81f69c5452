"""gather_elements: one element per index, the other coordinates being the index's own."""

from __future__ import annotations

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.indexing import counting, index_type, row_major_strides, weighted_sum
from ncc.ir.op import Array, Op, op, require
from ncc.ir.ops.gather import Gather, check_range, require_indices
from ncc.ir.ops.reshape import Reshape
from ncc.ir.types import TensorType


@op("gather_elements")
class GatherElements(Op):
    """result[i, j, k] = x[i, indices[i, j, k], k] for axis 1, and so on; indices count from 0."""

    axis: int

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        require(
            0 <= self.axis < x.rank == indices.rank,
            f"gather_elements of {x} along axis {self.axis} with indices {indices}",
            operand=1,
            label=f"needs {x.rank} axes",
        )
        for axis, (dim, size) in enumerate(zip(indices.shape, x.shape, strict=True)):
            known = isinstance(dim, int) and isinstance(size, int) and axis != self.axis
            require(
                not known or dim <= size,  # type: ignore[operator]  # both are numbers when known
                f"indices {indices} reach beyond axis {axis} of {x}",
                operand=1,
                label=f"has {dim} where at most {size} is allowed",
            )
        require_indices(indices)
        return x.with_shape(indices.shape)

    def eval(self, x: Array, indices: Array) -> Array:
        check_range(indices, x.shape[self.axis])
        coordinates: list[Array] = list(np.indices(indices.shape, sparse=True))
        coordinates[self.axis] = indices
        found: Array = x[tuple(coordinates)]
        return found

    def decompose(self, build: Builder, x: Value, indices: Value) -> Value | None:
        """A gather from the flat operand."""
        if not x.tensor.is_static or not indices.tensor.is_static:
            return None
        dtype, dims = index_type(x.tensor), indices.tensor.dims
        strides = row_major_strides(x.tensor.dims)
        terms = [(indices, strides[self.axis])]
        terms += [
            (counting(build, len(dims), axis, dims[axis], dtype), stride)
            for axis, stride in enumerate(strides)
            if axis != self.axis and dims[axis] != 1
        ]
        flat = build(Reshape((x.tensor.size,)), x)
        return build(Gather(0), flat, weighted_sum(build, terms, dtype))
