"""Recurrent layers: directions, lengths, initial states, activations, at odd sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.suite.case import Array, Case, Const, node_case, seeded

STEPS, BATCH, FEATURES, HIDDEN = 5, 3, 7, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
LENGTHS = np.array([5, 2, 1], np.int32)


def layer(
    op_type: str,
    *,
    directions: int = 1,
    bias: bool = True,
    lengths: Array | Const | None = None,
    states: int = 0,
    peepholes: bool = False,
    batch: int = BATCH,
    **attributes: Any,
) -> Case:
    """A layer with constant weights; `states` initial states and the input are given to it."""
    size = GATES[op_type] * HIDDEN
    leading = (batch, directions) if attributes.get("layout") else (directions, batch)
    x = seeded(STEPS, batch, FEATURES)
    operands = [
        x.swapaxes(0, 1) if attributes.get("layout") else x,
        Const(seeded(directions, size, FEATURES, seed=1) * np.float32(0.5)),
        Const(seeded(directions, size, HIDDEN, seed=2) * np.float32(0.5)),
        Const(seeded(directions, 2 * size, seed=3)) if bias else None,
        lengths,
        *(seeded(*leading, HIDDEN, seed=4 + index) for index in range(states)),
    ]
    if peepholes:
        operands += [None] * (2 - states)
        operands.append(Const(seeded(directions, 3 * HIDDEN, seed=6)))
    outputs = 3 if op_type == "LSTM" else 2
    if directions == 2:
        attributes["direction"] = "bidirectional"
    return node_case(op_type, *operands, outputs=outputs, hidden_size=HIDDEN, **attributes)


RNN = [
    layer("RNN"),
    layer("RNN", bias=False, direction="reverse"),
    layer("RNN", directions=2, states=1, lengths=LENGTHS),
    layer("RNN", activations=["HardSigmoid"], activation_alpha=[0.3], activation_beta=[0.4]),
    layer("RNN", directions=2, activations=["Elu", "LeakyRelu"], activation_alpha=[0.7, 0.1]),
]

GRU = [
    layer("GRU"),
    layer("GRU", linear_before_reset=1),
    layer("GRU", bias=False, linear_before_reset=1, states=1),
    layer("GRU", directions=2, states=1, lengths=LENGTHS, linear_before_reset=1),
    layer("GRU", direction="reverse", lengths=Const(LENGTHS)),
    layer("GRU", clip=0.5, activations=["Softsign", "Relu"]),
]

LSTM = [
    layer("LSTM"),
    layer("LSTM", batch=1, direction="reverse", states=2),
    layer("LSTM", directions=2, states=2),
    layer("LSTM", directions=2, states=2, lengths=LENGTHS),
    layer("LSTM", bias=False, lengths=Const(np.full(BATCH, STEPS, np.int32))),
    layer("LSTM", peepholes=True, states=2),
    layer("LSTM", peepholes=True, input_forget=1, directions=2),
    layer("LSTM", clip=0.5),
]

CASES: list[Case] = [*RNN, *GRU, *LSTM]
