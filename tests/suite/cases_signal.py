"""Fourier transforms of real and complex signals, at odd lengths."""

from __future__ import annotations

import numpy as np

from tests.suite.case import Case, Const, f32, node_case, seeded

REAL, COMPLEX = seeded(2, 15, 1), seeded(3, 4, 13, 2)
STEP, LENGTH = Const(np.array(5)), Const(np.array(12))
WINDOW = Const(np.hanning(12).astype(np.float32))

CASES: list[Case] = [
    node_case("DFT", REAL),
    node_case("DFT", REAL, onesided=1),
    node_case("DFT", REAL, Const(np.array(20))),
    node_case("DFT", REAL, Const(np.array(7)), onesided=1),
    node_case("DFT", COMPLEX, axis=2),
    node_case("DFT", COMPLEX, axis=1, inverse=1),
    node_case("DFT", COMPLEX, None, Const(np.array(-2)), opset=20),
    node_case("DFT", COMPLEX, None, Const(np.array(-2)), opset=20, onesided=1, inverse=1),
    node_case("DFT", COMPLEX, Const(np.array(25)), axis=2, onesided=1, inverse=1),
    node_case("DFT", COMPLEX, Const(np.array(24)), axis=2, onesided=1, inverse=1),
    node_case("DFT", REAL.astype(np.float64)),
    node_case("STFT", seeded(2, 47, 1), STEP, WINDOW),
    node_case("STFT", seeded(2, 47, 1), STEP, WINDOW, onesided=0),
    node_case("STFT", seeded(1, 40), STEP, None, LENGTH),
    node_case("STFT", seeded(1, 40, 2), STEP, WINDOW, onesided=0),
    *(
        node_case("MelWeightMatrix", *(Const(np.array(n)) for n in sizes), *map(Const, limits))
        for sizes, limits in (
            ((10, 64, 16000), (f32(20), f32(8000))),
            ((40, 128, 8192), (f32(0), f32(4096))),
        )
    ),
]
