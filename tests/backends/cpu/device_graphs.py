"""Graphs from text, as the backend lowers them, run beside the interpreter."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from ncc.backends.cpu.backend import kernels
from ncc.backends.cpu.kernels.builder import Call
from ncc.backends.cpu.lower import lower
from ncc.backends.cpu.storage.weights import WeightTable
from ncc.backends.cpu.target import Target
from ncc.ir.graph import Graph
from ncc.ir.interpret import interpret
from ncc.ir.op import load_ops
from ncc.ir.text.parser import parse
from tests.guarded import Edge, survives
from tests.suite.engines import MachineCode
from tests.text_cases import random_inputs


def prepared(text: str) -> Graph:
    """The graph of `text` with its nodes in kernels."""
    load_ops()
    return kernels(parse(text))


def calls_of(text: str, target: Target) -> list[Call]:
    """The calls that compute the graph of `text`."""
    return lower(prepared(text), target, WeightTable())


def assert_runs(text: str, target: Target, tolerance: float = 1e-6) -> None:
    """Machine code of `text`, between pages that may not be touched, gives what it means.

    Results may differ by `tolerance` of the largest number, for sums in another order.
    """
    body = prepared(text)
    inputs = random_inputs(body)
    code = MachineCode(body, target)
    wanted = interpret(parse(text), inputs)
    for edge in Edge:
        for cores in (1, 2):
            survives(partial(_check, code, inputs, edge, cores, wanted, tolerance))


def _check(
    code: MachineCode,
    inputs: list[npt.NDArray[np.generic]],
    edge: Edge,
    cores: int,
    wanted: list[npt.NDArray[np.generic]],
    tolerance: float,
) -> None:
    for ours, theirs in zip(code.run(inputs, edge, cores), wanted, strict=True):
        left, right = ours.astype(np.float64), theirs.astype(np.float64)
        most = np.abs(right[np.isfinite(right)]).max(initial=0.0)
        np.testing.assert_allclose(left, right, rtol=0, atol=tolerance * float(most))
