"""Matrix products at odd shapes."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Case, Const, node_case, seeded

A, B, C = seeded(5, 7), Const(seeded(7, 3, seed=1)), Const(seeded(3, seed=2))
BYTES = np.arange(35, dtype=np.uint8).reshape(5, 7)
SIGNED = Const((np.arange(21) - 9).astype(np.int8).reshape(7, 3))

MATMUL = [
    node_case("MatMul", A, B),
    node_case("MatMul", seeded(2, 1, 5, 7), seeded(3, 7, 4)),
    node_case("MatMul", seeded(7), seeded(7)),
    node_case("MatMul", seeded(7), seeded(2, 7, 3)),
    node_case("MatMul", seeded(2, 5, 7), seeded(7)),
    node_case("MatMul", seeded(5, 0), seeded(0, 3)),
    node_case("MatMul", seeded(5, 0), seeded(0, 1)),
    node_case("MatMul", seeded(50, 70), seeded(70, 1)),
    node_case("MatMul", seeded(2, 1, 5, 37), seeded(3, 37, 1)),
    node_case("MatMul", seeded(5, 37), Const(seeded(37, 1)), name="MatMul by a constant column"),
    node_case("MatMul", seeded(5, 7).astype(np.float16), seeded(7, 1).astype(np.float16)),
    node_case("MatMul", seeded(5, 7).astype(np.float64), seeded(7, 1).astype(np.float64)),
    node_case("MatMul", seeded(1, 301), seeded(301, 1)),
    node_case("MatMul", A.astype(np.float64), B.array.astype(np.float64)),
    node_case("MatMul", A.astype(np.float16), B.array.astype(np.float16)),
    node_case("MatMul", BYTES.astype(np.int32), SIGNED.array.astype(np.int32)),
]

GEMM = [
    node_case("Gemm", A, B),
    node_case("Gemm", A, B, C, alpha=0.5, beta=2.0),
    node_case("Gemm", A, Const(B.array.T.copy()), C, transB=1),
    node_case("Gemm", A.T.copy(), B, Const(seeded(5, 1)), transA=1, alpha=3.0),
    node_case("Gemm", A, B, Const(seeded(1)), beta=0.0),
]

EINSUM = [
    node_case("Einsum", A, B.array, equation="ij,jk->ik"),
    node_case("Einsum", seeded(2, 3, 4, 5), seeded(2, 3, 6, 5), equation="bhqd, bhkd -> bhqk"),
    node_case("Einsum", seeded(4, 4), equation="ii->i"),
    node_case("Einsum", seeded(3, 4, 4), equation="...ii->...i"),
    node_case("Einsum", seeded(4, 4), equation="ii"),
    node_case("Einsum", seeded(3, 4), equation="ij->ji"),
    node_case("Einsum", seeded(3, 4), equation="ij->i"),
    node_case("Einsum", seeded(3), seeded(4), equation="i,j"),
    node_case("Einsum", seeded(2, 3, 4), seeded(4, 5), equation="...j,jk"),
    node_case("Einsum", seeded(3, 4), seeded(4, 5), seeded(5, 2), equation="ab,bc,cd->da"),
    node_case("Einsum", seeded(3, 4), seeded(3, 4), equation="ij,ij->"),
]

CASES: list[Case] = [*MATMUL, *GEMM, *EINSUM]
