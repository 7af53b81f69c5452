"""einsum: sums of products, with axes named by letters."""

from __future__ import annotations

import math
import string

import numpy as np

from ncc.ir.graph import Builder, Value
from ncc.ir.op import Array, Op, broadcast, op, require
from ncc.ir.ops.cast import Cast
from ncc.ir.ops.matmul import MatMul
from ncc.ir.ops.reduce import ReduceSum
from ncc.ir.ops.reshape import Reshape
from ncc.ir.ops.slice import Slice
from ncc.ir.ops.transpose import Transpose
from ncc.ir.types import Dim, DType, TensorType

_Term = tuple[str, Value]
"""A tensor with a letter for each axis, each letter once."""


@op("einsum")
class Einsum(Op):
    """numpy's einsum. `equation` has no spaces; without "->" the result is numpy's implicit one.

    Products of narrow floats are summed in f32 and rounded once.
    """

    equation: str

    def labels(self, ranks: list[int]) -> tuple[list[str], str]:
        """A letter for each axis of the operands and of the result; "..." becomes letters too."""
        left, arrow, right = self.equation.partition("->")
        terms = left.split(",")
        require(len(terms) == len(ranks), f"'{self.equation}' names {len(terms)} operands")
        spare = [letter for letter in string.ascii_letters if letter not in self.equation]
        hidden = [
            rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)
        ]
        most = max((n for n, term in zip(hidden, terms, strict=True) if "..." in term), default=0)
        for index, (term, n) in enumerate(zip(terms, hidden, strict=True)):
            fits = n >= 0 if "..." in term else n == 0
            require(fits, f"'{term}' does not name {ranks[index]} axes", operand=index)
            terms[index] = term.replace("...", "".join(spare[most - n : most]))
        every = "".join(terms)
        require(not set(every) - set(string.ascii_letters), f"'{self.equation}' is not an einsum")
        once = "".join(sorted(letter for letter in set(every) if every.count(letter) == 1))
        implicit = "..." + "".join(letter for letter in once if letter not in spare)
        result = (right if arrow else implicit).replace("...", "".join(spare[:most]))
        require(
            set(result) <= set(every) and len(set(result)) == len(result),
            f"the result '{result}' of '{self.equation}' does not name axes of operands, each once",
        )
        return terms, result

    def infer(self, *operands: TensorType) -> TensorType:
        terms, result = self.labels([operand.rank for operand in operands])
        sizes: dict[str, Dim] = {}
        for term, operand in zip(terms, operands, strict=True):
            require(operand.dtype is operands[0].dtype, "operands have different element types")
            for letter, dim in zip(term, operand.shape, strict=True):
                (sizes[letter],) = broadcast((sizes.get(letter, 1),), (dim,))
        return TensorType(operands[0].dtype, tuple(sizes[letter] for letter in result))

    def eval(self, *operands: Array) -> Array:
        dtype = DType.of(operands[0].dtype)
        terms, result = self.labels([operand.ndim for operand in operands])
        wide = [operand.astype(dtype.compute.numpy, copy=False) for operand in operands]
        made = np.einsum(f"{','.join(terms)}->{result}", *wide, optimize=True)
        return np.asarray(made, operands[0].dtype)

    def decompose(self, build: Builder, *operands: Value) -> Value:
        """One matrix product per further operand, from left to right; axes summed once unused."""
        terms, result = self.labels([value.tensor.rank for value in operands])
        dtype = operands[0].tensor.dtype
        wide = [build(Cast(dtype.compute), value) for value in operands]
        pending = [_diagonal(build, term) for term in zip(terms, wide, strict=True)]
        total = pending.pop(0)
        while pending:
            other = pending.pop(0)
            kept = set(result).union(*(labels for labels, _ in pending))
            total = _contract(build, total, other, kept)
        labels, value = _summed(build, total, set(result))
        moved = build(Transpose(tuple(labels.index(letter) for letter in result)), value)
        return build(Cast(dtype), moved)

    def flops(self, operands: tuple[TensorType, ...], results: tuple[TensorType, ...]) -> int:
        terms, _ = self.labels([operand.rank for operand in operands])
        sizes: dict[str, int] = {}
        for term, operand in zip(terms, operands, strict=True):
            for letter, size in zip(term, operand.dims, strict=True):
                sizes[letter] = max(size, sizes.get(letter, 1))
        return len(operands) * math.prod(sizes.values())


def _diagonal(build: Builder, term: _Term) -> _Term:
    """The term with axes of the same letter made one: their diagonal."""
    labels, value = term
    twice = next((letter for letter in labels if labels.count(letter) > 1), None)
    if twice is None:
        return term
    first, second = labels.index(twice), labels.rindex(twice)
    others = [axis for axis in range(len(labels)) if axis not in (first, second)]
    moved = build(Transpose((*others, first, second)), value)
    head, size = moved.tensor.dims[:-2], moved.tensor.dims[-1]
    flat = build(Reshape((*head, size * size)), moved)
    ones = (1,) * len(head)
    diagonal = build(Slice((0,) * (len(head) + 1), (*head, size), (*ones, size + 1)), flat)
    return _diagonal(build, ("".join(labels[axis] for axis in others) + twice, diagonal))


def _summed(build: Builder, term: _Term, kept: set[str]) -> _Term:
    """The term with the axes that are not in `kept` summed."""
    labels, value = term
    axes = tuple(axis for axis, letter in enumerate(labels) if letter not in kept)
    left = "".join(letter for letter in labels if letter in kept)
    return (left, build(ReduceSum(axes, False), value)) if axes else term


def _contract(build: Builder, a: _Term, b: _Term, kept: set[str]) -> _Term:
    """The product of two terms, summed over the letters that are not in `kept`."""
    a, b = (_summed(build, x, kept | set(y[0])) for x, y in ((a, b), (b, a)))
    shared = [letter for letter in a[0] if letter in b[0]]
    batch = "".join(letter for letter in shared if letter in kept)
    inner = "".join(letter for letter in shared if letter not in kept)
    rows = "".join(letter for letter in a[0] if letter not in shared)
    columns = "".join(letter for letter in b[0] if letter not in shared)
    left, right = _matrix(build, a, batch, rows, inner), _matrix(build, b, batch, inner, columns)
    made = build(MatMul(), left, right)
    sizes = _sizes(a) | _sizes(b)
    heads = made.tensor.dims[: len(batch)]
    tails = (sizes[letter] for letter in rows + columns)
    return batch + rows + columns, build(Reshape((*heads, *tails)), made)


def _matrix(build: Builder, term: _Term, batch: str, rows: str, columns: str) -> Value:
    """The term as a stack of matrices [*batch, rows, columns]."""
    labels, value = term
    order = tuple(labels.index(letter) for letter in batch + rows + columns)
    moved = build(Transpose(order), value)
    sizes = _sizes(term)
    joined = (math.prod(sizes[letter] for letter in group) for group in (rows, columns))
    return build(Reshape((*(sizes[letter] for letter in batch), *joined)), moved)


def _sizes(term: _Term) -> dict[str, int]:
    return dict(zip(term[0], term[1].tensor.dims, strict=True))
